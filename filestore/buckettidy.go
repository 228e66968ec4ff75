package filestore

import (
	"context"
	"slices"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// tidy takes away the implicit directories that SFTP has left empty, so that a
// bucket which lists nothing can be removed by who can't see them. NotEmpty if
// there is anything else.
func (b *Bucket) tidy(ctx context.Context) error {
	t := b.Tree()
	ends, err := t.emptyEnds(ctx, t.read, nil, nil)
	if err != nil {
		return err
	}
	var ops []*op
	for _, dirs := range ends {
		ops = append(ops, &op{object: true, through: t, apply: func(ctx context.Context, b *batch) error {
			way, err := t.descend(ctx, b, dirs)
			if err != nil || len(way) <= len(dirs) {
				return err
			}
			return b.settle(ctx, way)
		}})
	}
	for _, err := range t.fs.commit.doAll(ctx, ops) {
		if err != nil {
			return err
		}
	}
	return nil
}

// emptyEnds lists the directories below one that have nothing in them, where there
// is nothing but implicit directories; else NotEmpty.
func (t *Tree) emptyEnds(ctx context.Context, r caps.SlotRead, dirs []string, above []slotID) (ends [][]string, err error) {
	v, err := t.fs.slots.load(ctx, r)
	if err != nil {
		return nil, err
	}
	if v.state.Root.IsZero() && len(dirs) > 0 {
		return [][]string{dirs}, nil
	}
	for e, err := range v.dir.Scan(ctx, "") {
		if err == nil && (e.Kind != dirtree.Directory || !implicit(e) || slices.Contains(above, slotID(e.Dir.ID()))) {
			err = kind.NotEmpty
		}
		if err == nil {
			err = e.Check()
		}
		if err != nil {
			return nil, err
		}
		below, err := t.emptyEnds(ctx, e.Dir, append(slices.Clone(dirs), e.Name), append(slices.Clone(above), v.rec.ID))
		if err != nil {
			return nil, err
		}
		ends = append(ends, below...)
	}
	return ends, nil
}
