package cached

import (
	"container/list"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// disk is the directory of the cache, and who is in it, in the order of use.
type disk struct {
	dir  string
	size int64
	log  *slog.Logger
	lock *os.File

	mu    sync.Mutex // guards the fields below
	files map[blockstore.ID]*list.Element
	order *list.List // of *file, the last used first
	sum   int64
	told  time.Time // when the log last heard that the disk doesn't do
}

// file is one cached block.
type file struct {
	id    blockstore.ID
	bytes int64 // on disk
	used  time.Time
}

const (
	page       = 4096             // files take whole pages
	touchAfter = 10 * time.Minute // how much the time of a file may be behind
	tellAfter  = time.Minute
)

func openDisk(dir string, size int64, log *slog.Logger) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cached: %w: %w", kindOf(err), err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cached: %w: %w", kindOf(err), err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("cached: %s is in use by another process: %w", dir, kind.Unavailable)
	}
	d := &disk{dir: dir, size: size, log: log, lock: lock, files: map[blockstore.ID]*list.Element{}, order: list.New()}
	if err := d.scan(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("cached: %w: %w", kindOf(err), err)
	}
	return d, nil
}

func kindOf(err error) kind.Kind {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return kind.Denied
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return kind.NoSpace
	}
	return kind.Unavailable
}

// scan finds out what an earlier process left. What isn't a block is removed if
// it is a temporary file, and left alone otherwise.
func (d *disk) scan() error {
	var found []*file
	for b := range 256 {
		sub := filepath.Join(d.dir, fmt.Sprintf("%02x", b))
		entries, err := os.ReadDir(sub)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), tempSuffix) {
				_ = os.Remove(filepath.Join(sub, e.Name()))
				continue
			}
			id, err := hex.DecodeString(e.Name())
			if err != nil || len(id) != len(blockstore.ID{}) || int(id[0]) != b {
				continue
			}
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				found = append(found, &file{blockstore.ID(id), onDisk(info.Size()), info.ModTime()})
			}
		}
	}
	slices.SortFunc(found, func(a, b *file) int { return b.used.Compare(a.used) })
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range found {
		d.files[f.id] = d.order.PushBack(f)
		d.sum += f.bytes
	}
	d.makeRoom(0)
	return nil
}

func onDisk(size int64) int64 { return (size + page) &^ (page - 1) }

const tempSuffix = ".tmp"

func (d *disk) path(id blockstore.ID) string {
	name := id.String()
	return filepath.Join(d.dir, name[:2], name)
}

func (d *disk) used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sum
}

// use notes that a block is read. It reports whether there is one.
func (d *disk) use(id blockstore.ID) bool {
	d.mu.Lock()
	e := d.files[id]
	if e == nil {
		d.mu.Unlock()
		return false
	}
	d.order.MoveToFront(e)
	f, now := e.Value.(*file), time.Now()
	touch := now.Sub(f.used) > touchAfter
	if touch {
		f.used = now
	}
	d.mu.Unlock()
	if touch {
		_ = os.Chtimes(d.path(id), now, now)
	}
	return true
}

// get reads a whole block. fs.ErrNotExist if it isn't there.
func (d *disk) get(id blockstore.ID) ([]byte, error) {
	if !d.use(id) {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(d.path(id))
	if err != nil {
		return nil, d.gone(id, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() > blockstore.MaxBlock {
		return nil, errors.Join(err, kind.Corrupt)
	}
	b := make([]byte, info.Size())
	_, err = io.ReadFull(f, b)
	return b, err
}

// getRange reads a part of a block, into room if it fits.
func (d *disk) getRange(id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	if !d.use(id) {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(d.path(id))
	if err != nil {
		return nil, d.gone(id, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := min(info.Size(), blockstore.MaxBlock)
	off = min(off, size)
	if n = min(n, size-off); int64(cap(room)) < n {
		room = make([]byte, n)
	}
	b := room[:n]
	m, err := f.ReadAt(b, off)
	if err != nil && err != io.EOF {
		d.drop(id)
		return nil, err
	}
	return b[:m:m], nil
}

// gone forgets a block whose file somebody has removed.
func (d *disk) gone(id blockstore.ID, err error) error {
	d.drop(id)
	return err
}

// prepare writes a block to a temporary file, and gives its name, "" if it can't
// be kept. A disk that doesn't do costs nothing but the cache.
func (d *disk) prepare(id blockstore.ID, block []byte) string {
	bytes := onDisk(int64(len(block)))
	if bytes > d.size {
		return ""
	}
	d.mu.Lock()
	there := d.files[id] != nil
	if !there {
		d.makeRoom(bytes)
	}
	d.mu.Unlock()
	if there {
		return ""
	}
	temp, err := writeTemp(filepath.Dir(d.path(id)), block)
	if err != nil {
		d.complain(err)
		return ""
	}
	return temp
}

func writeTemp(dir string, block []byte) (name string, err error) {
	f, err := os.CreateTemp(dir, "*"+tempSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(dir, 0o700); err == nil {
			f, err = os.CreateTemp(dir, "*"+tempSuffix)
		}
	}
	if err != nil {
		return "", err
	}
	_, err = f.Write(block)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// place puts what was prepared in place, if it is to be kept and nothing is there.
func (d *disk) place(id blockstore.ID, temp string, n int, keep bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !keep || d.files[id] != nil || os.Rename(temp, d.path(id)) != nil {
		_ = os.Remove(temp)
		return
	}
	f := &file{id, onDisk(int64(n)), time.Now()}
	d.files[id] = d.order.PushFront(f)
	d.sum += f.bytes
	d.makeRoom(0)
}

// complain tells the log that the disk doesn't do, now and then.
func (d *disk) complain(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.Sub(d.told) > tellAfter {
		d.told = now
		d.log.Warn("the block cache can't be written; blocks are read from the store", "dir", d.dir, "error", err)
	}
}

// makeRoom removes the blocks used longest ago until there is room for bytes
// more. The lock is held.
func (d *disk) makeRoom(bytes int64) {
	for d.sum+bytes > d.size && d.order.Len() > 0 {
		d.remove(d.order.Back())
	}
}

// drop removes a block.
func (d *disk) drop(id blockstore.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.files[id]; e != nil {
		d.remove(e)
	}
}

func (d *disk) remove(e *list.Element) {
	f := d.order.Remove(e).(*file)
	delete(d.files, f.id)
	d.sum -= f.bytes
	_ = os.Remove(d.path(f.id))
}

func (d *disk) close() error { return d.lock.Close() }
