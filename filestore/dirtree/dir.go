package dirtree

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// NodeSource is where nodes are read. It returns all bytes of the node, which
// nobody changes afterwards, or an error that carries a kind: NotExist if it
// isn't there, which for a node that a tree refers to becomes Corrupt. What it
// returns is not trusted. It is safe for concurrent use.
type NodeSource interface {
	Node(ctx context.Context, id [32]byte) ([]byte, error)
}

// Root names the root node of a tree. The zero Root is the empty tree.
type Root struct {
	ID    [32]byte
	Level uint8
}

// IsZero reports whether the tree is empty.
func (r Root) IsZero() bool { return r.ID == [32]byte{} }

// Keys are the authority that a directory is opened with: Read, and Write of
// the same slot if it may be changed. Read may be zero if Write is given.
type Keys struct {
	Read  caps.SlotRead
	Write *caps.SlotWrite
}

// Dir is one version of one directory under one authority. It is immutable and
// safe for concurrent use.
type Dir struct {
	keys  keyring
	root  Root
	src   NodeSource
	cache *NodeCache // may be nil
	err   error      // why nothing can be done with it
}

// Open returns the directory (or mutable file) whose newest record, opened,
// gave root. It reads nothing yet. The keys' type decides what may stand in
// the tree. Keys that don't belong together make every method fail with
// Invalid. cache may be nil.
func Open(keys Keys, root Root, src NodeSource, cache *NodeCache) *Dir {
	f := formDirectory
	if keys.slotType() == caps.SlotFile {
		f = formFile
	}
	return keys.open(f, root, src, cache)
}

// OpenHistory returns the history tree of a directory, the noncurrent versions
// under the names that HistoryKey makes.
func OpenHistory(keys Keys, root Root, src NodeSource, cache *NodeCache) *Dir {
	return keys.open(formHistory, root, src, cache)
}

// OpenFrozen returns a frozen directory. It can't be edited.
func OpenFrozen(f caps.FrozenRead, src NodeSource, cache *NodeCache) *Dir {
	d := &Dir{root: Root{ID: f.Root, Level: f.Level}, src: src, cache: cache}
	d.keys.form = formFrozen
	if f.Key.Raw() == nil {
		d.err = fmt.Errorf("dirtree: no key: %w", kind.Invalid)
		return d
	}
	d.keys.rk, d.keys.vk = f.Key, f.Verify().Key
	return d
}

func (k Keys) slotType() caps.SlotType {
	if k.Read.IsZero() && k.Write != nil {
		return k.Write.Type()
	}
	return k.Read.Type()
}

func (k Keys) open(f form, root Root, src NodeSource, cache *NodeCache) *Dir {
	d := &Dir{root: root, src: src, cache: cache}
	d.keys.form = f
	r := k.Read
	if k.Write != nil {
		if r.IsZero() {
			r = k.Write.Read()
		} else if !k.Write.Read().Equal(r) {
			d.err = fmt.Errorf("dirtree: read and write keys of different slots: %w", kind.Invalid)
			return d
		}
		d.keys.wk = k.Write.WriteKey()
	}
	if r.ReadKey().Raw() == nil {
		d.err = fmt.Errorf("dirtree: no key: %w", kind.Invalid)
		return d
	}
	d.keys.rk, d.keys.vk = r.ReadKey(), r.Verify().VerifyKey()
	return d
}

// Root is the version that d shows.
func (d *Dir) Root() Root { return d.root }

// ReadOnly reports whether d was opened without write authority.
func (d *Dir) ReadOnly() bool { return d.keys.wk.Raw() == nil }

// Get returns the entry with that sort key, checked (Entry.Check). NotExist if
// there is none.
func (d *Dir) Get(ctx context.Context, sortKey string) (*Entry, error) {
	e, err := d.lookup(ctx, sortKey)
	if err != nil {
		return nil, err
	}
	if err := e.Check(); err != nil {
		return nil, err
	}
	return e, nil
}

func (d *Dir) lookup(ctx context.Context, key string) (*Entry, error) {
	if d.err != nil {
		return nil, d.err
	}
	if d.root.IsZero() {
		return nil, errNoEntry()
	}
	id, level, at := d.root.ID, d.root.Level, everything
	for {
		n, err := d.load(ctx, id, level, at)
		if err != nil {
			return nil, err
		}
		if level == 0 {
			if i, found := n.find(key); found {
				return &n.entries[i].e, nil
			}
			return nil, errNoEntry()
		}
		i := n.child(key)
		id, level, at = n.kids[i].id, level-1, at.child(n, i)
	}
}

func errNoEntry() error { return fmt.Errorf("dirtree: no such entry: %w", kind.NotExist) }

// load returns the node that stands at a place of the tree, from the cache or
// the source, and checks that it may stand there.
func (d *Dir) load(ctx context.Context, id [32]byte, level uint8, at span) (*node, error) {
	n := d.cache.get(&d.keys, id)
	if n == nil {
		block, err := readNode(ctx, d.src, id, level)
		if err != nil {
			return nil, err
		}
		if n, err = d.keys.open(id, level, block); err != nil {
			return nil, err
		}
		d.cache.put(&d.keys, id, n)
	}
	return n, d.place(n, id, level, at)
}

func (d *Dir) place(n *node, id [32]byte, level uint8, at span) error {
	if n.level != level || !at.covers(n) {
		return &NodeError{ID: id, Level: level, Fault: Malformed}
	}
	return nil
}

// readNode asks the source for a node that must be there.
func readNode(ctx context.Context, src NodeSource, id [32]byte, level uint8) ([]byte, error) {
	if level > maxLevel {
		return nil, &NodeError{ID: id, Level: level, Fault: Malformed}
	}
	block, err := src.Node(ctx, id)
	if kind.Of(err) == kind.NotExist {
		return nil, &NodeError{ID: id, Level: level, Fault: Missing}
	}
	if err != nil {
		return nil, fmt.Errorf("dirtree: node: %w", err)
	}
	return block, nil
}
