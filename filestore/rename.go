package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Rename moves what stands at from to to, in one transaction, whatever the
// directories. A file keeps its id, and whoever has it open goes on with it
// under its new name. A directory can't move below itself: Invalid.
func (t *Tree) Rename(ctx context.Context, from, to Path, m RenameMode) error {
	var err error
	for range maxRebases {
		// A conflict means that the way to the target has changed meanwhile.
		if err = t.rename(ctx, from, to, m); !errors.Is(err, errWayChanged) {
			break
		}
	}
	return wrap("rename", err)
}

// errWayChanged is the answer of a directory's move when the directories above
// its target aren't what they were.
var errWayChanged = fmt.Errorf("the way to the target has changed: %w", kind.Conflict)

func (t *Tree) rename(ctx context.Context, from, to Path, m RenameMode) error {
	src, err := t.resolve(ctx, from, wantEntry)
	switch {
	case err != nil:
		return err
	case src.dir == nil:
		return fmt.Errorf("the root of a tree: %w", kind.Denied)
	case !src.exists():
		return kind.NotExist
	}
	dst, err := t.resolve(ctx, to, wantEntry)
	switch {
	case err != nil:
		return err
	case dst.dir == nil:
		return kind.Exist
	}
	if err := src.dir.mayChange(); err != nil {
		return err
	}
	if err := dst.dir.mayChange(); err != nil {
		return err
	}
	if src.file != nil {
		if err := src.file.commit(ctx); err != nil {
			return err
		}
	}
	t.renewChild(ctx, dst.entry)
	r := &renaming{t: t, src: src, dst: dst, mode: m}
	return t.fs.commit.do(ctx, &op{apply: r.apply, won: r.won})
}

// renaming is one Rename on its way through the committer.
type renaming struct {
	t        *Tree
	src, dst place
	mode     RenameMode

	// Of the last attempt.
	moved, gone *fileKey
	to          spot
}

func (r *renaming) won() {
	open := r.t.fs.open
	if r.gone != nil {
		open.removed(*r.gone)
	}
	if r.moved != nil {
		open.moved(*r.moved, r.to)
	}
}

func (r *renaming) apply(ctx context.Context, b *batch) error {
	r.moved, r.gone = nil, nil
	src, err := b.dir(ctx, *r.src.dir.write)
	if err != nil {
		return err
	}
	dst, err := b.dir(ctx, *r.dst.dir.write)
	if err != nil {
		return err
	}
	e, err := lookup(ctx, src, r.src.name)
	if err != nil {
		return err
	}
	if e == nil {
		return kind.NotExist
	}
	old, err := lookup(ctx, dst, r.dst.name)
	if err != nil {
		return err
	}
	if old != nil && src == dst && old.SortKey() == e.SortKey() {
		if r.mode == Replace {
			return nil
		}
		return kind.Exist
	}
	crosses := e.Kind == dirtree.Directory && src != dst
	if crosses {
		if err := b.single(); err != nil {
			return err
		}
		if err := r.below(e); err != nil {
			return err
		}
	}
	if err := r.replace(ctx, b, dst, e, old); err != nil {
		return err
	}
	if crosses {
		if err := r.rehome(ctx, b, src, dst, e); err != nil {
			return err
		}
	}
	return r.move(ctx, b, src, dst, e)
}

// replace clears the target's name by POSIX's rules. e comes in its place.
func (r *renaming) replace(ctx context.Context, b *batch, dst *work, e, old *dirtree.Entry) error {
	coming := b.fs.open.pending(dst.id(), r.dst.name) != nil
	switch {
	case old == nil && !coming:
		return nil
	case r.mode != Replace:
		return kind.Exist
	case old == nil && e.Kind.IsDir():
		return kind.NotDir
	case old == nil:
		b.fs.open.dropPending(dst.id(), r.dst.name)
		return nil
	case e.Kind.IsDir() && !old.Kind.IsDir():
		return kind.NotDir
	case !e.Kind.IsDir() && old.Kind.IsDir():
		return kind.IsDir
	case old.Kind.IsDir():
		return b.bury(ctx, dst, old)
	}
	r.gone = b.takeAway(dst, old)
	return nil
}

// move takes the entry out of one directory and puts it in the other.
func (r *renaming) move(ctx context.Context, b *batch, src, dst *work, e *dirtree.Entry) error {
	if err := src.delete(ctx, e); err != nil {
		return err
	}
	moved := *e
	moved.Name = r.dst.name
	if err := dst.put(ctx, &moved); err != nil {
		return err
	}
	src.namesChanged()
	dst.namesChanged()
	r.to = spot{dst.write, r.dst.name}
	if !e.Kind.IsDir() {
		r.moved = &fileKey{src.id(), e.FileID}
		b.moved[*r.moved] = &r.to
		b.moved[fileKey{dst.id(), e.FileID}] = &r.to
	}
	return nil
}

// below refuses to move a directory to where it contains itself, as far as the
// way to the target shows it.
func (r *renaming) below(e *dirtree.Entry) error {
	for n := r.dst.dir; n != nil; n = n.parent {
		if n.id() == slotID(e.Dir.ID()) {
			return errBelowItself()
		}
	}
	return nil
}

func errBelowItself() error {
	return fmt.Errorf("a directory can't move below itself: %w", kind.Invalid)
}

