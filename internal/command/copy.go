package command

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A copier carries files between the local file system, which is the command's
// own, and a node.
type copier struct {
	ctx     context.Context
	session *Session
	stderr  io.Writer
	mutable bool // files that are made are mutable ones
}

// failure makes an error of an outcome.
type failure struct{ control.Outcome }

func (f failure) Error() string { return f.Message }

func (c copier) do(o Operation, in io.Reader, out io.Writer) error {
	result := c.session.Do(c.ctx, o, control.Streams{In: in, Out: out, Err: c.stderr})
	if result.Status != StatusOK {
		return failure{result}
	}
	return nil
}

// result makes an outcome of an error.
func result(err error) control.Outcome {
	if f, ok := errors.AsType[failure](err); ok {
		return f.Outcome
	}
	return outcome(err)
}

// CopyIn copies a local file to a target, or with recursive a directory and what
// is in it. A target that is a directory takes it under its own name.
// With mutable, the files that are made are mutable files.
func (s *Session) CopyIn(ctx context.Context, local string, to Target, recursive, mutable bool, stderr io.Writer) control.Outcome {
	c := copier{ctx: ctx, session: s, stderr: stderr, mutable: mutable}
	st, err := os.Stat(local)
	switch {
	case err != nil:
	case !st.IsDir():
		err = c.putFile(local, st, to, filepath.Base(local))
	case !recursive:
		err = fmt.Errorf("%s: %w; -r copies it and what is in it", local, kind.IsDir)
	default:
		err = c.putTree(local, to)
	}
	return result(err)
}

func (c copier) putFile(local string, st fs.FileInfo, to Target, into string) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	return c.do(&Put{Target: to, Into: Bytes(into), Mode: uint32(st.Mode().Perm()), Mtime: st.ModTime(), Mutable: c.mutable}, f, io.Discard)
}

// putTree copies what is below local to below to, which is made if it is missing.
func (c copier) putTree(local string, to Target) error {
	if info, err := c.stat(to); err == nil && info.Kind == filestore.KindDir {
		abs, err := filepath.Abs(local)
		if err != nil {
			return err
		}
		to = to.Join(filepath.Base(abs))
	}
	// WalkDir doesn't follow a link, not even the one that was asked for.
	local, err := filepath.EvalSymlinks(local)
	if err != nil {
		return err
	}
	return filepath.WalkDir(local, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(local, p)
		if err != nil {
			return err
		}
		at := to
		if rel != "." {
			at = to.Join(strings.Split(filepath.ToSlash(rel), "/")...)
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return c.do(&Mkdir{Target: at, Parents: true}, nil, io.Discard)
		case d.Type().IsRegular():
			return c.putFile(p, st, at, "")
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return c.do(&Link{Target: at, To: Bytes(target)}, nil, io.Discard)
		}
		fmt.Fprintf(c.stderr, "%s: neither file, directory nor symbolic link; left out\n", p)
		return nil
	})
}

// CopyOut copies a file to a local file, or with recursive a directory and what
// is in it. A local directory takes it under its own name. A local file is
// replaced when all of the new one is there.
func (s *Session) CopyOut(ctx context.Context, from Target, local string, recursive bool, stderr io.Writer) control.Outcome {
	c := copier{ctx: ctx, session: s, stderr: stderr}
	info, err := c.stat(from)
	if err != nil {
		return result(err)
	}
	if info.Kind == filestore.KindDir && !recursive {
		return result(from.fault(fmt.Errorf("%w; -r copies it and what is in it", kind.IsDir)))
	}
	if st, err := os.Stat(local); err == nil && st.IsDir() {
		name := "root"
		if len(from.Path) > 0 {
			name = from.Path[len(from.Path)-1]
		}
		if !localName(name) {
			return result(from.fault(kind.Errorf(kind.NameInvalid, "give the local name")))
		}
		local = filepath.Join(local, name)
	}
	return result(c.get(from, info, local))
}

func (c copier) get(from Target, info ListEntry, local string) error {
	if info.Kind == filestore.KindDir {
		if err := os.Mkdir(local, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		// What is below is written through root: no name and no link leads out.
		root, err := os.OpenRoot(local)
		if err != nil {
			return err
		}
		defer root.Close()
		return c.getTree(from, root, ".")
	}
	root, err := os.OpenRoot(filepath.Dir(local))
	if err != nil {
		return err
	}
	defer root.Close()
	return c.getFile(from, info, root, filepath.Base(local))
}

func (c copier) getTree(from Target, root *os.Root, at string) error {
	var listing bytes.Buffer
	if err := c.do(&List{Target: from, JSON: true}, nil, &listing); err != nil {
		return err
	}
	for d := json.NewDecoder(&listing); d.More(); {
		var info ListEntry
		if err := d.Decode(&info); err != nil {
			return from.fault(err)
		}
		if err := c.getEntry(from.Join(string(info.Name)), info, root, path.Join(at, string(info.Name))); err != nil {
			return err
		}
	}
	return nil
}

func (c copier) getEntry(from Target, info ListEntry, root *os.Root, at string) error {
	if !localName(string(info.Name)) {
		fmt.Fprintf(c.stderr, "%s: no local file can have this name; left out\n", Printable(from.String()))
		return nil
	}
	switch info.Kind {
	case filestore.KindDir:
		if err := root.Mkdir(at, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return c.getTree(from, root, at)
	case filestore.KindFile:
		return c.getFile(from, info, root, at)
	case filestore.KindSymlink:
		if err := root.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return root.Symlink(string(info.Target), at)
	}
	fmt.Fprintf(c.stderr, "%s: of a kind that this version can't open; left out\n", Printable(from.String()))
	return nil
}

// localName reports whether a name can be that of a local file.
func localName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

func (c copier) getFile(from Target, info ListEntry, root *os.Root, at string) error {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	temp := path.Join(path.Dir(at), ".truckee-"+hex.EncodeToString(random[:]))
	mode := fs.FileMode(info.Mode & 0o777)
	if info.Kind != filestore.KindFile {
		mode = 0o666 // of a symbolic link that was followed
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode|0o200)
	if err != nil {
		return err
	}
	err = c.do(&Cat{Target: from}, nil, f)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(temp, at)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	if info.Kind != filestore.KindFile {
		return nil
	}
	return errors.Join(root.Chtimes(at, info.Mtime, info.Mtime), clearWrite(root, at, mode))
}

// clearWrite takes the owner's write bit off a copy of a no-write file.
func clearWrite(root *os.Root, at string, mode fs.FileMode) error {
	if mode&0o200 != 0 {
		return nil
	}
	return root.Chmod(at, mode)
}

// stat describes what is at a target.
func (c copier) stat(t Target) (ListEntry, error) {
	var out bytes.Buffer
	if err := c.do(&List{Target: t, JSON: true, Self: true}, nil, &out); err != nil {
		return ListEntry{}, err
	}
	var info ListEntry
	if err := json.Unmarshal(out.Bytes(), &info); err != nil {
		return ListEntry{}, t.fault(err)
	}
	return info, nil
}
