package filestore

import (
	"fmt"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// mayOpen decides whether what the path led to can be opened this way.
func (t *Tree) mayOpen(pl *place, o OpenOptions) error {
	switch {
	case pl.node != nil, pl.dir == nil && pl.entry == nil:
		return kind.IsDir
	case !pl.exists() && !o.Create:
		return kind.NotExist
	case !pl.exists() && o.Mutable && t.fs.keepsVersions(pl.dir):
		return errVersioned("a mutable file")
	case !pl.exists():
		return pl.dir.mayChange()
	case o.Create && o.Exclusive:
		return kind.Exist
	}
	mode := uint32(ownerWrite)
	if e := pl.entry; e != nil {
		switch {
		case e.Kind.IsDir():
			return kind.IsDir
		case e.Kind == dirtree.Symlink:
			return fmt.Errorf("a symbolic link: %w", kind.Invalid)
		case e.Kind == dirtree.Foreign && !isLiteral(e):
			return foreignErr(e)
		}
		if _, sealed := e.Attr(dirtree.AttrClientSeal); sealed {
			return fmt.Errorf("its key is with an S3 client: %w", kind.Denied)
		}
		if pl.dir != nil {
			mode = e.Mode
		}
	} else {
		mode = pl.file.created.Mode
		if a := pl.file.attrs.Load(); a != nil && a.Has(AttrMode) {
			mode = a.Mode // set since
		}
	}
	if err := isMutable(pl, o); err != nil || !o.Write {
		return err
	}
	switch {
	case pl.immutable():
		return fmt.Errorf("what is named here never changes: %w", kind.ReadOnly)
	case pl.dir == nil && pl.entry.DirWrite == nil, pl.dir != nil && pl.dir.write == nil,
		pl.entry != nil && pl.entry.Kind == dirtree.MutableFile && pl.entry.DirWrite == nil:
		return fmt.Errorf("the capability at hand is read-only: %w", kind.ReadOnly)
	case mode&ownerWrite == 0:
		return fmt.Errorf("the file is no-write: %w", kind.ReadOnly)
	case pl.entry != nil:
		return lockOf(pl.entry).holds(t.fs.now(), false)
	}
	return nil
}

// isMutable demands, where a mutable file is to be made, that what is there
// already is one.
func isMutable(pl *place, o OpenOptions) error {
	is := pl.file != nil && pl.file.mutable || pl.entry != nil && pl.entry.Kind == dirtree.MutableFile
	if o.Create && o.Mutable && !is {
		return fmt.Errorf("what is there is no mutable file: %w", kind.Exist)
	}
	return nil
}
