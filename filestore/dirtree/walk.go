package dirtree

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Visitor is told what a walk by verify key finds. A nil func is not called.
// An error that one returns ends the walk, which returns it as it is.
type Visitor struct {
	// Enter is asked before a node is read. False leaves it out with all that
	// is below it.
	Enter func(id [32]byte, level uint8) (bool, error)

	// Node is told of each node that opened, parents before children, with its
	// length in bytes.
	Node func(id [32]byte, level uint8, size int) error

	// Child is told of each entry, in the order of the tree.
	Child func(c Child) error

	// Fault is told of each node that can't be used. If it returns nil the walk
	// goes on with the rest. Without Fault such a node ends the walk.
	Fault func(err *NodeError) error
}

// Child is what a verify key shows of an entry: what it keeps alive.
type Child struct {
	Kind    Kind
	File    filetree.VerifyRef   // OneChunk, TreeFile; Size is 0: not known
	Slot    caps.SlotVerify      // Directory, MutableFile
	Frozen  caps.FrozenVerify    // FrozenDir
	Foreign caps.Cap             // Foreign: a caps.Verify or caps.Unknown; nil if it has none
	More    []filetree.VerifyRef // further blocks; Size is 0: not known
}

// WalkVerify walks the tree of a slot, or its history tree, with no other key
// than vk. It yields ids and verify keys, never a name, a size or data. It does
// not go into what the entries lead to. Two places of one tree never hold the same
// node, so a node that was met before is Malformed where it is met again: nodes that
// refer to one below many times cost no more than what is stored.
//
// Errors of the source (Unavailable, Canceled) end the walk.
func WalkVerify(ctx context.Context, v caps.SlotVerify, root Root, src NodeSource, vis Visitor) error {
	f := formDirectory
	if v.Type() == caps.SlotFile {
		f = formFile
	}
	w := walk{keys: keyring{form: f, vk: v.VerifyKey()}, src: src, vis: vis, inner: make(ids)}
	return w.all(ctx, root)
}

// WalkFrozen does the same with a frozen directory.
func WalkFrozen(ctx context.Context, v caps.FrozenVerify, src NodeSource, vis Visitor) error {
	w := walk{keys: keyring{form: formFrozen, vk: v.Key}, src: src, vis: vis, inner: make(ids)}
	return w.all(ctx, Root{ID: v.Root, Level: v.Level})
}

type walk struct {
	keys keyring
	src  NodeSource
	vis  Visitor

	inner ids // inner nodes that were met; leaves are compared with their siblings only
}

type ids map[[32]byte]struct{}

// again adds id and reports whether it was there.
func (s ids) again(id [32]byte) bool {
	_, again := s[id]
	s[id] = struct{}{}
	return again
}

// fault reports a node that can't be used; nil: go on without it.
func (w *walk) fault(err *NodeError) error {
	if w.vis.Fault == nil {
		return err
	}
	return w.vis.Fault(err)
}

func (w *walk) all(ctx context.Context, root Root) error {
	if w.keys.vk.Raw() == nil {
		return fmt.Errorf("dirtree: walk: no key: %w", kind.Invalid)
	}
	if root.IsZero() {
		return nil
	}
	return w.below(ctx, root.ID, root.Level)
}

func (w *walk) below(ctx context.Context, id [32]byte, level uint8) error {
	if w.vis.Enter != nil {
		if enter, err := w.vis.Enter(id, level); err != nil || !enter {
			return err
		}
	}
	children, kids, size, err := w.open(ctx, id, level)
	if fault := new(NodeError); errors.As(err, &fault) {
		return w.fault(fault)
	}
	if err != nil {
		return err
	}
	if w.vis.Node != nil {
		if err := w.vis.Node(id, level, size); err != nil {
			return err
		}
	}
	for _, c := range children {
		if w.vis.Child == nil {
			break
		}
		if err := w.vis.Child(c); err != nil {
			return err
		}
	}
	return w.kids(ctx, kids, level)
}

// kids walks the children of an inner node of that level.
func (w *walk) kids(ctx context.Context, kids []kid, level uint8) error {
	met := w.inner
	if level == 1 {
		met = make(ids, len(kids))
	}
	for _, k := range kids {
		var err error
		if met.again(k.id) {
			err = w.fault(&NodeError{ID: k.id, Level: level - 1, Fault: Malformed})
		} else {
			err = w.below(ctx, k.id, level-1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open reads one node: the children of a leaf, the kids of an inner node.
func (w *walk) open(ctx context.Context, id [32]byte, level uint8) ([]Child, []kid, int, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, 0, fmt.Errorf("dirtree: walk: %w", kind.Canceled)
	}
	block, err := readNode(ctx, w.src, id, level)
	if err != nil {
		return nil, nil, 0, err
	}
	s, fault := w.keys.openSections(id, level, block)
	if fault != 0 {
		return nil, nil, 0, &NodeError{ID: id, Level: level, Fault: fault}
	}
	var children []Child
	var kids []kid
	var ok bool
	if level == 0 {
		children, ok = decodeChildren(w.keys.form, s.v)
	} else {
		kids, ok = decodeInner(s.v, nil, false)
		ok = ok && w.keys.form != formFile
	}
	if !ok {
		return nil, nil, 0, &NodeError{ID: id, Level: level, Fault: Malformed}
	}
	return children, kids, len(block), nil
}

// decodeChildren reads section V of a leaf.
func decodeChildren(f form, v []byte) ([]Child, bool) {
	c := cursor{b: v}
	n := int(c.u16())
	if n == 0 || n > len(c.b) || f == formFile && n > 1 {
		return nil, false
	}
	children := make([]Child, 0, n)
	for range n {
		l := decodeLink(&c)
		if c.bad || !f.admits(l.kind) {
			return nil, false
		}
		children = append(children, l.child())
	}
	return children, c.done()
}

func (l *link) child() Child {
	c := Child{Kind: l.kind}
	switch l.kind {
	case OneChunk:
		c.File = verifyRef(l.level, make([]byte, 32), l.id)
	case TreeFile:
		c.File = verifyRef(l.level, l.key, l.id)
	case Directory:
		c.Slot = caps.NewSlotVerify(caps.SlotDirectory, keyOf(l.key), l.id)
	case MutableFile:
		c.Slot = caps.NewSlotVerify(caps.SlotFile, keyOf(l.key), l.id)
	case Foreign:
		c.Foreign = l.foreign()
	case FrozenDir:
		c.Frozen = caps.FrozenVerify{Key: keyOf(l.key), Root: l.id, Level: l.level}
	}
	for _, m := range l.more {
		c.More = append(c.More, verifyRef(m.level, m.key, m.id))
	}
	return c
}

// foreign is the verify capability of a foreign entry. One of our own can't
// stand there (Entry.Check refuses the entry), so it keeps nothing alive.
func (l *link) foreign() caps.Cap {
	if len(l.text) == 0 {
		return nil
	}
	c, _ := caps.ParseChild(string(l.text), false)
	switch c.Form() {
	case caps.FormSlot, caps.FormFile, caps.FormFrozen:
		return nil
	}
	return c
}

func verifyRef(level uint8, key []byte, id [32]byte) filetree.VerifyRef {
	return filetree.VerifyRef{ID: blockstore.ID(id), Key: keyOf(key), Level: level}
}

func keyOf(b []byte) caps.Key { return caps.KeyOf([32]byte(b)) }
