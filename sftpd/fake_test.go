package sftpd

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// fakeTree is a tree in plain memory: what a session does above the filestore
// is tested and measured on it.
type fakeTree struct {
	mu       sync.Mutex
	root     *fakeNode
	readOnly bool
	discards int
}

type fakeNode struct {
	info     filestore.Info
	data     chunks
	children map[string]*fakeNode
}

func newFakeTree() *fakeTree {
	return &fakeTree{root: &fakeNode{
		info:     filestore.Info{Kind: filestore.KindDir, Mode: 0o755, Mtime: time.Now(), Atime: time.Now()},
		children: map[string]*fakeNode{},
	}}
}

func (t *fakeTree) find(p filestore.Path) (*fakeNode, error) {
	n := t.root
	for _, c := range p {
		if n.children == nil {
			return nil, kind.NotDir
		}
		next, ok := n.children[c]
		if !ok {
			return nil, fmt.Errorf("find %q: %w", c, kind.NotExist)
		}
		n = next
	}
	return n, nil
}

func (t *fakeTree) ReadOnly() bool { return t.readOnly }

func (t *fakeTree) Stat(_ context.Context, p filestore.Path) (filestore.Info, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.find(p)
	if err != nil {
		return filestore.Info{}, err
	}
	return n.stat(), nil
}

func (n *fakeNode) stat() filestore.Info {
	i := n.info
	i.Size = n.data.size
	return i
}

func (t *fakeTree) Lstat(ctx context.Context, p filestore.Path) (filestore.Info, error) {
	return t.Stat(ctx, p)
}

func (t *fakeTree) List(_ context.Context, p filestore.Path) iter.Seq2[filestore.Info, error] {
	return func(yield func(filestore.Info, error) bool) {
		t.mu.Lock()
		n, err := t.find(p)
		var infos []filestore.Info
		if err == nil {
			for _, name := range slices.Sorted(maps.Keys(n.children)) {
				infos = append(infos, n.children[name].stat())
			}
		}
		t.mu.Unlock()
		if err != nil {
			yield(filestore.Info{}, err)
			return
		}
		for _, i := range infos {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func (t *fakeTree) add(p filestore.Path, k filestore.Kind, a filestore.Attr) (*fakeNode, error) {
	parent, name := p.Split()
	d, err := t.find(parent)
	if err != nil {
		return nil, err
	}
	if d.children == nil {
		return nil, kind.NotDir
	}
	if d.children[name] != nil {
		return nil, kind.Exist
	}
	n := &fakeNode{info: filestore.Info{Name: name, Kind: k, Mode: a.Mode, Mtime: time.Now(), Atime: time.Now()}}
	if k == filestore.KindDir {
		n.children = map[string]*fakeNode{}
	}
	d.children[name] = n
	return n, nil
}

func (t *fakeTree) Open(_ context.Context, p filestore.Path, o filestore.OpenOptions) (file, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.find(p)
	if kind.Of(err) == kind.NotExist && o.Create {
		n, err = t.add(p, filestore.KindFile, o.Attr)
	} else if err == nil && o.Exclusive {
		err = kind.Exist
	}
	if err != nil {
		return nil, err
	}
	if n.children != nil {
		return nil, kind.IsDir
	}
	if o.Truncate {
		n.data.resize(0)
	}
	return &fakeFile{t: t, n: n, o: o}, nil
}

func (t *fakeTree) Mkdir(_ context.Context, p filestore.Path, a filestore.Attr) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.add(p, filestore.KindDir, a)
	return err
}

func (t *fakeTree) Rmdir(ctx context.Context, p filestore.Path) error { return t.Remove(ctx, p) }

func (t *fakeTree) Remove(_ context.Context, p filestore.Path) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	parent, name := p.Split()
	d, err := t.find(parent)
	if err == nil && d.children[name] == nil {
		err = kind.NotExist
	}
	if err != nil {
		return err
	}
	delete(d.children, name)
	return nil
}

func (t *fakeTree) Rename(context.Context, filestore.Path, filestore.Path, filestore.RenameMode) error {
	return kind.Unsupported
}

func (t *fakeTree) Symlink(context.Context, filestore.Path, string, filestore.Attr) error {
	return kind.Unsupported
}

func (t *fakeTree) Readlink(context.Context, filestore.Path) (string, error) {
	return "", kind.Unsupported
}

func (t *fakeTree) SetAttr(_ context.Context, p filestore.Path, a filestore.Attr, _ bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.find(p)
	if err != nil {
		return err
	}
	n.set(a)
	return nil
}

func (n *fakeNode) set(a filestore.Attr) {
	if a.Has(filestore.AttrMode) {
		n.info.Mode = a.Mode
	}
	if a.Has(filestore.AttrMtime) {
		n.info.Mtime = a.Mtime
	}
	if a.Has(filestore.AttrSize) {
		n.data.resize(a.Size)
	}
}

// chunks are the bytes of a file, in pieces that are kept when it is cut, so
// that measurements see no growth by copying.
type chunks struct {
	size  int64
	piece [][]byte
}

const pieceSize = 1 << 20

func (c *chunks) resize(size int64) {
	for int64(len(c.piece))*pieceSize < size {
		c.piece = append(c.piece, make([]byte, pieceSize))
	}
	for off := size; off < c.size; {
		p := c.piece[off/pieceSize][off%pieceSize:]
		clear(p)
		off += int64(len(p))
	}
	c.size = size
}

func (c *chunks) at(off int64, max int) []byte {
	p := c.piece[off/pieceSize][off%pieceSize:]
	return p[:min(len(p), max)]
}

func (t *fakeTree) Usage(context.Context) (filestore.Usage, error) {
	return filestore.Usage{BlockSize: 4096, TotalBytes: 1 << 40, FreeBytes: 1 << 39}, nil
}

type fakeFile struct {
	t *fakeTree
	n *fakeNode
	o filestore.OpenOptions
}

func (f *fakeFile) ReadAt(_ context.Context, b []byte, off int64) (int, error) {
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	n := 0
	for n < len(b) {
		left := f.n.data.size - off - int64(n)
		if left <= 0 {
			return n, io.EOF
		}
		n += copy(b[n:], f.n.data.at(off+int64(n), int(min(left, pieceSize))))
	}
	return n, nil
}

func (f *fakeFile) WriteAt(_ context.Context, b []byte, off int64) (int, error) {
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	if end := off + int64(len(b)); end > f.n.data.size {
		f.n.data.resize(end)
	}
	n := 0
	for n < len(b) {
		n += copy(f.n.data.at(off+int64(n), pieceSize), b[n:])
	}
	return n, nil
}

func (f *fakeFile) SetAttr(_ context.Context, a filestore.Attr) error {
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	f.n.set(a)
	return nil
}

func (f *fakeFile) Stat(context.Context) (filestore.Info, error) {
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	return f.n.stat(), nil
}

func (f *fakeFile) Sync(context.Context) error  { return nil }
func (f *fakeFile) Close(context.Context) error { return nil }

func (f *fakeFile) Discard() {
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	f.t.discards++
}
