package filestore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/snapshot"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// MaxFreezeDepth is how many directories in one another Freeze copies.
const MaxFreezeDepth = 256

// Freeze copies the names of the directory at from, and of all directories below
// it, into frozen ones as of one moment, links the copy at to in the tree into,
// and returns its capability (formats 1). The contents of files aren't copied,
// they are shared. A mutable file becomes the file that it holds now; a
// directory that was removed through another link becomes an empty one. What is
// written and not committed, in files that are open, is not in it.
//
// The copy is linked because nothing else keeps it from collection. Exist if to
// is taken; Invalid if a directory contains itself; TooLarge above
// MaxFreezeDepth; NotDir for a file, which never changes anyway.
func (t *Tree) Freeze(ctx context.Context, from Path, into *Tree, to Path) (caps.Read, error) {
	c, err := t.freeze(ctx, from, into, to)
	return c, wrap("freeze", err)
}

func (t *Tree) freeze(ctx context.Context, from Path, into *Tree, to Path) (caps.Read, error) {
	if into.fs != t.fs {
		return caps.Read{}, fmt.Errorf("into another filestore: %w", kind.Invalid)
	}
	rd := t.fs.open.begin() // what is read from here on isn't deleted before the end
	defer t.fs.open.end(rd)
	src, err := t.resolve(ctx, from, wantDir)
	switch {
	case err != nil:
		return caps.Read{}, err
	case !src.exists():
		return caps.Read{}, kind.NotExist
	case src.node == nil:
		return caps.Read{}, kind.NotDir
	case src.node.v == nil:
		e := &dirtree.Entry{Kind: dirtree.FrozenDir, Mode: defaultDirMode, Frozen: src.node.frozen.read}
		return caps.OfFrozenRead(e.Frozen), into.linkEntry(ctx, to, e)
	}
	dst, err := into.resolve(ctx, to, wantEntry)
	switch {
	case err != nil:
		return caps.Read{}, err
	case dst.exists():
		return caps.Read{}, kind.Exist
	}
	if err := dst.dir.mayChange(); err != nil {
		return caps.Read{}, err
	}
	z := &freezing{fs: t.fs, into: into, owner: into.ownerOf(dst.dir.v.rec.Owner), done: make(map[slotID]frozenCopy), way: make(map[slotID]bool)}
	top, err := z.run(ctx, src.node.v.read)
	if err != nil {
		return caps.Read{}, err
	}
	e := dirtree.Entry{
		Name: dst.name, Kind: dirtree.FrozenDir, FileID: newFileID(), Mode: dirInfo(src.node).Mode, Mtime: top.mtime, Frozen: top.read,
	}
	return caps.OfFrozenRead(top.read), z.link(ctx, &dst, &e)
}

// freezing is one Freeze under way. It keeps 32 bytes and some for each block
// that the copy keeps alive, and a little for each directory.
type freezing struct {
	fs    *FS
	into  *Tree
	owner slotID
	view  metastore.View
	marks *markWatch
	files *whole

	done map[slotID]frozenCopy // directories that several links lead to are copied once
	way  map[slotID]bool       // from the top to where the walk is

	nodes []metastore.NewNode // sealed, not stored yet
	rows  []metastore.BlockRow
	bytes int
}

type frozenCopy struct {
	of    caps.SlotRead
	read  caps.FrozenRead
	mtime int64
}

// run copies what is below a directory, as of one commit.
func (z *freezing) run(ctx context.Context, top caps.SlotRead) (frozenCopy, error) {
	z.marks = z.fs.water.watch()
	defer z.marks.end()
	view, err := retry.Value(ctx, func() (metastore.View, error) { return z.fs.o.Meta.Collector().Snapshot(ctx) })
	if err != nil {
		return frozenCopy{}, fmt.Errorf("read the metastore: %w", err)
	}
	defer view.Close()
	z.view, z.files = view, newWhole(z.fs, view)
	c, err := z.directory(ctx, top)
	if err != nil {
		return frozenCopy{}, err
	}
	return c, z.store(ctx)
}

// slot opens a slot's record as of the snapshot. One that was older than the
// mark when that began is refused (formats 5, Freshness).
func (z *freezing) slot(ctx context.Context, r caps.SlotRead) (dirtree.SlotState, error) {
	id := slotID(r.ID())
	recs, err := z.view.Slots(ctx, []slotID{id})
	if err != nil {
		return dirtree.SlotState{}, fmt.Errorf("read a slot: %w", err)
	}
	if recs[0].Bytes == nil {
		return dirtree.SlotState{}, fmt.Errorf("slot %v: slot missing: %w", id, kind.Corrupt)
	}
	st, err := dirtree.OpenSlot(r, recs[0].Bytes)
	if err != nil {
		return dirtree.SlotState{}, fmt.Errorf("slot %v: %w", id, err)
	}
	now := Mark{Slot: id, Epoch: st.Epoch, Version: st.Version, Hash: dirtree.RecordHash(recs[0].Bytes)}
	if m, seen := z.marks.mark(id); seen && m != now && !m.Before(now) {
		return dirtree.SlotState{}, fmt.Errorf("slot %v: version %d is older than one seen before: %w", id, now.Version, kind.Corrupt)
	}
	return st, nil
}

