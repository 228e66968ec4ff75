package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// Put makes or replaces a file by what standard input holds: wholly, when all
// of it is durable, or not at all.
type Put struct {
	Target
	Into    Bytes     // if the target is a directory: the name below it
	Mode    uint32    // of a new file
	Mtime   time.Time // zero: now
	Mutable bool      // a mutable file; one that is there must be one
}

func (*Put) name() string { return "fs.put" }

func (o *Put) run(ctx context.Context, n *node.Node, s control.Streams) error {
	tree, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	if info, err := tree.Stat(ctx, o.path()); err == nil && info.Kind == filestore.KindDir && o.Into != "" {
		o.Target = o.Join(string(o.Into))
	}
	attr := filestore.Attr{Set: filestore.AttrMode, Mode: o.Mode}
	f, err := tree.Open(ctx, o.path(), filestore.OpenOptions{Write: true, Create: true, Truncate: true, Mutable: o.Mutable, Attr: attr})
	if err != nil {
		return o.fault(err)
	}
	if err := fill(ctx, f, s.In); err != nil {
		f.Discard()
		return o.fault(err)
	}
	if !o.Mtime.IsZero() {
		if err := f.SetAttr(ctx, filestore.Attr{Set: filestore.AttrMtime, Mtime: o.Mtime}); err != nil {
			f.Discard()
			return o.fault(err)
		}
	}
	if err := f.Close(ctx); err != nil {
		return o.fault(err)
	}
	return nil
}

func fill(ctx context.Context, f *filestore.File, in io.Reader) error {
	buf := make([]byte, copySize)
	for off := int64(0); ; {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := f.WriteAt(ctx, buf[:n], off); err != nil {
				return err
			}
			off += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Remove removes a file, or with Recursive a directory and all that is in it. Of
// frozen directories, and of directories that have their home elsewhere, only
// the name is taken away.
type Remove struct {
	Target
	Recursive bool
	Unlink    bool // also of the directory itself, if it goes on elsewhere: its name only
}

func (*Remove) name() string { return "fs.rm" }

func (o *Remove) run(ctx context.Context, n *node.Node, _ control.Streams) error {
	tree, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	if len(o.Path) == 0 {
		return o.fault(kind.Errorf(kind.Invalid, "the root can't be removed"))
	}
	info, err := tree.Lstat(ctx, o.path())
	if err != nil {
		return o.fault(err)
	}
	switch {
	case o.Unlink:
		if err = tree.Unlink(ctx, o.path()); kind.Of(err) == kind.NotEmpty {
			err = fmt.Errorf("%w, and this is its home: -r removes it and what is in it", err)
		}
	case info.Kind != filestore.KindDir:
		err = tree.Remove(ctx, o.path())
	case o.Recursive:
		err = removeAll(ctx, tree, o.path(), info)
	case info.Frozen, info.Linked:
		err = fmt.Errorf("%w; --unlink takes its name away", kind.IsDir)
	default:
		err = fmt.Errorf("%w; -r removes it and what is in it", kind.IsDir)
	}
	if err != nil {
		return o.fault(err)
	}
	return nil
}

func removeAll(ctx context.Context, tree *filestore.Tree, p filestore.Path, info filestore.Info) error {
	if info.Frozen || info.Linked {
		return tree.Unlink(ctx, p)
	}
	var dirs []filestore.Path
	err := walk(ctx, tree, p, func(at filestore.Path, i filestore.Info) error {
		remove := tree.Remove
		switch {
		case i.Frozen, i.Linked:
			remove = tree.Unlink
		case i.Kind == filestore.KindDir:
			dirs = append(dirs, at)
			return nil
		}
		if err := remove(ctx, at); err != nil && kind.Of(err) != kind.NotExist {
			return fmt.Errorf("%s: %w", at, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := tree.Rmdir(ctx, dirs[i]); err != nil && kind.Of(err) != kind.NotExist {
			return fmt.Errorf("%s: %w", dirs[i], err)
		}
	}
	return nil
}

// Mkdir makes a directory, with Parents also those above it that are missing.
type Mkdir struct {
	Target
	Parents bool // and a directory that is there already is fine
}

func (*Mkdir) name() string { return "fs.mkdir" }

func (o *Mkdir) run(ctx context.Context, n *node.Node, _ control.Streams) error {
	tree, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	attr := filestore.Attr{Set: filestore.AttrMode, Mode: 0o755}
	if !o.Parents {
		if err := tree.Mkdir(ctx, o.path(), attr); err != nil {
			return o.fault(err)
		}
		return nil
	}
	for i := range o.Path {
		at := o.path()[:i+1]
		err := tree.Mkdir(ctx, at, attr)
		if err == nil {
			continue
		}
		// What is there must be a directory, or a link to one.
		if info, statErr := tree.Stat(ctx, at); kind.Of(err) != kind.Exist || statErr != nil || info.Kind != filestore.KindDir {
			return o.fault(err)
		}
	}
	return nil
}

// Link makes a symbolic link, replacing one that is there.
type Link struct {
	Target
	To Bytes
}

func (*Link) name() string { return "fs.ln" }

func (o *Link) run(ctx context.Context, n *node.Node, _ control.Streams) error {
	tree, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	if info, err := tree.Lstat(ctx, o.path()); err == nil && info.Kind == filestore.KindSymlink {
		if err := tree.Remove(ctx, o.path()); err != nil {
			return o.fault(err)
		}
	}
	if err := tree.Symlink(ctx, o.path(), string(o.To), filestore.Attr{}); err != nil {
		return o.fault(err)
	}
	return nil
}
