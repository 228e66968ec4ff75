package dirtree

import (
	"context"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Edit collects changes to a Dir in memory. It reads the nodes on the paths of
// its changes and copies them; nothing is encrypted before Seal, and nothing is
// anybody's but the caller's, so an Edit that isn't wanted is just dropped. It
// is for one goroutine.
type Edit struct {
	d    *Dir
	root Root  // of what isn't changed since the last Seal; no matter while top is set
	top  *node // the root node, copied; nil if nothing changed since the last Seal

	// Both relative to d: nodes that d has not, and nodes that only d has.
	fresh map[[32]byte]freshNode
	order [][32]byte // of sealing; an id that left fresh is skipped
	dead  map[[32]byte]struct{}

	count, bytes int64
}

// freshNode is a node that Seal made: not in any source yet.
type freshNode struct {
	node   *node
	sealed Node
}

// Edit begins to change d, which stays as it is. Without write authority every
// change, and Seal, is refused with ReadOnly.
func (d *Dir) Edit() *Edit {
	return &Edit{d: d, root: d.root, fresh: make(map[[32]byte]freshNode), dead: make(map[[32]byte]struct{})}
}

// Count is how many entries more there are than in the Dir edited.
func (e *Edit) Count() int64 { return e.count }

// Bytes is how many bytes more the directory's own files have (kinds EmptyFile,
// OneChunk, TreeFile and Inline) than in the Dir edited.
func (e *Edit) Bytes() int64 { return e.bytes }

// IsEmpty reports whether no entry is left.
func (e *Edit) IsEmpty() bool {
	if e.top == nil {
		return e.root.IsZero()
	}
	return e.top.isEmpty()
}

// isEmpty reports whether no entry is below n, a changed node.
func (n *node) isEmpty() bool {
	if n.level == 0 {
		return len(n.entries) == 0
	}
	for _, k := range n.kids {
		if k.edit == nil || !k.edit.isEmpty() {
			return false
		}
	}
	return true
}

func (e *Edit) writable() error {
	if e.d.err != nil {
		return e.d.err
	}
	if e.d.ReadOnly() {
		return fmt.Errorf("dirtree: edit: %w", kind.ReadOnly)
	}
	return nil
}

// step is one node on the way to a leaf.
type step struct {
	n   *node
	own bool // n is this Edit's copy
	id  [32]byte
	i   int // the kid that the way goes on to
}

// path returns the nodes from the root to the leaf that key belongs in; none if
// the tree is empty.
func (e *Edit) path(ctx context.Context, key string) ([]step, error) {
	if e.top == nil && e.root.IsZero() {
		return nil, nil
	}
	at, next := everything, kid{id: e.root.ID, edit: e.top}
	level := e.root.Level
	if e.top != nil {
		level = e.top.level
	}
	way := make([]step, 0, int(min(level, maxLevel))+1)
	for {
		s := step{n: next.edit, own: next.edit != nil, id: next.id}
		if s.n == nil {
			var err error
			if s.n, err = e.load(ctx, next.id, level, at); err != nil {
				return nil, err
			}
		}
		if level > 0 {
			s.i = s.n.child(key)
		}
		way = append(way, s)
		if level == 0 {
			return way, nil
		}
		next, at, level = s.n.kids[s.i], at.child(s.n, s.i), level-1
	}
}

// load returns a node that isn't copied, be it sealed a moment ago.
func (e *Edit) load(ctx context.Context, id [32]byte, level uint8, at span) (*node, error) {
	if f, ok := e.fresh[id]; ok {
		return f.node, e.d.place(f.node, id, level, at)
	}
	return e.d.load(ctx, id, level, at)
}

// own makes every node of the way a copy of this Edit's. It needs no I/O, so it
// happens wholly.
func (e *Edit) own(way []step) {
	for i := range way {
		s := &way[i]
		if s.own {
			continue
		}
		e.bury(s.id)
		s.n, s.own = s.n.clone(), true
		if i == 0 {
			e.top = s.n
		} else {
			parent := way[i-1]
			parent.n.kids[parent.i].edit = s.n
		}
	}
}

// bury takes a node out of the new tree.
func (e *Edit) bury(id [32]byte) {
	if _, ok := e.fresh[id]; ok {
		delete(e.fresh, id)
		return
	}
	e.dead[id] = struct{}{}
}

// Get returns the entry with that sort key as the changes left it, checked.
// NotExist if there is none.
func (e *Edit) Get(ctx context.Context, sortKey string) (*Entry, error) {
	if e.d.err != nil {
		return nil, e.d.err
	}
	way, err := e.path(ctx, sortKey)
	if err != nil {
		return nil, err
	}
	if len(way) > 0 {
		leaf := way[len(way)-1].n
		if i, found := leaf.find(sortKey); found {
			e := &leaf.entries[i].e
			if err := e.Check(); err != nil {
				return nil, err
			}
			return e, nil
		}
	}
	return nil, errNoEntry()
}

// First returns the first entry with a sort key of at least from, as the changes
// left it, checked. NotExist if there is none.
func (e *Edit) First(ctx context.Context, from string) (*Entry, error) {
	if e.d.err != nil {
		return nil, e.d.err
	}
	for {
		way, err := e.path(ctx, from)
		if err != nil {
			return nil, err
		}
		if len(way) == 0 {
			return nil, errNoEntry()
		}
		leaf := way[len(way)-1].n
		if i, _ := leaf.find(from); i < len(leaf.entries) {
			found := &leaf.entries[i].e
			if err := found.Check(); err != nil {
				return nil, err
			}
			return found, nil
		}
		// The leaf has nothing more, which after removals any may: on to the next.
		next := -1
		for at := len(way) - 2; at >= 0 && next < 0; at-- {
			if s := way[at]; s.i+1 < len(s.n.kids) {
				next, from = at, s.n.kids[s.i+1].sep
			}
		}
		if next < 0 {
			return nil, errNoEntry()
		}
	}
}

// Put enters a copy of entry, in place of one with the same sort key. Whatever
// entry's fields say is encoded anew. NameInvalid, Invalid and TooLarge if it
// can't be stored.
func (e *Edit) Put(ctx context.Context, entry *Entry) error {
	if err := e.writable(); err != nil {
		return err
	}
	in, err := e.d.keys.form.admit(entry)
	if err != nil {
		return err
	}
	way, err := e.path(ctx, in.key)
	if err != nil {
		return err
	}
	if len(way) == 0 {
		e.top = &node{entries: []*item{in}}
		e.count, e.bytes = e.count+1, e.bytes+in.e.ownBytes()
		return nil
	}
	e.own(way)
	leaf := way[len(way)-1].n
	i, found := leaf.find(in.key)
	e.bytes += in.e.ownBytes()
	if found {
		e.bytes -= leaf.entries[i].e.ownBytes()
		leaf.shrunk = leaf.shrunk || in.size() < leaf.entries[i].size()
		leaf.entries[i] = in
		e.split(way, -1)
		return nil
	}
	e.count++
	leaf.entries = slices.Insert(leaf.entries, i, in)
	e.split(way, i)
	return nil
}

// Delete removes the entry with that sort key. NotExist if there is none.
func (e *Edit) Delete(ctx context.Context, sortKey string) error {
	if err := e.writable(); err != nil {
		return err
	}
	way, err := e.path(ctx, sortKey)
	if err != nil {
		return err
	}
	if len(way) == 0 {
		return errNoEntry()
	}
	i, found := way[len(way)-1].n.find(sortKey)
	if !found {
		return errNoEntry()
	}
	e.own(way)
	leaf := way[len(way)-1].n
	e.count, e.bytes = e.count-1, e.bytes-leaf.entries[i].e.ownBytes()
	leaf.entries = slices.Delete(leaf.entries, i, i+1)
	leaf.shrunk, leaf.run = true, -1
	return nil
}
