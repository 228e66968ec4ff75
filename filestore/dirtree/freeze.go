package dirtree

import (
	"crypto/rand"
	"fmt"
	"iter"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Freeze makes a frozen directory of entries, which come strictly ascending by
// sort key, and hands its nodes to emit, children before parents. It draws a
// fresh key: that of a live directory must never seal a frozen one (formats.md
// 1). Memory is bounded by a node a level.
//
// Kinds Directory and MutableFile are Invalid; the caller has put frozen
// directories and files in their place. The write capabilities of foreign
// entries are left out. No entries give the empty frozen directory, without a
// node. An error of entries or emit ends it and is returned as it is.
func Freeze(entries iter.Seq2[*Entry, error], emit func(Node) error) (caps.FrozenRead, error) {
	var rk [caps.KeySize]byte
	rand.Read(rk[:]) // never fails
	return freezeWith(caps.KeyOf(rk), entries, emit)
}

func freezeWith(rk caps.Key, entries iter.Seq2[*Entry, error], emit func(Node) error) (caps.FrozenRead, error) {
	frozen := caps.FrozenRead{Key: rk}
	f := freezer{emit: emit, keys: keyring{form: formFrozen, rk: rk, vk: frozen.Verify().Key}}
	for e, err := range entries {
		if err != nil {
			return caps.FrozenRead{}, err
		}
		if err := f.add(e); err != nil {
			return caps.FrozenRead{}, err
		}
	}
	root, err := f.finish()
	if err != nil {
		return caps.FrozenRead{}, err
	}
	frozen.Root, frozen.Level = root.ID, root.Level
	return frozen, nil
}

// freezer builds a tree from the left: one open node a level.
type freezer struct {
	keys   keyring
	emit   func(Node) error
	levels []openNode // from the leaves up
	last   string     // sort key of the newest entry
}

type openNode struct {
	n    *node
	size int    // of n, sealed
	sep  string // of n in its parent
}

func (f *freezer) add(e *Entry) error {
	in, err := f.keys.form.admit(e)
	if err != nil {
		return err
	}
	if len(f.levels) > 0 && in.key <= f.last {
		return fmt.Errorf("dirtree: freeze: entries out of order: %w", kind.Invalid)
	}
	sep := ""
	if len(f.levels) > 0 {
		sep = separator(f.last, in.key)
	}
	f.last = in.key
	return f.push(0, sep, func(n *node) { n.entries = append(n.entries, in) })
}

// push adds an item, which begins at sep, to the open node of a level; if that
// becomes too large, it is closed, and the item begins the next one.
func (f *freezer) push(level int, sep string, add func(*node)) error {
	if level == len(f.levels) {
		if level > maxFrozenLevel {
			return fmt.Errorf("dirtree: freeze: too many entries: %w", kind.TooLarge)
		}
		f.levels = append(f.levels, openNode{n: &node{level: uint8(level)}, size: sealedEmpty})
	}
	o := &f.levels[level]
	add(o.n)
	cost := o.n.cost(o.n.len() - 1)
	if o.n.len() == 1 || o.size+cost <= targetNode {
		o.size += cost
		return nil
	}
	if level == 0 {
		o.n.entries = o.n.entries[:len(o.n.entries)-1]
	} else {
		o.n.kids = o.n.kids[:len(o.n.kids)-1]
	}
	if err := f.close(level); err != nil {
		return err
	}
	o = &f.levels[level]
	o.sep = sep
	add(o.n)
	if level > 0 {
		o.n.kids[0].sep = ""
	}
	o.size += o.n.cost(0)
	return nil
}

// close seals the open node of a level, enters it in the level above, and opens
// an empty one.
func (f *freezer) close(level int) error {
	o := f.levels[level]
	sealed := f.keys.seal(o.n)
	if err := f.emit(sealed); err != nil {
		return err
	}
	k := kid{sep: o.sep, id: sealed.ID, count: o.n.count()}
	if err := f.push(level+1, o.sep, func(n *node) { n.kids = append(n.kids, k) }); err != nil {
		return err
	}
	f.levels[level] = openNode{n: &node{level: uint8(level)}, size: sealedEmpty}
	return nil
}

// finish closes what is open. The topmost node, alone at its level, is the root.
func (f *freezer) finish() (Root, error) {
	for level := 0; level < len(f.levels); level++ { // close may add one
		if level == len(f.levels)-1 {
			sealed := f.keys.seal(f.levels[level].n)
			return Root{ID: sealed.ID, Level: uint8(level)}, f.emit(sealed)
		}
		if err := f.close(level); err != nil {
			return Root{}, err
		}
	}
	return Root{}, nil
}
