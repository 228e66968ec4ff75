package dirtree

import (
	"encoding/binary"

	"github.com/truckee-fs/truckee/caps"
)

// cursor consumes a section from its front. Whatever doesn't fit sets bad, and
// from then on everything reads as zero, so that a decoder asks once, at its
// end. Slices that it returns are parts of the section.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) fail() { c.b, c.bad = nil, true }

// done reports whether everything was consumed, exactly.
func (c *cursor) done() bool { return !c.bad && len(c.b) == 0 }

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.fail()
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) u8() uint8 {
	if p := c.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if p := c.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if p := c.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if p := c.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// uvarint reads a minimal uvarint of at most limit.
func (c *cursor) uvarint(limit uint64) uint64 {
	x, n := binary.Uvarint(c.b)
	if n <= 0 || n > 1 && c.b[n-1] == 0 || x > limit {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return x
}

func (c *cursor) bytes16() []byte { return c.take(int(c.u16())) }

func (c *cursor) id() (id [32]byte) {
	copy(id[:], c.take(32))
	return id
}

// liveID reads an id that can't be zero.
func (c *cursor) liveID() [32]byte {
	id := c.id()
	if id == [32]byte{} {
		c.fail()
	}
	return id
}

// key reads a key, which lies in memory of its own.
func (c *cursor) key() caps.Key { return caps.KeyOf(c.id()) }
