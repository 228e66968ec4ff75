package filestore

import (
	"context"
	"iter"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

var errTODO = kind.Unsupported

type FS struct{}

func New(ctx context.Context, o Options) (*FS, error) { return nil, errTODO }
func (fs *FS) Close() error                           { return errTODO }
func (fs *FS) CreateRoot(ctx context.Context, source string) (caps.Write, error) {
	return caps.Write{}, errTODO
}
func (fs *FS) Mount(ctx context.Context, root caps.Cap, o MountOptions) (*Tree, error) {
	return nil, errTODO
}

type Tree struct{}

func (t *Tree) ReadOnly() bool                                      { return false }
func (t *Tree) Stat(ctx context.Context, p Path) (Info, error)      { return Info{}, errTODO }
func (t *Tree) Lstat(ctx context.Context, p Path) (Info, error)     { return Info{}, errTODO }
func (t *Tree) List(ctx context.Context, p Path) iter.Seq2[Info, error] {
	return func(func(Info, error) bool) {}
}
func (t *Tree) Open(ctx context.Context, p Path, o OpenOptions) (*File, error) {
	return nil, errTODO
}
func (t *Tree) Mkdir(ctx context.Context, p Path, a Attr) error             { return errTODO }
func (t *Tree) Rmdir(ctx context.Context, p Path) error                     { return errTODO }
func (t *Tree) Remove(ctx context.Context, p Path) error                    { return errTODO }
func (t *Tree) Rename(ctx context.Context, from, to Path, m RenameMode) error { return errTODO }
func (t *Tree) Symlink(ctx context.Context, p Path, target string, a Attr) error {
	return errTODO
}
func (t *Tree) Link(ctx context.Context, from, to Path) error                { return errTODO }
func (t *Tree) Readlink(ctx context.Context, p Path) (string, error)         { return "", errTODO }
func (t *Tree) SetAttr(ctx context.Context, p Path, a Attr, follow bool) error { return errTODO }
func (t *Tree) CapOf(ctx context.Context, p Path, a caps.Authority) (caps.Cap, error) {
	return nil, errTODO
}
func (t *Tree) Usage(ctx context.Context) (Usage, error) { return Usage{}, errTODO }

type File struct{}

func (f *File) ReadAt(ctx context.Context, b []byte, off int64) (int, error)  { return 0, errTODO }
func (f *File) WriteAt(ctx context.Context, b []byte, off int64) (int, error) { return 0, errTODO }
func (f *File) Truncate(ctx context.Context, size int64) error                { return errTODO }
func (f *File) SetAttr(ctx context.Context, a Attr) error                     { return errTODO }
func (f *File) Stat(ctx context.Context) (Info, error)                        { return Info{}, errTODO }
func (f *File) Sync(ctx context.Context) error                                { return errTODO }
func (f *File) Close(ctx context.Context) error                               { return errTODO }
func (f *File) Discard()                                                      {}
