package dirtree

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// RecordSize is the length of a slot record (formats.md 5):
//
//	0 4 "TkS1"   4 1 suite   5 1 type   6 2 flags   8 32 pub   40 8 version
//	48 8 time   56 32 prev   88 32 root id   120 32 history root id
//	152 1 root level   153 1 history level   154 2 zero   156 4 epoch
//	160 16 salt
//	176 80 SEAL(KDF(rk, "slot", salt+version), bytes 0..175, attrs[64])
//	256 64 Ed25519 over "truckee/1/slot-sig" + 0x00 + bytes 0..255
const RecordSize = 320

const (
	slotSalt  = 160
	slotAttrs = 176
	slotSig   = 256

	flagTombstone = 1
	sigLabel      = "truckee/1/slot-sig\x00"
)

// SlotState is what a slot record says to a reader of the directory.
type SlotState struct {
	Root      Root // zero: empty
	History   Root // zero: none
	Epoch     uint32
	Version   uint64 // from 1
	Time      int64  // unix nanoseconds, informative
	Tombstone bool   // the slot is removed for ever; Root and History are zero
	Prev      [32]byte

	// Sealed in the record.
	Entries uint64 // of the directory
	Bytes   uint64 // of its own files
	Mtime   int64  // unix nanoseconds
	Ctime   int64  // unix nanoseconds
	Home    [32]byte
}

// PublicState is what a slot record says without any key.
type PublicState struct {
	Type      caps.SlotType
	PublicKey [32]byte
	Root      Root
	History   Root
	Epoch     uint32
	Version   uint64
	Time      int64 // unix nanoseconds
	Tombstone bool
	Prev      [32]byte // H(previous record), zero for version 1
}

// RecordHash is H over a whole record: the prev of its successor.
func RecordHash(rec []byte) [32]byte { return sha256.Sum256(rec) }

// SealSlot makes a record of s, with a fresh salt, signed by w. A state that no
// record can have is Invalid.
func SealSlot(w caps.SlotWrite, s SlotState) ([]byte, error) {
	var salt [16]byte
	rand.Read(salt[:]) // never fails
	return sealSlotWith(w, s, salt)
}

func sealSlotWith(w caps.SlotWrite, s SlotState, salt [16]byte) ([]byte, error) {
	if w.IsZero() {
		return nil, fmt.Errorf("dirtree: seal slot: %w", kind.ReadOnly)
	}
	p := PublicState{
		Type: w.Type(), PublicKey: w.PublicKey(), Root: s.Root, History: s.History,
		Epoch: s.Epoch, Version: s.Version, Time: s.Time, Tombstone: s.Tombstone, Prev: s.Prev,
	}
	if !p.valid() {
		return nil, fmt.Errorf("dirtree: seal slot: %w", kind.Invalid)
	}
	rec := p.append(make([]byte, 0, RecordSize))
	rec = append(rec, salt[:]...)
	rec = aead(slotKey(w.Read().ReadKey(), rec)).Seal(rec, make([]byte, 12), s.attrs(), rec)
	sig := w.Sign(append([]byte(sigLabel), rec...))
	return append(rec, sig[:]...), nil
}

// slotKey is the key of a record's sealed part.
func slotKey(rk caps.Key, rec []byte) caps.Key {
	return rk.Derive("slot", rec[slotSalt:slotAttrs], rec[40:48])
}

// OpenSlot verifies a record as VerifySlot does and opens it. A record of
// another slot, or one that rk doesn't open, is Corrupt.
func OpenSlot(r caps.SlotRead, rec []byte) (SlotState, error) {
	if _, err := VerifySlot(r.ID(), rec); err != nil {
		return SlotState{}, err
	}
	return OpenTrusted(r, rec)
}

// OpenTrusted is OpenSlot without the verification of the signature, which is
// most of its cost. It is for records whose hash (RecordHash) the caller has
// got from OpenSlot or VerifySlot of the same slot before, or from SealSlot:
// anything else may be forged by every reader of the directory.
func OpenTrusted(r caps.SlotRead, rec []byte) (SlotState, error) {
	p, err := parseSlot(r.ID(), rec)
	if err != nil {
		return SlotState{}, err
	}
	if p.Type != r.Type() || r.ReadKey().Raw() == nil {
		return SlotState{}, slotError(r.ID(), "of another type")
	}
	attrs, err := aead(slotKey(r.ReadKey(), rec)).Open(nil, make([]byte, 12), rec[slotAttrs:slotSig], rec[:slotAttrs])
	if err != nil {
		return SlotState{}, slotError(r.ID(), "does not open under its key")
	}
	s := SlotState{
		Root: p.Root, History: p.History, Epoch: p.Epoch, Version: p.Version,
		Time: p.Time, Tombstone: p.Tombstone, Prev: p.Prev,
	}
	s.setAttrs(attrs)
	return s, nil
}

