package filestore

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// errVanished is the answer of an attempt that didn't find its file where this
// node knows it, on a metastore that other gateways write to.
var errVanished = errors.New("the file isn't where it was")

// errOutOfReach fails a commit whose file was moved to where the tree that it
// was opened through doesn't lead: what was written has no place to go.
var errOutOfReach = fmt.Errorf("the file was moved to where it can't be followed: %w", kind.Conflict)

// maxFollows bounds how many moves of one file are followed in a row.
const maxFollows = 32

// pursuit is the search for a file that another gateway has moved or removed
// (formats 8: moved, a draft follows it; gone, it is discarded).
//
// No index tells where a file id stands, since names and keys stand in
// directories only. But the slot's log tells which commit took the file out of
// its directory, and the metastore which other slots that commit has changed: if
// there are none the file was removed, else one of them has it. Only for those
// the tree is searched, whose keys this node may not have at hand.
type pursuit struct {
	fs   *FS
	tree *Tree
	id   FileID
	at   spot
}

// follow finds where the file is now, or that it is gone, and notes it. It is
// called with f's lock held.
func (f *openFile) follow(ctx context.Context) error {
	r := f.fs.open
	r.mu.Lock()
	p := pursuit{fs: f.fs, tree: f.tree, id: f.key.id, at: f.at}
	r.mu.Unlock()
	if err := p.run(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.at.dir.IsZero() {
		r.forget(f)
		f.gone = true
	} else {
		r.place(f, p.at)
	}
	return nil
}

// run goes from directory to directory, until the file is found or known to be
// gone.
func (p *pursuit) run(ctx context.Context) error {
	for range maxFollows {
		arrived, err := p.step(ctx)
		if err != nil {
			return fmt.Errorf("look for a file that was moved: %w", err)
		}
		if arrived {
			return nil
		}
	}
	return fmt.Errorf("a file keeps moving: %w", kind.Conflict)
}

// step looks at one directory. The file has arrived where p.at says then,
// nowhere if that is zero; or p.at is the directory that it went to from there.
func (p *pursuit) step(ctx context.Context) (arrived bool, err error) {
	v, err := p.fs.slots.load(ctx, p.at.dir.Read())
	if err != nil {
		return false, err
	}
	e, err := p.find(ctx, v)
	if err != nil {
		return false, err
	}
	if e != nil {
		p.at.name, p.at.version = e.Name, v.rec.Version
		return true, nil
	}
	others, err := p.departed(ctx)
	if err != nil {
		return false, err
	}
	return p.next(ctx, others)
}

// next goes on to the one of several directories that has the file, or had it
// at the commit in question.
func (p *pursuit) next(ctx context.Context, others map[slotID]metastore.Record) (arrived bool, err error) {
	if len(others) == 0 {
		p.at = spot{}
		return true, nil
	}
	dirs, whole, err := p.tree.search(ctx, others)
	if err != nil {
		return false, err
	}
	for id, at := range dirs {
		e, err := p.held(ctx, at.dir.Read(), others[id])
		if err != nil {
			return false, err
		}
		if e != nil {
			p.at = spot{dir: at.dir, name: e.Name, version: others[id].Version, bucket: at.bucket}
			return false, nil
		}
	}
	if len(dirs) < len(others) || !whole {
		return false, errOutOfReach
	}
	p.at = spot{}
	return true, nil
}

// find looks for the file in one version of a directory; nil if it isn't there.
func (p *pursuit) find(ctx context.Context, v *version) (*dirtree.Entry, error) {
	if v.state.Tombstone {
		return nil, nil
	}
	if p.at.name != "" {
		e, err := v.dir.Get(ctx, p.at.name)
		switch {
		case err == nil && e.FileID == p.id:
			return e, nil
		case err != nil && !errors.Is(err, kind.NotExist):
			return nil, err
		}
	}
	for e, err := range v.dir.Scan(ctx, "") {
		if err != nil {
			return nil, err
		}
		if e.FileID == p.id {
			return e, nil
		}
	}
	return nil, nil
}

// held is find in the version of a directory that a record tells.
func (p *pursuit) held(ctx context.Context, r caps.SlotRead, rec metastore.Record) (*dirtree.Entry, error) {
	st, err := dirtree.OpenSlot(r, rec.Bytes)
	if err != nil {
		return nil, err
	}
	return p.find(ctx, p.fs.newVersion(r, rec, st))
}

// departed returns the other slots that the commit has changed which took the
// file out of its directory. Where the log doesn't reach back to it, those are
// all that were changed since the file was last seen there.
func (p *pursuit) departed(ctx context.Context) (map[slotID]metastore.Record, error) {
	id := slotID(p.at.dir.ID())
	recs, err := retry.Value(ctx, func() ([]metastore.Record, error) {
		return p.fs.o.Meta.Log(ctx, id, max(p.at.version, 1)-1)
	})
	if err != nil {
		return nil, err
	}
	var failed error
	first := sort.Search(len(recs), func(i int) bool {
		if failed != nil {
			return true
		}
		var e *dirtree.Entry
		e, failed = p.held(ctx, p.at.dir.Read(), recs[i])
		return e == nil
	})
	view, err := retry.Value(ctx, func() (metastore.View, error) { return p.fs.o.Meta.Collector().Snapshot(ctx) })
	if err != nil {
		return nil, err
	}
	defer view.Close()
	if failed == nil && first > 0 && first < len(recs) {
		seq := recs[first].Seq
		return changed(view.SlotsAt(ctx, seq), id, func(rec metastore.Record) bool { return rec.Seq == seq })
	}
	since := uint64(0)
	if len(recs) > 0 {
		since = recs[0].Seq - 1
	}
	return changed(view.AllSlots(ctx), id, func(rec metastore.Record) bool { return rec.Seq > since })
}

// changed picks records, but not that of one slot.
func changed(recs func(func(metastore.Record, error) bool), but slotID, want func(metastore.Record) bool) (map[slotID]metastore.Record, error) {
	found := make(map[slotID]metastore.Record)
	for rec, err := range recs {
		if err != nil {
			return nil, err
		}
		if rec.ID != but && want(rec) && !metastore.IsTombstone(rec.Bytes) {
			found[rec.ID] = rec
		}
	}
	return found, nil
}

// search finds directories in the tree that it may write to, by their slots,
// the nearest to the root first. whole is false if a part of the tree could not
// be read.
func (t *Tree) search(ctx context.Context, want map[slotID]metastore.Record) (found map[slotID]spot, whole bool, err error) {
	found, whole = make(map[slotID]spot), true
	met := make(map[slotID]bool)
	var next []spot
	meet := func(wr caps.SlotWrite, bucket slotID) {
		id := slotID(wr.ID())
		if met[id] {
			return
		}
		met[id] = true
		if t.fs.buckets.at(id) != nil {
			bucket = id
		}
		at := spot{dir: wr, bucket: bucket}
		next = append(next, at)
		if _, wanted := want[id]; wanted {
			found[id] = at
		}
	}
	if t.write != nil {
		meet(*t.write, slotID{})
	}
	for len(next) > 0 && len(found) < len(want) {
		batch := next[:min(len(next), listBatch)]
		next = next[len(batch):]
		reads := make([]caps.SlotRead, len(batch))
		for i, at := range batch {
			reads[i] = at.dir.Read()
		}
		got, err := t.fs.slots.loadAll(ctx, reads)
		if err != nil {
			return nil, false, err
		}
		for i, g := range got {
			if g.err != nil || t.enterAll(ctx, g.v, batch[i], meet) != nil {
				whole = false
			}
		}
	}
	return found, whole, ctx.Err()
}

// enterAll tells meet of the directories in a directory.
func (t *Tree) enterAll(ctx context.Context, v *version, at spot, meet func(wr caps.SlotWrite, bucket slotID)) error {
	if v.state.Tombstone {
		return nil
	}
	for e, err := range v.writable(at.dir).Scan(ctx, "") {
		if err != nil {
			return err
		}
		if e.Kind == dirtree.Directory && e.DirWrite != nil && e.Check() == nil {
			meet(*e.DirWrite, at.bucket)
		}
	}
	return nil
}
