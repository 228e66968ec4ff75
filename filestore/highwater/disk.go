package highwater

import (
	"errors"
	"os"
	"path/filepath"
)

// disk is what a log needs of the file system; tests have it fail.
type disk struct {
	writeAt func(f *os.File, b []byte, off int64) (int, error)
	sync    func(f *os.File) error
	rename  func(from, to string) error
	syncDir func(dir string) error // makes the names in it durable
}

// system is the file system itself.
func system() disk {
	return disk{writeAt: (*os.File).WriteAt, sync: (*os.File).Sync, rename: os.Rename, syncDir: syncDir}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// replace puts a file with data in path's place atomically and durably, and returns
// it open. With an error, path may name the new file all the same, which has all of
// data then.
func (d disk) replace(path string, data []byte) (_ *os.File, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return nil, err
	}
	temp := file.Name()
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, file.Close())
		if temp != "" {
			err = errors.Join(err, os.Remove(temp))
		}
	}()
	if _, err := d.writeAt(file, data, 0); err != nil {
		return nil, err
	}
	if err := d.sync(file); err != nil {
		return nil, err
	}
	if err := d.rename(temp, path); err != nil {
		return nil, err
	}
	temp = "" // it has no name of its own any more
	return file, d.syncDir(filepath.Dir(path))
}
