package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/atomicfile"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Layout names the files of a node.
type Layout struct{ BaseDir string }

// Private is the folder of what must be kept secret and backed up.
func (l Layout) Private() string { return filepath.Join(l.BaseDir, "private") }

// Socket is where a running node listens for commands.
func (l Layout) Socket() string { return filepath.Join(l.Private(), "control.sock") }

// FirstPassword is where the first account's password lies until it was shown.
func (l Layout) FirstPassword() string { return filepath.Join(l.Private(), "first-password") }

// RemovedRoots keeps the root capabilities of removed accounts.
func (l Layout) RemovedRoots() string { return filepath.Join(l.Private(), "removed-roots") }

func (l Layout) masterKey() string { return filepath.Join(l.Private(), "master.key") }
func (l Layout) highWater() string { return filepath.Join(l.BaseDir, "highwater") }
func (l Layout) nodeFile() string  { return filepath.Join(l.BaseDir, "node") }
func (l Layout) lockFile() string  { return filepath.Join(l.BaseDir, "lock") }

// Complete reports whether BASEDIR holds a node that was made to its end.
func (l Layout) Complete() (bool, error) { return exists(l.nodeFile()) }

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// makeBase makes BASEDIR, unless it is there: then it must be empty, or look
// like a node's.
func (l Layout) makeBase() error {
	entries, err := os.ReadDir(l.BaseDir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeDir(l.BaseDir); err == nil {
			err = checkOwner(l.BaseDir)
		}
		return err
	}
	if err == nil {
		err = checkOwner(l.BaseDir)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case config.FileName, "private", "lock", "node":
			return nil
		}
	}
	if len(entries) > 0 {
		return kind.Errorf(kind.Exist, "%s is not empty and holds no node; choose another folder", l.BaseDir)
	}
	return nil
}

// makePrivate makes private/, or closes it to others.
func (l Layout) makePrivate() error {
	err := os.Mkdir(l.Private(), 0o700)
	if errors.Is(err, fs.ErrExist) {
		if err := checkOwner(l.Private()); err != nil {
			return err
		}
		return os.Chmod(l.Private(), 0o700)
	}
	if err != nil {
		return err
	}
	return atomicfile.SyncDir(l.BaseDir)
}

// makeDir makes a folder and its parents, durably, closed to others.
func makeDir(dir string) error {
	if ok, err := exists(dir); ok || err != nil {
		return err
	}
	if err := makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(dir))
}

// checkSecret refuses a file that others can read, or that another user made.
func checkSecret(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st.Mode().Perm()&0o077 != 0 {
		return kind.Errorf(kind.Denied, "%s can be read or changed by others (mode %04o): run chmod 600 on it", path, st.Mode().Perm())
	}
	return checkOwner(path)
}

// checkOwner refuses what another user than this one and root owns, or what
// everybody may change: keys and links could have been planted there, and what
// is put there could be replaced.
func checkOwner(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return kind.Errorf(kind.Denied, "%s belongs to user %d, not to this user %d: choose another folder, or run chown on it",
			path, st.Uid, os.Geteuid())
	case st.Mode&0o002 != 0:
		return kind.Errorf(kind.Denied, "%s can be changed by everybody (mode %04o): choose another folder, or run chmod o-w on it",
			path, st.Mode&0o7777)
	}
	return nil
}
