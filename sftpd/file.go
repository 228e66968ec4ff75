package sftpd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// Modes of what a client creates without naming one, before the umask.
const (
	defaultFileMode = 0o666
	defaultDirMode  = 0o777
)

var (
	errBadHandle = fmt.Errorf("no such handle: %w", kind.Closed)
	errNotFile   = fmt.Errorf("handle of a directory: %w", kind.Closed)
)

// handle reads a handle field, and waits for what uses the handle.
func (s *session) handle(d *wire.Decoder) (*handle, error) {
	h := s.handles.get(d.Bytes())
	switch {
	case d.Bad():
		return nil, errBadFields
	case h == nil:
		return nil, errBadHandle
	}
	s.requested = h
	s.settleHandle(h)
	return h, nil
}

// fileHandle reads a handle field that must name an open file.
func (s *session) fileHandle(d *wire.Decoder) (*handle, error) {
	h, err := s.handle(d)
	if err == nil && h.file == nil {
		return nil, errNotFile
	}
	return h, err
}

// paths are where a commit of the handle's file may change something.
func (h *handle) paths() []filestore.Path { return []filestore.Path{h.at} }

// open answers OPEN: filename, pflags, attrs. Without any access flag it
// opens for reading, as OpenSSH does. EXCL without CREAT means nothing; TRUNC
// without CREAT cuts a file that exists.
func (s *session) open(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	raw, flags, attrs := d.Bytes(), d.Uint32(), d.Attrs()
	if d.Bad() {
		return raw, errBadFields
	}
	if len(raw) == 0 {
		return raw, fmt.Errorf("open of an empty name: %w", kind.NotExist)
	}
	p, err := s.name(ctx, raw)
	if err != nil {
		return raw, err
	}
	if slashed(raw) {
		if flags&wire.FlagCreate != 0 {
			return raw, fmt.Errorf("create with a slash behind the name: %w", kind.IsDir)
		}
		if err := s.isDir(ctx, p); err != nil {
			return raw, err
		}
	}
	o := filestore.OpenOptions{
		Write:     flags&wire.FlagWrite != 0,
		Create:    flags&wire.FlagCreate != 0,
		Exclusive: flags&wire.FlagExcl != 0 && flags&wire.FlagCreate != 0,
		Truncate:  flags&wire.FlagTrunc != 0,
		Append:    flags&wire.FlagAppend != 0,
		Attr:      s.createAttr(&attrs, defaultFileMode),
	}
	o.Read = flags&wire.FlagRead != 0 || !o.Write
	o.Append = o.Append && o.Write
	f, err := s.openFile(ctx, p, o)
	if err != nil {
		return raw, err
	}
	if o.Append {
		whole := f
		f = newAppending(ctx, f, func(ctx context.Context) (file, error) {
			return openPart(ctx, s.tree, whole, p, filestore.OpenOptions{Write: true})
		})
	}
	h := &handle{path: slices.Clone(raw), file: f, at: p, writes: o.Write}
	if err := s.handles.add(h); err != nil {
		f.Discard()
		return raw, err
	}
	s.out = wire.AppendHandle(s.out, id, h.wire[:])
	return raw, nil
}

// openFile opens for reading, too, what READ|CREAT creates: the filestore
// creates only what is opened for writing.
func (s *session) openFile(ctx context.Context, p filestore.Path, o filestore.OpenOptions) (file, error) {
	if o.Write {
		return s.tree.Open(ctx, p, o)
	}
	if o.Truncate {
		return nil, fmt.Errorf("TRUNC without WRITE: %w", kind.Invalid)
	}
	if o.Create {
		if err := s.createEmpty(ctx, p, o); err != nil {
			return nil, err
		}
	}
	return s.tree.Open(ctx, p, filestore.OpenOptions{Read: true})
}

// createEmpty makes the file unless it is there, in which case it is an error
// only for an exclusive o.
func (s *session) createEmpty(ctx context.Context, p filestore.Path, o filestore.OpenOptions) error {
	if !o.Exclusive {
		if _, err := s.tree.Stat(ctx, p); kind.Of(err) != kind.NotExist {
			return err
		}
	}
	f, err := s.tree.Open(ctx, p, filestore.OpenOptions{
		Write: true, Create: true, Exclusive: o.Exclusive, Attr: o.Attr,
	})
	if err != nil {
		return err
	}
	return f.Close(ctx)
}

