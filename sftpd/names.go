package sftpd

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// What RENAME and posix-rename@openssh.com do about an existing target.
const (
	renameStrict = filestore.NoReplace
	renamePosix  = filestore.Replace
)

// stat answers STAT and LSTAT.
func (s *session) stat(ctx context.Context, id uint32, d *wire.Decoder, look func(context.Context, filestore.Path) (filestore.Info, error)) ([]byte, error) {
	raw := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	p, err := s.path(ctx, raw)
	if err != nil {
		return raw, err
	}
	info, err := look(ctx, p)
	if err != nil {
		return raw, err
	}
	a := wireAttrs(&info)
	s.out = wire.AppendAttrsReply(s.out, id, &a)
	return raw, nil
}

// setstat answers SETSTAT, and lsetstat@openssh.com with follow false. Every
// subset of attributes is taken; extended pairs are ignored.
func (s *session) setstat(ctx context.Context, id uint32, d *wire.Decoder, follow bool) ([]byte, error) {
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
	if a.Set == 0 {
		_, err = s.tree.Lstat(ctx, p)
	} else {
		err = s.tree.SetAttr(ctx, p, a, follow)
	}
	if err != nil {
		return raw, err
	}
	s.ok(id)
	return raw, nil
}

// onPath answers REMOVE and RMDIR.
func (s *session) onPath(ctx context.Context, id uint32, d *wire.Decoder, do func(context.Context, filestore.Path) error) ([]byte, error) {
	raw := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	p, err := s.path(ctx, raw)
	if err == nil {
		err = notRoot(p)
	}
	if err == nil {
		err = do(ctx, p)
	}
	if err != nil {
		return raw, err
	}
	s.ok(id)
	return raw, nil
}

// notRoot refuses what can't be done to the root of a tree.
func notRoot(p filestore.Path) error {
	if len(p) == 0 {
		return fmt.Errorf("the root: %w", kind.Denied)
	}
	return nil
}

func (s *session) mkdir(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	raw, attrs := d.Bytes(), d.Attrs()
	if d.Bad() {
		return raw, errBadFields
	}
	p, err := s.path(ctx, raw)
	if err == nil && len(p) == 0 {
		err = fmt.Errorf("the root: %w", kind.Exist)
	}
	if err == nil {
		err = s.tree.Mkdir(ctx, p, s.createAttr(&attrs, defaultDirMode))
	}
	if err != nil {
		return raw, err
	}
	s.ok(id)
	return raw, nil
}

// rename answers RENAME, which refuses an existing target, and posix-rename,
// which replaces it.
func (s *session) rename(ctx context.Context, id uint32, d *wire.Decoder, m filestore.RenameMode) ([]byte, error) {
	rawFrom, rawTo := d.Bytes(), d.Bytes()
	if d.Bad() {
		return rawFrom, errBadFields
	}
	from, err := s.path(ctx, rawFrom)
	if err == nil {
		err = notRoot(from)
	}
	if err != nil {
		return rawFrom, err
	}
	to, err := s.path(ctx, rawTo)
	if err == nil {
		err = notRoot(to)
	}
	if err != nil {
		return rawTo, err
	}
	if err := s.tree.Rename(ctx, from, to, m); err != nil {
		if kind.Of(err) == kind.Exist || kind.Of(err) == kind.NotEmpty {
			return rawTo, err
		}
		return rawFrom, err
	}
	s.ok(id)
	return rawFrom, nil
}

// symlink answers SYMLINK with the target first and the new link second,
// which is OpenSSH's order and not the draft's; everybody follows OpenSSH.
func (s *session) symlink(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	target, raw := d.Bytes(), d.Bytes()
	if d.Bad() {
		return raw, errBadFields
	}
	p, err := s.path(ctx, raw)
	if err == nil && len(p) == 0 {
		err = fmt.Errorf("the root: %w", kind.Exist)
	}
	if err == nil {
		a := filestore.Attr{Set: filestore.AttrMode, Mode: 0o777}
		err = s.tree.Symlink(ctx, p, string(target), a)
	}
	if err != nil {
		return raw, err
	}
	s.ok(id)
	return raw, nil
}