// directory copies a directory and what is below it.
func (z *freezing) directory(ctx context.Context, r caps.SlotRead) (frozenCopy, error) {
	id := slotID(r.ID())
	if c, again := z.done[id]; again && c.of.Equal(r) { // who has made up a key gets no copy of what the right one opened
		return c, nil
	}
	switch {
	case z.way[id]:
		return frozenCopy{}, fmt.Errorf("a directory contains itself: %w", kind.Invalid)
	case len(z.way) >= MaxFreezeDepth:
		return frozenCopy{}, fmt.Errorf("more than %d directories in one another: %w", MaxFreezeDepth, kind.TooLarge)
	}
	z.way[id] = true
	defer delete(z.way, id)
	st, err := z.slot(ctx, r)
	if err != nil {
		return frozenCopy{}, err
	}
	d := dirtree.Open(dirtree.Keys{Read: r}, st.Root, snapshot.Nodes{View: z.view}, z.fs.nodeCache)
	read, err := dirtree.Freeze(z.entries(ctx, d), func(n dirtree.Node) error { return z.emit(ctx, n) })
	if err != nil {
		return frozenCopy{}, err
	}
	c := frozenCopy{r, read, st.Mtime}
	z.done[id] = c
	return c, nil
}

// entries yields a directory's entries as they stand in the copy.
func (z *freezing) entries(ctx context.Context, d *dirtree.Dir) iter.Seq2[*dirtree.Entry, error] {
	return func(yield func(*dirtree.Entry, error) bool) {
		for e, err := range d.Scan(ctx, "") {
			if err == nil {
				e, err = z.entry(ctx, e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (z *freezing) entry(ctx context.Context, e *dirtree.Entry) (*dirtree.Entry, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	c := *asNew(e)
	c.Dir, c.DirWrite = caps.SlotRead{}, nil
	old := dirtree.Child{Kind: dirtree.EmptyFile} // what it keeps alive that is there already
	switch e.Kind {
	case dirtree.Directory:
		child, err := z.directory(ctx, e.Dir)
		if err != nil {
			return nil, err
		}
		c.Kind, c.Frozen, c.Mtime = dirtree.FrozenDir, child.read, child.mtime
	case dirtree.MutableFile:
		if err := z.contents(ctx, &c, e.Dir); err != nil {
			return nil, err
		}
	case dirtree.FrozenDir:
		old.Kind, old.Frozen = e.Kind, e.Frozen.Verify()
	}
	if c.Kind == dirtree.OneChunk || c.Kind == dirtree.TreeFile {
		old.Kind, old.File = c.Kind, c.File.Verify()
	}
	for _, m := range c.More {
		old.More = append(old.More, m.Verify())
	}
	return &c, z.files.add(ctx, old)
}

// contents makes c, the entry of a mutable file, that of the file which it holds.
func (z *freezing) contents(ctx context.Context, c *dirtree.Entry, r caps.SlotRead) error {
	st, err := z.slot(ctx, r)
	if err != nil {
		return err
	}
	d := dirtree.Open(dirtree.Keys{Read: r}, st.Root, snapshot.Nodes{View: z.view}, z.fs.nodeCache)
	in, err := contentsAt(ctx, d, st)
	if err != nil {
		return err
	}
	c.Kind, c.File, c.Data, c.Size, c.Mtime = in.Kind, in.File, in.Data, in.Size, in.Mtime
	atime, set := c.Atime()
	c.Attrs, c.More = in.Attrs, in.More
	if set {
		c.Attrs = dirtree.WithAttr(c.Attrs, dirtree.AtimeAttr(atime))
	}
	return nil
}

// Nodes that wait are stored when there are so many, or so many bytes of them.
const (
	freezeNodes = 256
	freezeBytes = 1 << 20
)

func (z *freezing) emit(ctx context.Context, n dirtree.Node) error {
	id := metastore.ID(n.ID)
	z.nodes = append(z.nodes, metastore.NewNode{ID: id, Data: n.Data})
	z.rows = append(z.rows, metastore.BlockRow{ID: id, Len: int64(len(n.Data)), Owner: z.owner})
	z.files.blocks[id] = struct{}{}
	if z.bytes += len(n.Data); len(z.nodes) < freezeNodes && z.bytes < freezeBytes {
		return nil
	}
	return z.store(ctx)
}

// store writes the nodes that wait. Nothing leads to them before the copy is
// linked; without that the next collections take them away.
func (z *freezing) store(ctx context.Context) error {
	if len(z.nodes) == 0 {
		return nil
	}
	req := &metastore.Request{Nodes: z.nodes, Live: z.rows, Owner: z.owner}
	unknown := false
	err := retry.Do(ctx, func() error {
		err := z.fs.o.Meta.Commit(ctx, req)[0]
		if unknown && errors.Is(err, kind.Conflict) {
			// The ids are hashes of nodes under random keys, nobody else has
			// them: the attempt before has written them.
			return nil
		}
		unknown = unknown || errors.Is(err, kind.Unavailable)
		return err
	})
	if err != nil {
		return fmt.Errorf("store frozen directories: %w", err)
	}
	z.nodes, z.rows, z.bytes = nil, nil, 0
	return nil
}

// link makes the entry of the copy, and every block of it live, in one
// transaction.
func (z *freezing) link(ctx context.Context, dst *place, e *dirtree.Entry) error {
	ids := z.files.ids()
	return z.into.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		if err := b.single(); err != nil {
			return err
		}
		into, err := b.in(ctx, dst.dir)
		if err != nil {
			return err
		}
		if into.keepsVersions() {
			return errVersioned("a frozen directory")
		}
		if err := b.absent(ctx, into, dst.name); err != nil {
			return err
		}
		b.changes()
		b.own().links = append(b.own().links, ids...)
		into.namesChanged()
		return into.put(ctx, e)
	}})
}