// close answers CLOSE. For a file it commits: the reply follows durability,
// and an error means that the new contents are not there.
func (s *session) close(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	h, err := s.handle(d)
	if err != nil {
		return nil, err
	}
	f, dir := h.file, h.dir
	s.handles.remove(h)
	switch {
	case dir != nil:
		dir.stop()
	case h.writes:
		files := s.handles.files
		files.Add(1) // the file is open until it is committed
		s.fly(ctx, wire.Close, id, &flight{what: h.path, paths: h.paths(), handles: [2]*handle{h}},
			func(ctx context.Context) ([]byte, error) {
				defer files.Add(-1)
				return nil, f.Close(ctx)
			})
		return h.path, nil
	default:
		if err := f.Close(ctx); err != nil {
			return h.path, err
		}
	}
	s.ok(id)
	return h.path, nil
}

// dataHeader is what comes before the data in a DATA reply: length, type,
// request id and the data's own length.
const dataHeader = wire.LengthSize + wire.HeaderSize + 4

// read answers READ: handle, offset, length. The data is read to where it is
// sent from. It is short only at the end of the file, or beyond MaxData.
func (s *session) read(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	h, err := s.fileHandle(d)
	if err != nil {
		return nil, err
	}
	off, n := d.Uint64(), int(min(d.Uint32(), wire.MaxData))
	if d.Bad() {
		return h.path, errBadFields
	}
	if off > math.MaxInt64-wire.MaxData {
		return h.path, io.EOF
	}
	start := len(s.out)
	s.out = slices.Grow(s.out, dataHeader+n)[:start+dataHeader+n]
	got, err := h.file.ReadAt(ctx, s.out[start+dataHeader:], int64(off))
	if err != nil && !errors.Is(err, io.EOF) {
		return h.path, err
	}
	if got == 0 && (err != nil || n > 0) {
		return h.path, io.EOF
	}
	s.tally.gave(got)
	s.out = s.out[:start+dataHeader+got]
	head := s.out[start : start+dataHeader]
	binary.BigEndian.PutUint32(head, uint32(dataHeader-wire.LengthSize+got))
	head[4] = byte(wire.DataReply)
	binary.BigEndian.PutUint32(head[5:], id)
	binary.BigEndian.PutUint32(head[9:], uint32(got))
	return h.path, nil
}

// write answers WRITE: handle, offset, data. The data goes from the input
// buffer to the file's draft, whatever the order of the offsets.
func (s *session) write(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	h, err := s.fileHandle(d)
	if err != nil {
		return nil, err
	}
	off, data := d.Uint64(), d.Bytes()
	if d.Bad() {
		return h.path, errBadFields
	}
	if off > math.MaxInt64-uint64(len(data)) {
		return h.path, fmt.Errorf("write at %d: %w", off, kind.TooLarge)
	}
	if _, err := h.file.WriteAt(ctx, data, int64(off)); err != nil {
		return h.path, err
	}
	s.tally.took(len(data))
	s.ok(id)
	return h.path, nil
}

func (s *session) fstat(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	h, err := s.fileHandle(d)
	if err != nil {
		return nil, err
	}
	info, err := h.file.Stat(ctx)
	if err != nil {
		return h.path, err
	}
	a := wireAttrs(&info)
	s.out = wire.AppendAttrsReply(s.out, id, &a)
	return h.path, nil
}

func (s *session) fsetstat(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	h, err := s.fileHandle(d)
	if err != nil {
		return nil, err
	}
	attrs := d.Attrs()
	if d.Bad() {
		return h.path, errBadFields
	}
	a, err := storeAttr(&attrs)
	if err != nil {
		return h.path, err
	}
	if a.Set != 0 {
		if err := h.file.SetAttr(ctx, a); err != nil {
			return h.path, err
		}
	}
	s.ok(id)
	return h.path, nil
}
