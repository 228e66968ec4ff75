package sftpd

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// onePath reads a request's path.
func (s *session) onePath(ctx context.Context, d *wire.Decoder) (raw []byte, p filestore.Path, err error) {
	raw = d.Bytes()
	if d.Bad() {
		return nil, nil, errBadFields
	}
	p, err = s.path(ctx, raw)
	return raw, p, err
}

// stat answers STAT and LSTAT.
func (s *session) stat(ctx context.Context, id uint32, d *wire.Decoder, look looker) ([]byte, error) {
	raw, p, err := s.onePath(ctx, d)
	if err != nil {
		return raw, err
	}
	info, err := look(ctx, raw, p)
	if err != nil {
		return raw, err
	}
	a := wireAttrs(&info)
	s.out = wire.AppendAttrsReply(s.out, id, &a)
	return raw, nil
}

// looker looks at what a request's path means.
type looker func(ctx context.Context, raw []byte, p filestore.Path) (filestore.Info, error)

func (s *session) follow(ctx context.Context, _ []byte, p filestore.Path) (filestore.Info, error) {
	return s.tree.Stat(ctx, p)
}

// lstat follows a link nonetheless whose name ends in a slash, as POSIX says:
// by it OpenSSH's sftp lists what "ls link/" means.
func (s *session) lstat(ctx context.Context, raw []byte, p filestore.Path) (filestore.Info, error) {
	if slashed(raw) {
		return s.tree.Stat(ctx, p)
	}
	return s.tree.Lstat(ctx, p)
}

// setstat answers SETSTAT, and lsetstat@openssh.com with follow false. Every
// subset of attributes is taken; extended pairs are ignored.
func (s *session) setstat(ctx context.Context, t wire.Type, id uint32, d *wire.Decoder, follow bool) ([]byte, error) {
	raw, attrs := d.Bytes(), d.Attrs()
	if d.Bad() {
		return raw, errBadFields
	}
	p, err := s.path(ctx, raw)
	if err != nil {
		return raw, err
	}
	a, err := storeAttr(&attrs)
	if err != nil {
		return raw, err
	}
	return raw, s.change(ctx, t, id, raw, func(ctx context.Context) error {
		if a.Set == 0 {
			_, err := s.tree.Lstat(ctx, p)
			return err
		}
		return s.setAttr(ctx, p, a, follow || slashed(raw))
	}, p)
}

// setAttr sets attributes of what stands at p. A mode without the owner's w bit
// also diminishes a directory's link, if Tahoe-LAFS's way has been asked for.
func (s *session) setAttr(ctx context.Context, p filestore.Path, a filestore.Attr, follow bool) error {
	if err := s.tree.SetAttr(ctx, p, a, follow); err != nil || !s.diminish || !follow || !noWrite(a) {
		return err
	}
	err := s.tree.Diminish(ctx, p)
	if k := kind.Of(err); k == kind.Invalid || k == kind.Denied { // a file has no such link, and the root none
		return nil
	}
	return err
}

// noWrite reports whether a takes the owner's permission to write.
func noWrite(a filestore.Attr) bool { return a.Has(filestore.AttrMode) && a.Mode&0o200 == 0 }

// remove answers REMOVE and RMDIR.
func (s *session) remove(ctx context.Context, t wire.Type, id uint32, d *wire.Decoder, do func(context.Context, filestore.Path) error) ([]byte, error) {
	raw := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	p, err := s.entry(ctx, raw)
	if err == nil {
		err = notRoot(p)
	}
	if err != nil {
		return raw, err
	}
	return raw, s.change(ctx, t, id, raw, func(ctx context.Context) error { return do(ctx, p) }, p)
}

// notRoot refuses what can't be done to the root of a tree.
func notRoot(p filestore.Path) error {
	if len(p) == 0 {
		return fmt.Errorf("the root: %w", kind.Denied)
	}
	return nil
}

func (s *session) mkdir(ctx context.Context, t wire.Type, id uint32, d *wire.Decoder) ([]byte, error) {
	raw, attrs := d.Bytes(), d.Attrs()
	if d.Bad() {
		return raw, errBadFields
	}
	p, err := s.name(ctx, raw)
	if err == nil && len(p) == 0 {
		err = fmt.Errorf("the root: %w", kind.Exist)
	}
	if err != nil {
		return raw, err
	}
	a := s.createAttr(&attrs, defaultDirMode)
	return raw, s.change(ctx, t, id, raw, func(ctx context.Context) error { return s.tree.Mkdir(ctx, p, a) }, p)
}

func (s *session) readlink(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	raw, p, err := s.onePath(ctx, d)
	if err != nil {
		return raw, err
	}
	target, err := s.tree.Readlink(ctx, p)
	if err != nil {
		return raw, err
	}
	s.out = wire.AppendOneName(s.out, id, target)
	return raw, nil
}

// realpath answers REALPATH by the text of the path alone: the result is
// absolute, without "." and "..", and need not exist. Symlinks stay in it.
func (s *session) realpath(id uint32, d *wire.Decoder) ([]byte, error) {
	raw := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	return raw, s.canonical(id, raw)
}

// symlink answers SYMLINK with the target first and the new link second,
// which is OpenSSH's order, or with the draft's, as the client's quirks are.
func (s *session) symlink(ctx context.Context, t wire.Type, id uint32, d *wire.Decoder) ([]byte, error) {
	target, raw := d.Bytes(), d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	if s.linkFirst {
		target, raw = raw, target
	}
	p, err := s.name(ctx, raw)
	if err == nil && len(p) == 0 {
		err = fmt.Errorf("the root: %w", kind.Exist)
	}
	if err == nil && slashed(raw) {
		err = s.newFileName(ctx, nil, p)
	}
	if err != nil {
		return raw, err
	}
	text := string(target) // the packet's buffer is used again
	a := filestore.Attr{Set: filestore.AttrMode, Mode: 0o777}
	return raw, s.change(ctx, t, id, raw, func(ctx context.Context) error { return s.tree.Symlink(ctx, p, text, a) }, p)
}
