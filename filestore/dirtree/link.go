package dirtree

import (
	"encoding/binary"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
)

// The V part of an entry (formats.md 4): what a verify key sees of it.

// Highest levels that a reference may carry (formats.md 1, 3).
const (
	maxFileLevel   = 7
	maxFrozenLevel = 7
)

// link is the V part of one entry.
//
//	u8 kind, then  1: id    2: level, Kv, id    3, 6: vk, slot id
//	7: u16 + verify cap     8: level, vk', id;  then u8 m, m x { level u8, Kv, id }
type link struct {
	kind  Kind
	level uint8
	key   []byte // 32 bytes: Kv, vk or vk'
	id    [32]byte
	text  []byte // the verify capability of a foreign entry
	more  []moreLink
}

type moreLink struct {
	level uint8
	key   []byte // Kv, zero at level 255
	id    [32]byte
}

func decodeLink(c *cursor) link {
	l := link{kind: Kind(c.u8())}
	switch l.kind {
	case EmptyFile, Symlink, Inline:
	case OneChunk:
		l.level, l.id = caps.LevelChunk, c.liveID()
	case TreeFile:
		l.level, l.key, l.id = c.u8(), c.take(32), c.liveID()
		if l.level > maxFileLevel {
			c.fail()
		}
	case Directory, MutableFile:
		l.key, l.id = c.take(32), c.liveID()
	case Foreign:
		l.text = c.bytes16()
	case FrozenDir:
		l.level, l.key, l.id = c.u8(), c.take(32), c.id()
		if l.level > maxFrozenLevel || l.id == [32]byte{} && l.level != 0 {
			c.fail()
		}
	default:
		c.fail()
	}
	m := int(c.u8())
	if m > 0 && !c.bad {
		l.more = decodeMore(c, m)
	}
	return l
}

func decodeMore(c *cursor, m int) []moreLink {
	if len(c.b) < m*(1+32+32) {
		c.fail()
		return nil
	}
	more := make([]moreLink, m)
	for i := range more {
		more[i] = moreLink{level: c.u8(), key: c.take(32), id: c.liveID()}
		chunk := more[i].level == caps.LevelChunk
		if c.bad || !chunk && more[i].level > maxFileLevel || chunk && [32]byte(more[i].key) != [32]byte{} {
			c.fail()
			return nil
		}
	}
	return more
}

// appendV appends the V part of e, computed from its keys.
func appendV(b []byte, e *Entry) []byte {
	b = append(b, byte(e.Kind))
	switch e.Kind {
	case OneChunk:
		b = append(b, e.File.ID[:]...)
	case TreeFile:
		b = appendVerifyRef(b, e.File)
	case Directory, MutableFile:
		id := e.Dir.ID()
		b = append(b, e.Dir.Verify().VerifyKey().Raw()[:]...)
		b = append(b, id[:]...)
	case Foreign:
		b = appendText(b, e.Foreign.verify())
	case FrozenDir:
		v := e.Frozen.Verify()
		b = append(b, v.Level)
		b = append(b, v.Key.Raw()[:]...)
		b = append(b, v.Root[:]...)
	}
	b = append(b, byte(len(e.More)))
	for _, ref := range e.More {
		b = appendVerifyRef(b, ref)
	}
	return b
}

func appendVerifyRef(b []byte, ref filetree.Ref) []byte {
	b = append(b, ref.Level)
	b = appendKey(b, ref.Verify().Key)
	return append(b, ref.ID[:]...)
}

// appendKey appends the 32 bytes of k, zeros for the zero Key.
func appendKey(b []byte, k caps.Key) []byte {
	if raw := k.Raw(); raw != nil {
		return append(b, raw[:]...)
	}
	return append(b, make([]byte, 32)...)
}

// stillUnknown reports whether u comes back as it is when the entry is read.
// Not so the text of a known type that was refused once, as malformed or as
// more than its prefix claims: it must not be linked (caps.ParseChild).
func stillUnknown(u caps.Unknown) bool {
	c, err := caps.ParseChild(u.Reveal(), false)
	return err == nil && c.Authority() == caps.AuthorityNone
}

// appendText appends the text of a capability with its length, none for nil.
func appendText(b []byte, c caps.Cap) []byte {
	var text string
	if c != nil {
		text = c.Reveal()
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}
