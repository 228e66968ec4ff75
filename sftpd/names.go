package sftpd

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
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

// opendir answers OPENDIR. "." and ".." are listed first, as OpenSSH's server
// lists them: sshfs hands them on to programs that expect them.
func (s *session) opendir(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	raw, p, err := s.onePath(ctx, d)
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
	dir, err := newListing(s.tree.List(ctx, p), []filestore.Info{self, parent})
	if err != nil {
		return raw, err
	}
	h := &handle{path: append([]byte(nil), raw...), dir: dir}
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
	h, err := s.handle(d)
	switch {
	case err != nil:
		return nil, err
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
	info, err, more := l.first, error(nil), true
	if !l.begun {
		info, err, more = l.next()
	}
	l.begun = false
	if !more {
		l.done, err = true, io.EOF
	}
	info.Name, _ = shownAs(&info)
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
