package filestore

import (
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// node is a directory that a path leads through, in one version of it: a live
// one, or a frozen one, which has no slot and no other version.
type node struct {
	v      *version        // nil: it is frozen
	frozen *frozenDir      // set if v is nil
	write  *caps.SlotWrite // nil: this tree may only read it
	parent *node           // nil: the tree's root
	entry  *dirtree.Entry  // in parent; nil: the tree's root
	bucket slotID          // of the bucket that it is, or is below, as far as this way shows; zero: none
}

// frozenDir is an opened frozen directory.
type frozenDir struct {
	read caps.FrozenRead
	dir  *dirtree.Dir
}

func (fs *FS) frozen(r caps.FrozenRead) *frozenDir {
	return &frozenDir{r, dirtree.OpenFrozen(r, fs.source, fs.nodeCache)}
}

// id is the directory's slot; zero, which no slot has, for a frozen one.
func (n *node) id() slotID {
	if n.v == nil {
		return slotID{}
	}
	return n.v.rec.ID
}

// view is the directory under the authority at hand: with the write key, so
// that entries come with their children's write capabilities.
func (n *node) view() *dirtree.Dir {
	switch {
	case n.v == nil:
		return n.frozen.dir
	case n.write == nil:
		return n.v.dir
	}
	return n.v.writable(*n.write)
}

// noWrite reports whether the directory's own mode refuses changes inside it.
func (n *node) noWrite() bool { return n.entry != nil && n.entry.Mode&ownerWrite == 0 }

// ownerWrite is the permission bit that stands for no-write when cleared.
const ownerWrite = 0o200

// mayChange tells whether names may be made or taken away in n.
func (n *node) mayChange() error {
	switch {
	case n.v == nil:
		return fmt.Errorf("the directory is frozen: %w", kind.ReadOnly)
	case n.write == nil:
		return fmt.Errorf("the capability at hand is read-only: %w", kind.ReadOnly)
	case n.noWrite():
		return fmt.Errorf("the directory is no-write: %w", kind.ReadOnly)
	}
	return nil
}

// readOnly reports whether nothing about what e, an entry of n, leads to can
// be changed by who has n as it is.
func (n *node) readOnly(e *dirtree.Entry) bool {
	if n.write == nil {
		return true
	}
	switch e.Kind {
	case dirtree.Directory, dirtree.MutableFile:
		return e.DirWrite == nil
	case dirtree.FrozenDir:
		return true
	}
	return false
}

// place is where a path led: a name in a directory, and what is there.
type place struct {
	dir   *node          // nil: the tree's root itself
	name  string         // the last component, after symbolic links
	entry *dirtree.Entry // nil: nothing committed is there, or it is a root that is a directory
	file  *openFile      // a file that is being created there
	node  *node          // the directory itself, if it was asked for and is one
	slot  *version       // of a mutable file, if more than its entry was asked for
	links int            // symbolic links that the path led through
	whole bool           // of a key: all its directories are there
}

func (pl *place) exists() bool { return pl.dir == nil || pl.entry != nil || pl.file != nil }

// readOnly reports whether no attribute of what is there can be changed.
func (pl *place) readOnly() bool {
	switch {
	case pl.node != nil:
		return pl.node.write == nil
	case pl.dir == nil:
		return pl.entry.DirWrite == nil
	}
	return pl.dir.write == nil
}

// immutable reports whether the file that is there can't be written to by
// anybody: it is in a frozen directory or named by its own capability.
func (pl *place) immutable() bool {
	e := pl.entry
	if e == nil || e.Kind == dirtree.MutableFile {
		return false
	}
	return pl.dir == nil || pl.dir.v == nil || e.Kind == dirtree.Foreign
}

// key is under which the file that is there is known when it is open; zero,
// under which none is, if it is immutable.
func (pl *place) key() fileKey {
	switch {
	case pl.entry == nil || pl.immutable():
		return fileKey{}
	case pl.entry.Kind == dirtree.MutableFile:
		return mutableKey(pl.entry)
	}
	return fileKey{pl.dir.id(), pl.entry.FileID}
}
