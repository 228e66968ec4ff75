package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
)

// home is the directory of a store as it was opened, whatever its path names
// later: a disk is unmounted, another is mounted over it, somebody moves it away.
// Every file is reached through it, so that nothing is done to another store that
// has come to lie there.
type home struct {
	path     string // as configured
	dir      *os.Root
	segments *os.Root // may lie elsewhere, by a symbolic link; index too
	index    *os.Root
	was      [2]fs.FileInfo // dir and segments
}

// openHome opens the directory at path, which is there.
func openHome(path string) (*home, error) {
	dir, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &home{path: path, dir: dir}, nil
}

// enter opens the directories in it. The index directory is made if it is gone.
func (h *home) enter() (err error) {
	if h.segments, err = os.OpenRoot(filepath.Join(h.path, segmentDir)); err != nil {
		return err
	}
	index := filepath.Join(h.path, indexDir)
	if h.index, err = os.OpenRoot(index); errors.Is(err, fs.ErrNotExist) {
		if err = errors.Join(os.MkdirAll(index, 0o700), syncRoot(h.dir)); err == nil {
			h.index, err = os.OpenRoot(index)
		}
	}
	if err == nil {
		h.was[0], err = h.dir.Stat(".")
	}
	if err == nil {
		h.was[1], err = h.segments.Stat(".")
	}
	return err
}

func (h *home) close() {
	for _, r := range []*os.Root{h.dir, h.segments, h.index} {
		if r != nil {
			r.Close()
		}
	}
}

// inPlace is nil as long as the path names the directories that were opened; else
// it is Unavailable. What is written then is nowhere that the next process looks,
// or gone with this one.
func (h *home) inPlace() error {
	for i, name := range []string{".", segmentDir} {
		now, err := os.Stat(filepath.Join(h.path, name))
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %w", kind.Unavailable, err)
		case err != nil || !os.SameFile(now, h.was[i]):
			return kind.Errorf(kind.Unavailable, "%s isn't the directory any more that was opened: it was unmounted, emptied, moved or replaced", h.path)
		}
	}
	return nil
}

// Displaced reports whether the path of the store names another directory by now,
// or none: the store has to be opened anew, and takes nothing until then.
func (s *Store) Displaced() bool { return s.home.inPlace() != nil }

// linked is nil if a segment's file still has a name.
func linked(f *os.File) error {
	var st unix.Stat_t
	err := uninterrupted(func() error { return unix.Fstat(int(f.Fd()), &st) })
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", kind.Unavailable, err)
	case st.Nlink == 0:
		return kind.Errorf(kind.Unavailable, "%s was removed", f.Name())
	}
	return nil
}

// readDir lists a directory, in the order of names.
func readDir(r *os.Root) ([]fs.DirEntry, error) { return fs.ReadDir(r.FS(), ".") }

// syncRoot makes the entries of a directory durable.
func syncRoot(r *os.Root) error {
	f, err := r.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// writeFile puts a file in place whole and durably, or not at all.
func writeFile(r *os.Root, name string, data []byte) error {
	tmp := name + ".tmp"
	f, err := r.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = r.Rename(tmp, name)
	}
	if err != nil {
		_ = r.Remove(tmp)
		return err
	}
	return syncRoot(r)
}
