package filestore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// batch is one round of the committer: working copies of the directories that
// its operations touch, in groups that share some, one request a group.
type batch struct {
	fs    *FS
	works map[slotID]*work
	again []*op // to be tried again at once: their attempt was void
	later []*op // to be tried in the next round: they need a request of their own

	// moved tells where operations of this round have put files, nil: removed.
	moved map[fileKey]*spot

	// unnamed are the files being created whose names operations of this round
	// give to others, by the directory of the name.
	unnamed map[*openFile]*work

	// The operation being applied, its group, and whether it changed anything.
	op      *op
	group   *group
	mutated bool
}

func newBatch(fs *FS) *batch {
	return &batch{fs: fs, works: make(map[slotID]*work), moved: make(map[fileKey]*spot), unnamed: make(map[*openFile]*work)}
}

// run applies one operation.
func (b *batch) run(ctx context.Context, o *op) {
	b.op, b.group, b.mutated = o, nil, false
	o.files, o.bytes = 0, 0
	err := o.apply(ctx, b)
	g := b.group
	if err != nil && !errors.Is(err, errLater) && b.outdated(ctx, o) {
		// It has judged what another gateway has changed meanwhile.
		o.tries++
		b.startOver(g)
		b.again = append(b.again, o)
		return
	}
	switch {
	case b.mutated && err != nil:
		// The working copies hold half an operation. The others of the group
		// start over without it.
		b.startOver(g)
		if errors.Is(err, errLater) {
			b.later = append(b.later, o)
		} else {
			o.finish(err)
		}
	case errors.Is(err, errLater):
		b.later = append(b.later, o)
	case g == nil || !g.dirty:
		o.finish(err)
	case err != nil:
		g.failed = append(g.failed, failure{o, err})
	default:
		g.ops = append(g.ops, o)
		g.closed = g.closed || o.alone
	}
}

// startOver has the operations of a group tried again, since something that its
// working copies hold can't be committed.
func (b *batch) startOver(g *group) {
	g.void = true
	b.again = append(b.again, g.all()...)
	g.ops, g.failed = nil, nil
}

// outdated reports whether a directory that an operation has used is another now
// than the cache says: on a metastore that other gateways write to, too, an
// operation fails only on what holds. With an error it says no.
func (b *batch) outdated(ctx context.Context, o *op) bool {
	if b.fs.slots.authoritative || b.group == nil || o.tries > maxTries {
		return false
	}
	var reads []caps.SlotRead
	var bases []*version
	for _, w := range b.group.works {
		if w.base != nil {
			reads, bases = append(reads, w.base.read), append(bases, w.base)
		}
	}
	if len(reads) == 0 {
		return false
	}
	now, err := b.fs.slots.loadAll(ctx, reads)
	if err != nil {
		return false
	}
	for i, l := range now {
		if l.err == nil && l.v.rec.Hash != bases[i].rec.Hash {
			return true
		}
	}
	return false
}

// join makes g the group of the running operation, or merges it into that.
func (b *batch) join(g *group) error {
	switch {
	case g == b.group:
		return nil
	case g.closed || g.void || (b.op.alone && g.dirty):
		return errLater
	case b.group == nil:
		b.group = g
		return nil
	case b.group.draft != metastore.DraftID{} && g.draft != metastore.DraftID{} && b.group.draft != g.draft:
		return errLater
	}
	b.group.absorb(g)
	return nil
}

// own returns the running operation's group.
func (b *batch) own() *group {
	if b.group == nil {
		b.group = new(group)
	}
	return b.group
}

// changes notes that the running operation has changed something.
func (b *batch) changes() {
	b.mutated = true
	b.own().dirty = true
}

// single demands that the running operation shares its request with no other.
func (b *batch) single() error {
	if b.op.alone {
		return nil
	}
	b.op.alone = true
	if g := b.group; g != nil && g.dirty {
		return errLater
	}
	return nil
}

// dir returns the working copy of a directory. NotExist if it was removed.
func (b *batch) dir(ctx context.Context, wr caps.SlotWrite) (*work, error) {
	id := slotID(wr.ID())
	if w := b.works[id]; w != nil {
		if err := b.join(w.group); err != nil {
			return nil, err
		}
		if w.next.Tombstone {
			return nil, fmt.Errorf("the directory was removed: %w", kind.NotExist)
		}
		return w, nil
	}
	v, _, err := b.fs.slots.get(ctx, wr.Read())
	if err != nil {
		return nil, err
	}
	if v.state.Tombstone {
		return nil, fmt.Errorf("the directory was removed: %w", kind.NotExist)
	}
	w := &work{batch: b, write: wr, base: v, next: v.state, owner: v.rec.Owner, edit: v.writable(wr).Edit()}
	b.adopt(id, w)
	return w, nil
}

// create adds a new, empty directory slot to the request.
func (b *batch) create(wr caps.SlotWrite, home, owner slotID) *work {
	now := b.fs.now().UnixNano()
	w := &work{batch: b, write: wr, owner: owner, changed: true}
	w.next = dirtree.SlotState{Home: home, Mtime: now, Ctime: now}
	b.adopt(slotID(wr.ID()), w)
	b.changes()
	return w
}

// pending returns the file that is being created under a name as the operations
// before left it, or nil.
func (b *batch) pending(w *work, name string) *openFile {
	f := b.fs.open.pending(w.id(), name)
	if f == nil || b.unnamed[f] != nil {
		return nil
	}
	return f
}

func (b *batch) adopt(id slotID, w *work) {
	b.works[id] = w
	w.group = b.own()
	w.group.works = append(w.group.works, w)
}

// bring adds what a file's new contents consist of to the request.
func (b *batch) bring(c *contents) error {
	g := b.own()
	if c.draft != (metastore.DraftID{}) {
		if g.draft != (metastore.DraftID{}) && g.draft != c.draft {
			return errLater
		}
		g.draft = c.draft
	}
	b.changes()
	for i, row := range c.live {
		if !slices.ContainsFunc(g.live, func(b metastore.BlockRow) bool { return b.ID == row.ID }) {
			g.nodes, g.live = append(g.nodes, c.nodes[i]), append(g.live, row)
		}
	}
	g.links = append(g.links, c.links...)
	return nil
}
