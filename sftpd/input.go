package sftpd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

const (
	// maxInput holds two of the largest packets, so that one is whole while
	// the next arrives.
	maxInput = 2 * (wire.LengthSize + wire.MaxPacket)
	// maxSkip is the longest packet that is skipped and answered BAD_MESSAGE;
	// what names a longer one is not speaking SFTP, and its session ends.
	maxSkip = 16 << 20
)

// next returns the next packet without its length field; it is valid until
// the following call. Replies are flushed before it blocks. A packet of an
// impossible length is refused here, before anything is allocated for it.
func (s *session) next() ([]byte, error) {
	for {
		if err := s.fill(wire.LengthSize); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(s.in[s.r:])
		switch {
		case n < 1 || n > maxSkip:
			return nil, fmt.Errorf("packet of %d bytes: %w", n, kind.Invalid)
		case n > wire.MaxPacket:
			if err := s.skip(int(n)); err != nil {
				return nil, noEOF(err)
			}
			continue
		}
		whole := wire.LengthSize + int(n)
		if err := s.fill(whole); err != nil {
			return nil, noEOF(err)
		}
		p := s.in[s.r+wire.LengthSize : s.r+whole]
		s.r += whole
		return p, nil
	}
}

// fill makes at least n bytes from s.r on available.
func (s *session) fill(n int) error {
	for s.w-s.r < n {
		s.depart()
		s.flush()
		s.makeRoom(n)
		got, err := s.rw.Read(s.in[s.w:])
		s.w += got
		if err != nil && s.w-s.r < n {
			if s.w > s.r {
				err = noEOF(err)
			}
			return err
		}
	}
	return nil
}

// makeRoom gives the input buffer space for n bytes from s.r on and for some
// more. It grows in step with what clients send, up to maxInput.
func (s *session) makeRoom(n int) {
	if s.r == s.w {
		s.r, s.w = 0, 0
	}
	switch {
	case n > len(s.in), s.w == len(s.in) && s.r == 0:
		grown := make([]byte, min(max(2*len(s.in), 2*n), maxInput))
		s.w = copy(grown, s.in[s.r:s.w])
		s.in, s.r = grown, 0
	case s.r+n > len(s.in) || s.w == len(s.in):
		s.w = copy(s.in, s.in[s.r:s.w])
		s.r = 0
	}
}

// noEOF tells a connection that ended within a packet from one that ended.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// skip answers a packet of n bytes, which is too many, with BAD_MESSAGE, and
// reads past it in the buffer that is there.
func (s *session) skip(n int) error {
	if err := s.fill(wire.LengthSize + wire.HeaderSize); err != nil {
		return err
	}
	id := binary.BigEndian.Uint32(s.in[s.r+wire.LengthSize+1:])
	for left := wire.LengthSize + n; left > 0; {
		if err := s.fill(1); err != nil {
			return err
		}
		k := min(left, s.w-s.r)
		s.r += k
		left -= k
	}
	s.out = wire.AppendStatus(s.out, id, wire.BadMessage, kind.TooLarge.Error())
	return nil
}
