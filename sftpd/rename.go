package sftpd

import (
	"context"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// rename answers RENAME, which refuses an existing target, and posix-rename,
// which replaces it.
func (s *session) rename(ctx context.Context, t wire.Type, id uint32, d *wire.Decoder, m filestore.RenameMode) ([]byte, error) {
	slash := s.newDirName
	if m == renamePosix {
		slash = s.overDirName
	}
	return s.twoPaths(ctx, t, id, d, slash, func(ctx context.Context, from, to filestore.Path) error {
		return s.tree.Rename(ctx, from, to, m)
	})
}

// twoPaths answers a request that does something with an entry and gives the
// result a name. slash judges a new name with a slash behind it.
func (s *session) twoPaths(ctx context.Context, t wire.Type, id uint32, d *wire.Decoder, slash, do func(ctx context.Context, from, to filestore.Path) error) ([]byte, error) {
	rawFrom, rawTo := d.Bytes(), d.Bytes()
	if d.Bad() {
		return rawFrom, errBadFields
	}
	from, err := s.entry(ctx, rawFrom)
	if err == nil {
		err = notRoot(from)
	}
	if err != nil {
		return rawFrom, err
	}
	to, err := s.name(ctx, rawTo)
	if err == nil {
		err = notRoot(to)
	}
	if err == nil && slashed(rawTo) {
		err = slash(ctx, from, to)
	}
	if err != nil {
		return rawTo, err
	}
	both := slices.Concat(rawFrom, []byte(" -> "), rawTo)
	return both, s.change(ctx, t, id, both, func(ctx context.Context) error { return do(ctx, from, to) }, from, to)
}

// newFileName refuses a slash behind the name of a new file or link, unless the
// name is taken, which the request will find.
func (s *session) newFileName(ctx context.Context, _, to filestore.Path) error {
	if _, err := s.tree.Lstat(ctx, to); err != nil {
		return fmt.Errorf("a slash behind the name of what is no directory: %w", err)
	}
	return nil
}

// newDirName does for RENAME, whose new name may have a slash behind it if what
// stands at from is a directory.
func (s *session) newDirName(ctx context.Context, from, to filestore.Path) error {
	if i, err := s.tree.Lstat(ctx, from); err != nil || i.Kind == filestore.KindDir {
		return nil
	}
	return s.newFileName(ctx, from, to)
}

// overDirName does for posix-rename@openssh.com: a slash behind the new name
// wants directories here and there.
func (s *session) overDirName(ctx context.Context, from, to filestore.Path) error {
	for _, p := range []filestore.Path{from, to} {
		if i, err := s.tree.Lstat(ctx, p); err == nil && i.Kind != filestore.KindDir {
			return fmt.Errorf("a slash behind the name of what is no directory: %w", kind.NotDir)
		}
	}
	return nil
}

// What RENAME and posix-rename@openssh.com do about an existing target.
const (
	renameStrict = filestore.NoReplace
	renamePosix  = filestore.Replace
)
