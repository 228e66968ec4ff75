package sftpd

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// uriName is the first component of paths that begin with a capability.
const uriName = "uri"

// maxURIs bounds the capabilities whose trees a connection keeps at hand.
const maxURIs = 64

// uriTree is an account's tree in which /uri/CAP is the root of any capability
// that the client can name, as in Tahoe-LAFS. An entry "uri" of the account's
// own root is out of reach, and is not made.
type uriTree struct {
	own   tree
	mount func(ctx context.Context, capability string) (tree, error)

	mu    sync.Mutex      // guards the fields below
	trees map[string]tree // by capability
}

func newURITree(own tree, mount func(context.Context, string) (tree, error)) *uriTree {
	return &uriTree{own: own, mount: mount, trees: map[string]tree{}}
}

// at gives the tree that p leads into, and the rest of p. It is nil for /uri.
func (u *uriTree) at(ctx context.Context, p filestore.Path) (tree, filestore.Path, error) {
	switch {
	case len(p) == 0 || p[0] != uriName:
		return u.own, p, nil
	case len(p) == 1:
		return nil, nil, nil
	}
	u.mu.Lock()
	t := u.trees[p[1]]
	u.mu.Unlock()
	if t != nil {
		return t, p[2:], nil
	}
	t, err := u.mount(ctx, p[1])
	if err != nil {
		return nil, nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.trees) >= maxURIs {
		clear(u.trees)
	}
	u.trees[p[1]] = t
	return t, p[2:], nil
}

// inside is at for what must not be done to /uri or to a capability's own root.
func (u *uriTree) inside(ctx context.Context, p filestore.Path) (tree, filestore.Path, error) {
	t, rest, err := u.at(ctx, p)
	if err == nil && (t == nil || t != u.own && len(rest) == 0) {
		err = fmt.Errorf("%q, or a capability's root: %w", uriName, kind.Denied)
	}
	return t, rest, err
}

// shown is at for what only looks.
func (u *uriTree) shown(ctx context.Context, p filestore.Path) (tree, filestore.Path, error) {
	t, rest, err := u.at(ctx, p)
	if err == nil && t == nil {
		err = fmt.Errorf("%q: %w", uriName, kind.Denied)
	}
	return t, rest, err
}

// uriInfo describes /uri: one can go through it and not look into it.
func uriInfo() filestore.Info {
	return filestore.Info{Name: uriName, Kind: filestore.KindDir, Mode: 0o111, ReadOnly: true, Mtime: time.Unix(0, 0), Atime: time.Unix(0, 0)}
}

// ReadOnly is false: a capability that is named may allow what the own doesn't.
func (u *uriTree) ReadOnly() bool { return false }

func (u *uriTree) Stat(ctx context.Context, p filestore.Path) (filestore.Info, error) {
	t, rest, err := u.at(ctx, p)
	if err != nil || t == nil {
		return uriInfo(), err
	}
	return t.Stat(ctx, rest)
}

func (u *uriTree) Lstat(ctx context.Context, p filestore.Path) (filestore.Info, error) {
	t, rest, err := u.at(ctx, p)
	if err != nil || t == nil {
		return uriInfo(), err
	}
	return t.Lstat(ctx, rest)
}

func (u *uriTree) List(ctx context.Context, p filestore.Path) iter.Seq2[filestore.Info, error] {
	t, rest, err := u.shown(ctx, p)
	if err != nil {
		return func(yield func(filestore.Info, error) bool) { yield(filestore.Info{}, err) }
	}
	return t.List(ctx, rest)
}

func (u *uriTree) Open(ctx context.Context, p filestore.Path, o filestore.OpenOptions) (file, error) {
	t, rest, err := u.shown(ctx, p)
	if err != nil {
		return nil, err
	}
	return t.Open(ctx, rest, o)
}

func (u *uriTree) Mkdir(ctx context.Context, p filestore.Path, a filestore.Attr) error {
	t, rest, err := u.inside(ctx, p)
	if err != nil {
		return err
	}
	return t.Mkdir(ctx, rest, a)
}

func (u *uriTree) Rmdir(ctx context.Context, p filestore.Path) error {
	t, rest, err := u.inside(ctx, p)
	if err != nil {
		return err
	}
	return t.Rmdir(ctx, rest)
}

func (u *uriTree) Remove(ctx context.Context, p filestore.Path) error {
	t, rest, err := u.inside(ctx, p)
	if err != nil {
		return err
	}
	return t.Remove(ctx, rest)
}

// both is inside for two paths, which must lead into one tree.
func (u *uriTree) both(ctx context.Context, from, to filestore.Path) (t tree, a, b filestore.Path, err error) {
	t, a, err = u.inside(ctx, from)
	if err != nil {
		return nil, nil, nil, err
	}
	other, b, err := u.inside(ctx, to)
	if err == nil && other != t {
		err = fmt.Errorf("from one capability to another: %w", kind.Unsupported)
	}
	return t, a, b, err
}

func (u *uriTree) Rename(ctx context.Context, from, to filestore.Path, m filestore.RenameMode) error {
	t, a, b, err := u.both(ctx, from, to)
	if err != nil {
		return err
	}
	return t.Rename(ctx, a, b, m)
}

func (u *uriTree) Link(ctx context.Context, from, to filestore.Path) error {
	t, a, b, err := u.both(ctx, from, to)
	if err != nil {
		return err
	}
	return t.Link(ctx, a, b)
}

func (u *uriTree) Symlink(ctx context.Context, p filestore.Path, target string, a filestore.Attr) error {
	t, rest, err := u.inside(ctx, p)
	if err != nil {
		return err
	}
	return t.Symlink(ctx, rest, target, a)
}

func (u *uriTree) Readlink(ctx context.Context, p filestore.Path) (string, error) {
	t, rest, err := u.shown(ctx, p)
	if err != nil {
		return "", err
	}
	return t.Readlink(ctx, rest)
}

func (u *uriTree) SetAttr(ctx context.Context, p filestore.Path, a filestore.Attr, follow bool) error {
	t, rest, err := u.shown(ctx, p)
	if err != nil {
		return err
	}
	return t.SetAttr(ctx, rest, a, follow)
}

func (u *uriTree) Diminish(ctx context.Context, p filestore.Path) error {
	t, rest, err := u.inside(ctx, p)
	if err != nil {
		return err
	}
	return t.Diminish(ctx, rest)
}

// Straight is false below /uri: two capabilities may lead to one place.
func (u *uriTree) Straight(ctx context.Context, p filestore.Path) (bool, error) {
	if len(p) > 0 && p[0] == uriName {
		return false, nil
	}
	return u.own.Straight(ctx, p)
}

func (u *uriTree) Usage(ctx context.Context) (filestore.Usage, error) { return u.own.Usage(ctx) }