// VerifySlot checks without a key that rec is a record of the slot with that
// id: its layout, that the id follows from its type and public key, and the
// signature. Corrupt otherwise. It says nothing about freshness: whether a record
// follows another one (formats 5) is for who knows that one to see.
func VerifySlot(id [32]byte, rec []byte) (PublicState, error) {
	p, err := parseSlot(id, rec)
	if err != nil {
		return PublicState{}, err
	}
	msg := append([]byte(sigLabel), rec[:slotSig]...)
	if !ed25519.Verify(p.PublicKey[:], msg, rec[slotSig:]) {
		return PublicState{}, slotError(id, "has a bad signature")
	}
	return p, nil
}

func slotError(id [32]byte, what string) error {
	return fmt.Errorf("dirtree: record of slot %x %s: %w", id, what, kind.Corrupt)
}

// parseSlot checks all of a record but its signature.
func parseSlot(id [32]byte, rec []byte) (PublicState, error) {
	p, ok := decodeSlot(rec)
	if !ok {
		return p, slotError(id, "is malformed")
	}
	if caps.SlotIDOf(p.Type, p.PublicKey) != id {
		return p, slotError(id, "belongs to another slot")
	}
	return p, nil
}

// decodeSlot reads bytes 0 to 159. It is strict: append gives the same bytes.
func decodeSlot(rec []byte) (p PublicState, ok bool) {
	if len(rec) != RecordSize || string(rec[:4]) != "TkS1" || rec[4] != 1 {
		return p, false
	}
	c := cursor{b: rec[5:slotSalt]}
	p.Type = caps.SlotType(c.u8())
	flags := c.u16()
	p.Tombstone = flags == flagTombstone
	p.PublicKey = c.id()
	p.Version = c.u64()
	p.Time = int64(c.u64())
	p.Prev = c.id()
	p.Root.ID, p.History.ID = c.id(), c.id()
	p.Root.Level, p.History.Level = c.u8(), c.u8()
	zero := c.u16()
	p.Epoch = c.u32()
	return p, flags&^flagTombstone == 0 && zero == 0 && c.done() && p.valid()
}

// valid reports whether the fields go together.
func (p PublicState) valid() bool {
	r, h := p.Root, p.History
	switch {
	case p.Type != caps.SlotDirectory && p.Type != caps.SlotFile,
		p.Version == 0, (p.Version == 1) != (p.Prev == [32]byte{}),
		p.Tombstone && !(r.IsZero() && h.IsZero()),
		r.IsZero() && r.Level != 0, h.IsZero() && h.Level != 0,
		r.Level > maxLevel, h.Level > maxLevel,
		p.Type == caps.SlotFile && r.Level != 0:
		return false
	}
	return true
}

// append appends bytes 0 to 159.
func (p PublicState) append(b []byte) []byte {
	var flags uint16
	if p.Tombstone {
		flags = flagTombstone
	}
	b = append(b, "TkS1"...)
	b = append(b, 1, byte(p.Type))
	b = binary.BigEndian.AppendUint16(b, flags)
	b = append(b, p.PublicKey[:]...)
	b = binary.BigEndian.AppendUint64(b, p.Version)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Time))
	b = append(b, p.Prev[:]...)
	b = append(b, p.Root.ID[:]...)
	b = append(b, p.History.ID[:]...)
	b = append(b, p.Root.Level, p.History.Level, 0, 0)
	return binary.BigEndian.AppendUint32(b, p.Epoch)
}

// attrs are the 64 bytes that only readers see: u64 entries, u64 bytes, i64
// mtime, i64 ctime, home link[32].
func (s *SlotState) attrs() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 64), s.Entries)
	b = binary.BigEndian.AppendUint64(b, s.Bytes)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Mtime))
	b = binary.BigEndian.AppendUint64(b, uint64(s.Ctime))
	return append(b, s.Home[:]...)
}

func (s *SlotState) setAttrs(b []byte) {
	c := cursor{b: b}
	s.Entries, s.Bytes = c.u64(), c.u64()
	s.Mtime, s.Ctime = int64(c.u64()), int64(c.u64())
	s.Home = c.id()
}
