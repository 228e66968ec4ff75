// Package atomicfile writes whole files so that a reader, or the machine after a
// crash, finds the old contents or the new ones and nothing between.
package atomicfile

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Option changes how Write works.
type Option func(*options)

type options struct {
	owner    bool
	uid, gid int
	exist    bool
	check    func() error
}

// Owner gives the new file to uid and gid.
func Owner(uid, gid int) Option {
	return func(o *options) { o.owner, o.uid, o.gid = true, uid, gid }
}

// MustBeNew makes Write fail with fs.ErrExist, and change nothing, if path exists.
func MustBeNew() Option { return func(o *options) { o.exist = true } }

// Before has check run when the new contents are durable and just before they
// take the place of the old; its error leaves the old ones.
func Before(check func() error) Option { return func(o *options) { o.check = check } }

// Write replaces the file at path, or makes it, with the given contents and
// mode, whatever the umask. It returns when the change is durable: it survives
// kill -9 and power loss. An error leaves the old file. A symbolic link at path is replaced.
func Write(path string, data []byte, mode fs.FileMode, opts ...Option) error {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	dir := filepath.Dir(path)
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	temp := filepath.Join(dir, "."+filepath.Base(path)+"."+hex.EncodeToString(random[:])+".new")
	if err := writeNew(temp, data, mode, o); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := place(temp, path, o); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return SyncDir(dir)
}

func writeNew(temp string, data []byte, mode fs.FileMode, o options) error {
	// Never readable by others, not even before its mode is set.
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if o.owner {
		if err := f.Chown(o.uid, o.gid); err != nil {
			return err
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func place(temp, path string, o options) error {
	if o.check != nil {
		if err := o.check(); err != nil {
			return err
		}
	}
	if !o.exist {
		return os.Rename(temp, path)
	}
	if err := os.Link(temp, path); err != nil {
		return err
	}
	return os.Remove(temp)
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