// rehome gives a directory that moves to another one its new home, and has the
// transaction check that it doesn't move below itself: the moves of all
// gateways pass there one after the other (formats 10).
func (r *renaming) rehome(ctx context.Context, b *batch, src, dst *work, e *dirtree.Entry) error {
	b.own().dirMove = true
	b.own().checks = append(b.own().checks, r.t.way(r.dst.dir, slotID(e.Dir.ID())))
	if e.DirWrite == nil {
		return nil
	}
	child, err := b.dir(ctx, *e.DirWrite)
	if errors.Is(err, kind.NotExist) {
		return nil // its home has gone before; only the link moves
	}
	if err != nil {
		return err
	}
	if child.next.Home == src.id() {
		child.next.Home = dst.id()
		child.touch()
	}
	return nil
}

// way checks inside of a transaction that the path to the directory n still
// leads there, through directories other than moving.
func (t *Tree) way(n *node, moving slotID) func(context.Context, metastore.Reader) error {
	var chain []*node
	for ; n != nil; n = n.parent {
		chain = append([]*node{n}, chain...)
	}
	ids := make([]slotID, len(chain))
	for i, n := range chain {
		ids[i] = n.id()
	}
	return func(ctx context.Context, r metastore.Reader) error {
		recs, err := r.Slots(ctx, ids)
		if err != nil {
			return err
		}
		for i, rec := range recs {
			switch {
			case rec.ID == moving:
				return errBelowItself()
			case rec.Bytes == nil || metastore.IsTombstone(rec.Bytes):
				return errWayChanged
			case i == len(recs)-1 || dirtree.RecordHash(rec.Bytes) == chain[i].v.rec.Hash:
				continue
			}
			if err := t.leads(ctx, r, chain[i].v.read, rec, chain[i+1].entry); err != nil {
				return err
			}
		}
		return nil
	}
}

// leads checks that the directory of a record still has an entry that links the
// same directory.
func (t *Tree) leads(ctx context.Context, r metastore.Reader, read caps.SlotRead, rec metastore.Record, e *dirtree.Entry) error {
	st, err := dirtree.OpenSlot(read, rec.Bytes)
	if err != nil {
		return err
	}
	d := dirtree.Open(dirtree.Keys{Read: read}, st.Root, readerNodes{r}, nil)
	now, err := d.Get(ctx, e.SortKey())
	switch {
	case errors.Is(err, kind.NotExist):
		return errWayChanged
	case err != nil:
		return err
	case now.Kind != dirtree.Directory || now.Dir.ID() != e.Dir.ID():
		return errWayChanged
	}
	return nil
}

// readerNodes reads nodes as of a running transaction.
type readerNodes struct{ r metastore.Reader }

func (n readerNodes) Node(ctx context.Context, id [32]byte) ([]byte, error) {
	data, err := n.r.Nodes(ctx, []metastore.ID{id})
	if err != nil {
		return nil, err
	}
	if data[0] == nil {
		return nil, kind.NotExist
	}
	return data[0], nil
}

// unchanged demands that a slot's record is still that of v.
func unchanged(v *version) func(context.Context, metastore.Reader) error {
	return func(ctx context.Context, r metastore.Reader) error {
		recs, err := r.Slots(ctx, []slotID{v.rec.ID})
		if err != nil {
			return err
		}
		if recs[0].Bytes == nil || dirtree.RecordHash(recs[0].Bytes) != v.rec.Hash {
			return fmt.Errorf("a directory has changed: %w", kind.Conflict)
		}
		return nil
	}
}

// Link makes a second entry with the same contents. A stored file is immutable,
// so this is a copy that costs nothing; from then on the two go their own ways.
// What was written to the file and not committed is committed first.
func (t *Tree) Link(ctx context.Context, from, to Path) error {
	return wrap("link", t.link(ctx, from, to))
}

func (t *Tree) link(ctx context.Context, from, to Path) error {
	src, err := t.resolve(ctx, from, wantEntry)
	switch {
	case err != nil:
		return err
	case !src.exists():
		return kind.NotExist
	case src.dir == nil || src.entry != nil && src.entry.Kind.IsDir():
		return fmt.Errorf("a directory has one name: %w", kind.Denied)
	case src.dir.write == nil:
		return kind.ReadOnly
	}
	dst, err := t.resolve(ctx, to, wantEntry)
	switch {
	case err != nil:
		return err
	case dst.exists():
		return kind.Exist
	}
	if err := dst.dir.mayChange(); err != nil {
		return err
	}
	f := src.file
	if f == nil {
		f = t.fs.open.file(fileKey{src.dir.id(), src.entry.FileID})
	}
	if f != nil {
		if err := f.commit(ctx); err != nil {
			return err
		}
	}
	id := newFileID()
	return t.fs.commit.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		from, err := b.dir(ctx, *src.dir.write)
		if err != nil {
			return err
		}
		into, err := b.dir(ctx, *dst.dir.write)
		if err != nil {
			return err
		}
		e, err := lookup(ctx, from, src.name)
		switch {
		case err != nil:
			return err
		case e == nil:
			return kind.NotExist
		case e.Kind.IsDir() || e.Kind == dirtree.MutableFile:
			return fmt.Errorf("it can have one name only: %w", kind.Denied)
		}
		if err := b.absent(ctx, into, dst.name); err != nil {
			return err
		}
		second := *e
		second.Name, second.FileID = dst.name, id
		// The blocks are reachable from the source's record, which this request
		// replaces: so they are at this very moment (formats 11).
		from.touch()
		into.namesChanged()
		return into.put(ctx, &second)
	}})
}
