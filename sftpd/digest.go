package sftpd

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"strings"
)

// digestBuffer is how much of a file is read at a time to be hashed or copied.
const digestBuffer = 256 << 10

// newDigest makes a hash by its name in filexfer-13, section 9.1.2, or its name
// in IANA's registry ("sha-1"); nil if it is not known. MD5 and SHA-1 are what
// clients compare transfers by, and protect nothing here.
func newDigest(name string) (h hash.Hash, canonical string) {
	canonical = strings.ReplaceAll(strings.ToLower(name), "-", "")
	switch canonical {
	case "md5":
		h = md5.New()
	case "sha1":
		h = sha1.New()
	case "sha224":
		h = sha256.New224()
	case "sha256":
		h = sha256.New()
	case "sha384":
		h = sha512.New384()
	case "sha512":
		h = sha512.New()
	case "crc32":
		h = crc32.NewIEEE()
	}
	return h, canonical
}

// section reads a file from off on, at most n bytes, for io.Copy and its like.
type section struct {
	ctx context.Context
	f   file
	off int64
	n   int64
}

// toEnd is the section of f from off to the end.
func toEnd(ctx context.Context, f file, off int64) *section {
	return &section{ctx, f, off, math.MaxInt64 - off}
}

func (s *section) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if s.n <= 0 {
		return 0, io.EOF
	}
	n, err := s.f.ReadAt(s.ctx, b[:min(int64(len(b)), s.n)], s.off)
	s.off += int64(n)
	s.n -= int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
