package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// join makes the contents of the parts: their trees side by side in one, under new
// nodes, which come with the commit. Parts of a few bytes, which entries hold
// themselves, are gathered in chunks.
func (c *completion) join(ctx context.Context, d *draft) (*contents, error) {
	j := &joiner{d: d, c: new(contents)}
	for _, e := range c.entries {
		switch e.Kind {
		case dirtree.EmptyFile:
		case dirtree.Inline:
			if len(j.small)+len(e.Data) > joinSmall {
				if err := j.flush(ctx); err != nil {
					return nil, err
				}
			}
			j.small = append(j.small, e.Data...)
		case dirtree.OneChunk, dirtree.TreeFile:
			if err := j.flush(ctx); err != nil {
				return nil, err
			}
			j.parts = append(j.parts, filetree.Part{Ref: e.File})
		default:
			return nil, fmt.Errorf("a part of an upload is a %v: %w", e.Kind, kind.Corrupt)
		}
		j.c.size += int64(e.Size)
	}
	return j.contents(ctx)
}

// joiner makes contents of parts of trees and of bytes between them.
type joiner struct {
	d     *draft
	c     *contents
	parts []filetree.Part
	small []byte // bytes that come after parts
}

// flush seals what bytes there are.
func (j *joiner) flush(ctx context.Context) error {
	if len(j.small) == 0 {
		return nil
	}
	ref, err := j.d.outside(ctx, j.c, j.small)
	j.parts, j.small = append(j.parts, filetree.Part{Ref: ref}), nil
	return err
}

func (j *joiner) contents(ctx context.Context) (*contents, error) {
	switch {
	case j.c.size == 0:
		j.c.kind = dirtree.EmptyFile
		return j.c, nil
	case len(j.parts) == 0 && len(j.small) <= dirtree.MaxInline:
		j.c.kind, j.c.data = dirtree.Inline, j.small
		return j.c, nil
	}
	if err := j.flush(ctx); err != nil {
		return nil, err
	}
	ref, nodes, err := filetree.Join(j.parts)
	if err != nil {
		return nil, fmt.Errorf("join parts: %w", err)
	}
	j.c.ref, j.c.kind = ref, dirtree.TreeFile
	if ref.Level == filetree.LevelChunk {
		j.c.kind = dirtree.OneChunk
	}
	for _, n := range nodes {
		j.c.bring(j.d.owner, n)
	}
	return j.c, nil
}
