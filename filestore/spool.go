package filestore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// spool keeps dirty frames that memory has no room for, in one file without a
// name. Each is sealed under a key that dies with the process and a nonce that
// was never used before, so that a crash leaves noise (law 1, formats 8).
type spool struct {
	dir string
	max int64

	mu    sync.Mutex // guards the fields below
	file  *os.File   // nil before the first write
	aead  cipher.AEAD
	nonce uint64 // of the last write
	slots int64  // that the file has
	free  []int64

	sealed sync.Pool // of *[spoolSlot]byte
}

// room returns memory for a sealed frame.
func (s *spool) room() *[spoolSlot]byte {
	if b, ok := s.sealed.Get().(*[spoolSlot]byte); ok {
		return b
	}
	return new([spoolSlot]byte)
}

// size is the room that the file takes.
func (s *spool) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots * spoolSlot
}

// extent is one sealed frame in the spool.
type extent struct {
	slot  int64
	nonce uint64
	n     int // plaintext bytes
}

// spoolSlot is the room that one frame takes in the file.
const spoolSlot = frameSize + blockstore.TagSize

func newSpool(dir string, max int64) *spool { return &spool{dir: dir, max: max} }

// write seals a frame into the spool. NoSpace when it is full.
func (s *spool) write(frame []byte) (extent, error) {
	slot, nonce, err := s.reserve()
	if err != nil {
		return extent{}, err
	}
	x := extent{slot, nonce, len(frame)}
	room := s.room()
	defer s.sealed.Put(room)
	sealed := s.aead.Seal(room[:0], x.nonceBytes(), frame, nil)
	if _, err := s.file.WriteAt(sealed, slot*spoolSlot); err != nil {
		s.release(x)
		k := kind.Unavailable
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			k = kind.NoSpace
		}
		return extent{}, fmt.Errorf("write to the spool: %w: %w", k, err)
	}
	return x, nil
}

// read opens a frame into dst, which has room for it.
func (s *spool) read(dst []byte, x extent) ([]byte, error) {
	room := s.room()
	defer s.sealed.Put(room)
	sealed := room[:x.n+blockstore.TagSize]
	if _, err := s.file.ReadAt(sealed, x.slot*spoolSlot); err != nil {
		return nil, fmt.Errorf("read from the spool: %w: %w", kind.Unavailable, err)
	}
	plain, err := s.aead.Open(dst[:0], x.nonceBytes(), sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("read from the spool: %w", kind.Corrupt)
	}
	return plain, nil
}

func (x extent) nonceBytes() []byte {
	var b [12]byte
	binary.BigEndian.PutUint64(b[4:], x.nonce)
	return b[:]
}

func (s *spool) reserve() (slot int64, nonce uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		if err := s.begin(); err != nil {
			return 0, 0, err
		}
	}
	s.nonce++ // under one key no number is used twice
	if n := len(s.free); n > 0 {
		slot = s.free[n-1]
		s.free = s.free[:n-1]
		return slot, s.nonce, nil
	}
	if (s.slots+1)*spoolSlot > s.max {
		return 0, 0, fmt.Errorf("the spool has reached %d bytes: %w", s.max, kind.NoSpace)
	}
	s.slots++
	return s.slots - 1, s.nonce, nil
}

// release gives the room of a frame back.
func (s *spool) release(x extent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, x.slot)
	if int64(len(s.free)) == s.slots && s.file != nil {
		s.free, s.slots = s.free[:0], 0
		_ = s.file.Truncate(0) // the room on the disk; it is used again if this fails
	}
}

// begin makes the file and draws the key.
func (s *spool) begin() error {
	f, err := nameless(s.dir)
	if err != nil {
		return fmt.Errorf("make the spool: %w: %w", kind.Unavailable, err)
	}
	var key [32]byte
	rand.Read(key[:])
	block, err := aes.NewCipher(key[:])
	if err == nil {
		s.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("make the spool: %w: %w", kind.Other, err)
	}
	s.file = f
	return nil
}

// nameless opens a new file in dir that no name leads to.
func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), "spool"), nil
	}
	f, err := os.CreateTemp(dir, "truckee-spool-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (s *spool) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}
