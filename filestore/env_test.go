package filestore_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	blockmemory "github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	metamemory "github.com/truckee-fs/truckee/metastore/memory"
)

// storage is what gateways share.
type storage struct {
	t      testing.TB
	blocks blockstore.Store
	meta   metastore.Store
	master caps.Key
}

func newStorage(t testing.TB) *storage {
	t.Helper()
	return &storage{t, blockmemory.New(), metamemory.New(), newKey()}
}

func newKey() caps.Key {
	var b [32]byte
	rand.Read(b[:])
	return caps.KeyOf(b)
}

// shared hides that a metastore is exclusive, as if other gateways wrote to it.
type shared struct{ metastore.Store }

// gateway opens a filestore on the storage as one of several.
func (s *storage) gateway(change ...func(*filestore.Options)) *filestore.FS {
	s.t.Helper()
	return s.open(append([]func(*filestore.Options){func(o *filestore.Options) { o.Meta = shared{o.Meta} }}, change...)...)
}

// open opens a filestore that has the storage for itself.
func (s *storage) open(change ...func(*filestore.Options)) *filestore.FS {
	s.t.Helper()
	o := filestore.Options{Blocks: s.blocks, Meta: s.meta, Master: s.master, SpoolDir: s.t.TempDir()}
	for _, c := range change {
		c(&o)
	}
	fs, err := filestore.New(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { fs.Close() })
	return fs
}

// tree is a Tree whose methods take "a/b" and fail the test on an error.
type tree struct {
	t testing.TB
	*filestore.Tree
}

func newTree(t testing.TB, fs *filestore.FS) (tree, caps.Write) {
	t.Helper()
	root, err := fs.CreateRoot(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return mount(t, fs, root), root
}

func mount(t testing.TB, fs *filestore.FS, root caps.Cap) tree {
	t.Helper()
	tr, err := fs.Mount(t.Context(), root, filestore.MountOptions{Source: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return tree{t, tr}
}

func path(s string) filestore.Path {
	if s == "" {
		return nil
	}
	return strings.Split(s, "/")
}

func (t tree) mkdir(p string) {
	t.t.Helper()
	if err := t.Mkdir(t.t.Context(), path(p), filestore.Attr{}); err != nil {
		t.t.Fatalf("mkdir %s: %v", p, err)
	}
}

func (t tree) rename(from, to string) {
	t.t.Helper()
	if err := t.Rename(t.t.Context(), path(from), path(to), filestore.Replace); err != nil {
		t.t.Fatalf("rename %s to %s: %v", from, to, err)
	}
}

func (t tree) remove(p string) {
	t.t.Helper()
	if err := t.Remove(t.t.Context(), path(p)); err != nil {
		t.t.Fatalf("remove %s: %v", p, err)
	}
}

func (t tree) rmdir(p string) {
	t.t.Helper()
	if err := t.Rmdir(t.t.Context(), path(p)); err != nil {
		t.t.Fatalf("rmdir %s: %v", p, err)
	}
}

var (
	forWriting = filestore.OpenOptions{Read: true, Write: true}
	forReading = filestore.OpenOptions{Read: true}
	toCreate   = filestore.OpenOptions{Read: true, Write: true, Create: true}
	toReplace  = filestore.OpenOptions{Read: true, Write: true, Create: true, Truncate: true}
)

func (t tree) open(p string, o filestore.OpenOptions) *filestore.File {
	t.t.Helper()
	f, err := t.Open(t.t.Context(), path(p), o)
	if err != nil {
		t.t.Fatalf("open %s: %v", p, err)
	}
	return f
}

// put makes a file with these contents, whatever was there.
func (t tree) put(p string, data []byte) {
	t.t.Helper()
	f := t.open(p, toReplace)
	write(t.t, f, data, 0)
	closeFile(t.t, f)
}

func (t tree) get(p string) []byte {
	t.t.Helper()
	f := t.open(p, forReading)
	defer f.Discard()
	return readAll(t.t, f)
}

func (t tree) expect(p string, want []byte) {
	t.t.Helper()
	if got := t.get(p); !bytes.Equal(got, want) {
		t.t.Fatalf("%s holds %s, want %s", p, sketch(got), sketch(want))
	}
}

func (t tree) stat(p string) filestore.Info {
	t.t.Helper()
	i, err := t.Stat(t.t.Context(), path(p))
	if err != nil {
		t.t.Fatalf("stat %s: %v", p, err)
	}
	return i
}

func (t tree) absent(p string) {
	t.t.Helper()
	if _, err := t.Lstat(t.t.Context(), path(p)); !errors.Is(err, kind.NotExist) {
		t.t.Fatalf("lstat %s: %v, want NotExist", p, err)
	}
}

// names lists a directory.
func (t tree) names(p string) []string {
	t.t.Helper()
	names := []string{}
	for i, err := range t.List(t.t.Context(), path(p)) {
		if err != nil {
			t.t.Fatalf("list %s: %v", p, err)
		}
		names = append(names, i.Name)
	}
	return names
}

func (t tree) expectNames(p string, want ...string) {
	t.t.Helper()
	if got := t.names(p); !slices.Equal(got, want) {
		t.t.Fatalf("%s lists %q, want %q", p, got, want)
	}
}

func write(t testing.TB, f *filestore.File, data []byte, off int64) {
	t.Helper()
	const step = 255 << 10
	for at := 0; at < len(data); at += step {
		part := data[at:min(at+step, len(data))]
		if n, err := f.WriteAt(t.Context(), part, off+int64(at)); err != nil || n != len(part) {
			t.Fatalf("write %d bytes at %d: %d, %v", len(part), off+int64(at), n, err)
		}
	}
}

func readAll(t testing.TB, f *filestore.File) []byte {
	t.Helper()
	var all []byte
	buf := make([]byte, 100_000)
	for {
		n, err := f.ReadAt(t.Context(), buf, int64(len(all)))
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatalf("read at %d: %v", len(all), err)
		}
	}
}

func closeFile(t testing.TB, f *filestore.File) {
	t.Helper()
	if err := f.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func sync(t testing.TB, f *filestore.File) {
	t.Helper()
	if err := f.Sync(t.Context()); err != nil {
		t.Fatalf("sync: %v", err)
	}
}

// random gives n bytes that depend on seed.
func random(n int, seed byte) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// sketch describes contents that are too long to print.
func sketch(b []byte) string {
	if len(b) <= 60 {
		return strings.ToValidUTF8(string(b), "?")
	}
	return strings.Join([]string{sketch(b[:20]), "..."}, "")
}

func expectKind(t testing.TB, what string, err error, want kind.Kind) {
	t.Helper()
	if kind.Of(err) != want {
		t.Fatalf("%s: %v (%v), want %v", what, err, kind.Of(err), want)
	}
}

func (t tree) leaves(p string) int {
	t.t.Helper()
	n, err := t.Leaves(t.t.Context(), path(p))
	if err != nil {
		t.t.Fatal(err)
	}
	return n
}
