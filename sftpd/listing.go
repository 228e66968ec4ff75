package sftpd

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

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

// listing is an open directory.
type listing struct {
	next func() (filestore.Info, error, bool)
	stop func()
	dots []filestore.Info // "." and "..", still to be sent
	done bool

	first filestore.Info // the first entry after them
	begun bool           // first is still to be sent

	readOnly bool // the directory can't be changed
}

// newListing begins to list; dots are what "." and ".." are. What can't be listed
// at all is an error here.
func newListing(seq iter.Seq2[filestore.Info, error], dots []filestore.Info) (*listing, error) {
	l := &listing{dots: dots, readOnly: dots[0].ReadOnly}
	l.next, l.stop = iter.Pull2(seq)
	var err error
	var more bool
	l.first, err, more = l.next()
	if err != nil {
		l.stop()
		return nil, err
	}
	l.begun, l.done = more, !more
	return l, nil
}