func (s *session) readlink(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	raw := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	p, err := s.path(ctx, raw)
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
	p, err := parsePath(raw)
	if err != nil {
		return raw, err
	}
	s.out = wire.AppendOneName(s.out, id, "/"+strings.Join(p, "/"))
	return raw, nil
}

// opendir answers OPENDIR. "." and ".." are listed first, as OpenSSH's server
// lists them: sshfs hands them on to programs that expect them.
func (s *session) opendir(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	raw := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	p, err := s.path(ctx, raw)
	if err != nil {
		return raw, err
	}
	self, err := s.tree.Stat(ctx, p)
	if err != nil {
		return raw, err
	}
	if self.Kind != filestore.KindDir {
		return raw, fmt.Errorf("opendir: %w", kind.NotDir)
	}
	parent := self
	if len(p) > 0 {
		if parent, err = s.tree.Stat(ctx, p[:len(p)-1]); err != nil {
			return raw, err
		}
	}
	self.Name, parent.Name = ".", ".."
	h := &handle{
		path: append([]byte(nil), raw...),
		dir:  newListing(s.tree.List(ctx, p), []filestore.Info{self, parent}),
	}
	if err := s.handles.add(h); err != nil {
		h.dir.stop()
		return raw, err
	}
	s.out = wire.AppendHandle(s.out, id, h.wire[:])
	return raw, nil
}

// namesPerReply is how many bytes of entries fill a NAME reply: enough that
// the round trips of a large listing don't count, well below what clients take.
const namesPerReply = 100 << 10

// readdir answers READDIR with as many entries as fit, and EOF after the last.
func (s *session) readdir(id uint32, d *wire.Decoder) ([]byte, error) {
	h := s.handles.get(d.Bytes())
	switch {
	case d.Bad():
		return nil, errBadFields
	case h == nil:
		return nil, errBadHandle
	case h.dir == nil:
		return h.path, fmt.Errorf("readdir: %w", kind.NotDir)
	}
	var start int
	s.out, start = wire.Begin(s.out, wire.NameReply, id)
	s.out = append(s.out, 0, 0, 0, 0)
	count, now := uint32(0), time.Now()
	for len(s.out)-start < namesPerReply {
		info, err := h.dir.entry()
		if err == io.EOF {
			break
		}
		if err != nil {
			return h.path, err
		}
		s.appendEntry(&info, now)
		count++
	}
	if count == 0 {
		return h.path, io.EOF
	}
	binary.BigEndian.PutUint32(s.out[start+wire.LengthSize+wire.HeaderSize:], count)
	s.out = wire.Finish(s.out, start)
	return h.path, nil
}

// entry returns the next entry, io.EOF after the last.
func (l *listing) entry() (filestore.Info, error) {
	if len(l.dots) > 0 {
		i := l.dots[0]
		l.dots = l.dots[1:]
		return i, nil
	}
	if l.done {
		return filestore.Info{}, io.EOF
	}
	info, err, more := l.next()
	if !more {
		l.done, err = true, io.EOF
	}
	info.Name = alias(info.Name)
	return info, err
}

// appendEntry appends one entry of a NAME reply.
func (s *session) appendEntry(i *filestore.Info, now time.Time) {
	a, name := wireAttrs(i), i.Name
	s.out = wire.AppendString(s.out, name)
	at := len(s.out)
	s.out = append(s.out, 0, 0, 0, 0)
	s.out = appendLongname(s.out, &a, name, now)
	binary.BigEndian.PutUint32(s.out[at:], uint32(len(s.out)-at-4))
	s.out = wire.AppendAttrs(s.out, &a)
}
