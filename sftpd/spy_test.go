package sftpd

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// spyTree is a tree of the real filestore that counts what becomes of its
// files, and fails on demand as no store in memory does.
type spyTree struct {
	tree
	discards atomic.Int32
	commits  atomic.Int32

	mu   sync.Mutex
	errs map[string]error // by method of file
}

func newSpy(tb testing.TB) *spyTree {
	tb.Helper()
	return &spyTree{tree: newTree(tb, newStore(tb)), errs: map[string]error{}}
}

// fail makes a method of every file fail from now on; nil ends it.
func (s *spyTree) fail(method string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs[method] = err
}

func (s *spyTree) err(method string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errs[method]
}

func (s *spyTree) Open(ctx context.Context, p filestore.Path, o filestore.OpenOptions) (file, error) {
	f, err := s.tree.Open(ctx, p, o)
	if err != nil {
		return nil, err
	}
	return &spyFile{f, s}, nil
}

type spyFile struct {
	file
	s *spyTree
}

func (f *spyFile) ReadAt(ctx context.Context, b []byte, off int64) (int, error) {
	if err := f.s.err("ReadAt"); err != nil {
		return 0, err
	}
	return f.file.ReadAt(ctx, b, off)
}

func (f *spyFile) WriteAt(ctx context.Context, b []byte, off int64) (int, error) {
	if err := f.s.err("WriteAt"); err != nil {
		return 0, err
	}
	return f.file.WriteAt(ctx, b, off)
}

func (f *spyFile) Sync(ctx context.Context) error {
	if err := f.s.err("Sync"); err != nil {
		return err
	}
	return f.file.Sync(ctx)
}

// Close fails as an upload does: the handle is gone all the same.
func (f *spyFile) Close(ctx context.Context) error {
	if err := f.s.err("Close"); err != nil {
		f.file.Discard()
		return err
	}
	f.s.commits.Add(1)
	return f.file.Close(ctx)
}

func (f *spyFile) Discard() {
	f.s.discards.Add(1)
	f.file.Discard()
}

// nullFile takes and gives bytes without touching them.
type nullFile struct{ file }

func (nullFile) ReadAt(_ context.Context, b []byte, _ int64) (int, error)  { return len(b), nil }
func (nullFile) WriteAt(_ context.Context, b []byte, _ int64) (int, error) { return len(b), nil }

// brokenList is a tree whose listings break off after their first entry.
type brokenList struct{ *spyTree }

func (b brokenList) List(ctx context.Context, p filestore.Path) iter.Seq2[filestore.Info, error] {
	return func(yield func(filestore.Info, error) bool) {
		for info, err := range b.spyTree.List(ctx, p) {
			if yield(info, err) {
				yield(filestore.Info{}, kind.Corrupt)
			}
			return
		}
	}
}
