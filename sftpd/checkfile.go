package sftpd

import (
	"context"
	"fmt"
	"hash"
	"io"
	"math"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// The check-file extensions hash a range of a file at the server
// (filexfer-13, section 9.1.2). A request holds
//
//	string  handle or name
//	string  hash algorithms, with commas, the preferred one first
//	uint64  offset
//	uint64  length       0: to the end
//	uint32  block size   0: one hash of all; else one of each block
//
// and its EXTENDED_REPLY the name of the hash and the hashes, one after another.
// paramiko calls the one on handles check-file, and has this name repeated at
// the beginning of the reply.

// leastHashBlock is the smallest block size that the draft allows.
const leastHashBlock = 256

// check is a check-file request.
type check struct {
	reply  []byte // its beginning
	start  int    // where the packet begins in it
	digest hash.Hash
	off, n int64
	block  uint32
}

func (s *session) checkFile(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	return s.checkHandle(ctx, id, d, wire.ExtCheckFile)
}

func (s *session) checkFileHandle(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	return s.checkHandle(ctx, id, d, "")
}

func (s *session) checkHandle(ctx context.Context, id uint32, d *wire.Decoder, name string) ([]byte, error) {
	h, err := s.fileHandle(d)
	if err != nil {
		return nil, err
	}
	c, err := newCheck(id, d, name)
	if err != nil {
		return h.path, err
	}
	f := h.file
	s.fly(ctx, wire.Extended, id, &flight{what: h.path, handles: [2]*handle{h}},
		s.heavy(func(ctx context.Context) ([]byte, error) { return c.run(ctx, f) }))
	return h.path, nil
}

func (s *session) checkFileName(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	raw, p, err := s.onePath(ctx, d)
	if err != nil {
		return raw, err
	}
	c, err := newCheck(id, d, "")
	if err != nil {
		return raw, err
	}
	f, err := s.tree.Open(ctx, p, filestore.OpenOptions{Read: true})
	if err != nil {
		return raw, err
	}
	s.fly(ctx, wire.Extended, id, &flight{what: []byte(string(raw))},
		s.heavy(func(ctx context.Context) ([]byte, error) {
			defer f.Discard()
			reply, err := c.run(ctx, f)
			if err == nil {
				err = f.Close(ctx)
			}
			return reply, err
		}))
	return raw, nil
}

func newCheck(id uint32, d *wire.Decoder, name string) (*check, error) {
	algorithms, off, n := string(d.Bytes()), d.Uint64(), d.Uint64()
	c := &check{block: d.Uint32()}
	switch {
	case d.Bad():
		return nil, errBadFields
	case off > math.MaxInt64 || c.block > 0 && c.block < leastHashBlock:
		return nil, fmt.Errorf("hash from %d by blocks of %d: %w", off, c.block, kind.Invalid)
	}
	c.off, c.n = int64(off), math.MaxInt64-int64(off)
	if n > 0 {
		c.n = int64(min(n, uint64(c.n)))
	}
	canonical := ""
	for a := range strings.SplitSeq(algorithms, ",") {
		if c.digest, canonical = newDigest(a); c.digest != nil {
			break
		}
	}
	if c.digest == nil {
		return nil, fmt.Errorf("hash algorithms %.64q: %w", algorithms, kind.Unsupported)
	}
	c.reply, c.start = wire.Begin(nil, wire.ExtendedReply, id)
	if name != "" {
		c.reply = wire.AppendString(c.reply, name)
	}
	c.reply = wire.AppendString(c.reply, canonical)
	return c, nil
}

// run hashes, and gives the whole reply. The number of hashes is bounded by
// what a packet holds.
func (c *check) run(ctx context.Context, f file) ([]byte, error) {
	info, err := f.Stat(ctx)
	if err != nil {
		return nil, err
	}
	c.n = min(c.n, info.Size-c.off)
	if c.n < 0 {
		return nil, fmt.Errorf("hash from %d of %d bytes: %w", c.off, info.Size, io.EOF)
	}
	block := c.n
	if c.block > 0 {
		block = int64(c.block)
	}
	if block > 0 && (c.n-1)/block >= int64(wire.MaxData/c.digest.Size()) {
		return nil, fmt.Errorf("%d bytes hashed by blocks of %d: %w", c.n, block, kind.TooLarge)
	}
	buf := make([]byte, digestBuffer)
	r := &section{ctx: ctx, f: f, off: c.off}
	for first := true; first || c.n > 0; first = false {
		c.digest.Reset()
		r.n = min(block, c.n)
		c.n -= r.n
		if _, err := io.CopyBuffer(c.digest, onlyReader{r}, buf); err != nil {
			return nil, err
		}
		c.reply = c.digest.Sum(c.reply)
	}
	return wire.Finish(c.reply, c.start), nil
}
