package sftpd

import (
	"context"
	"iter"

	"github.com/truckee-fs/truckee/filestore"
)

// tree is what a session asks of a *filestore.Tree. Tests put a tree that
// fails on demand in its place.
type tree interface {
	ReadOnly() bool
	Stat(ctx context.Context, p filestore.Path) (filestore.Info, error)
	Lstat(ctx context.Context, p filestore.Path) (filestore.Info, error)
	List(ctx context.Context, p filestore.Path) iter.Seq2[filestore.Info, error]
	Open(ctx context.Context, p filestore.Path, o filestore.OpenOptions) (file, error)
	Mkdir(ctx context.Context, p filestore.Path, a filestore.Attr) error
	Rmdir(ctx context.Context, p filestore.Path) error
	Remove(ctx context.Context, p filestore.Path) error
	Rename(ctx context.Context, from, to filestore.Path, m filestore.RenameMode) error
	Symlink(ctx context.Context, p filestore.Path, target string, a filestore.Attr) error
	Readlink(ctx context.Context, p filestore.Path) (string, error)
	SetAttr(ctx context.Context, p filestore.Path, a filestore.Attr, follow bool) error
	Link(ctx context.Context, from, to filestore.Path) error
	Diminish(ctx context.Context, p filestore.Path) error
	Straight(ctx context.Context, p filestore.Path) (bool, error)
	Usage(ctx context.Context) (filestore.Usage, error)
}

// file is what a session asks of a *filestore.File.
type file interface {
	ReadAt(ctx context.Context, b []byte, off int64) (int, error)
	WriteAt(ctx context.Context, b []byte, off int64) (int, error)
	SetAttr(ctx context.Context, a filestore.Attr) error
	Stat(ctx context.Context) (filestore.Info, error)
	Sync(ctx context.Context) error
	Close(ctx context.Context) error
	Discard()
}
