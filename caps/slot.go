package caps

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// SlotType is the type byte of a slot: what its record points to. It is part
// of the slot id, so a slot never changes its type.
type SlotType byte

// The types of slots (formats.md 5).
const (
	SlotDirectory SlotType = 1
	SlotFile      SlotType = 4
)

// String names the type.
func (t SlotType) String() string {
	switch t {
	case SlotDirectory:
		return "directory"
	case SlotFile:
		return "mutable file"
	}
	return "unknown slot type"
}

// labels returns the words that the type's derivations and texts begin with.
// A type that isn't listed above is a caller's mistake, since no format lets a
// stored byte choose it.
func (t SlotType) labels() (kdf, text string) {
	switch t {
	case SlotDirectory:
		return "dir-", "DIR3"
	case SlotFile:
		return "mut-", "MUT3"
	}
	panic("caps: unknown slot type")
}

// SlotIDOf computes the id of the slot that the holder of pub's private key
// writes: SHA-256 of "truckee/1/slot-id", 0x00, the type byte and pub. It
// takes any type byte, so that records from outside can be checked.
func SlotIDOf(t SlotType, pub [32]byte) SlotID {
	var msg [len(slotIDLabel) + 2 + len(pub)]byte
	n := copy(msg[:], slotIDLabel)
	msg[n+1] = byte(t)
	copy(msg[n+2:], pub[:])
	return sha256.Sum256(msg[:])
}

const slotIDLabel = "truckee/1/slot-id"

// SlotWrite is the write authority over one slot: a 256-bit seed, and
// everything that follows from it (formats.md 1). What follows is computed at
// the first use and kept; copies share it. The zero SlotWrite is none: it has
// no key and can't sign.
type SlotWrite struct {
	_ [0]func()

	seeded *slotWrite
}

type slotWrite struct {
	slotType SlotType
	seed     Key

	once sync.Once // computes the fields below
	wk   Key
	sign ed25519.PrivateKey
	weak *slotRead
}

// NewSlotWrite returns the write authority that seed gives. It panics if t is
// none of the types.
func NewSlotWrite(t SlotType, seed Key) SlotWrite {
	t.labels()
	return SlotWrite{seeded: &slotWrite{slotType: t, seed: seed}}
}

func (w *slotWrite) derived() *slotWrite {
	w.once.Do(func() {
		label, _ := w.slotType.labels()
		w.wk = w.seed.Derive(label + "write")
		w.sign = ed25519.NewKeyFromSeed(w.seed.Derive(label + "sign").bytes[:])
		id := SlotIDOf(w.slotType, [32]byte(w.sign[32:]))
		w.weak = &slotRead{slotType: w.slotType, id: id, rk: w.seed.Derive(label + "read")}
	})
	return w
}

// IsZero reports whether w is the zero SlotWrite.
func (w SlotWrite) IsZero() bool { return w.seeded == nil }

// Type returns the slot's type; 0 for the zero SlotWrite.
func (w SlotWrite) Type() SlotType {
	if w.seeded == nil {
		return 0
	}
	return w.seeded.slotType
}

// ID returns the slot's id.
func (w SlotWrite) ID() SlotID { return w.Read().ID() }

// Seed returns the seed itself, which a directory seals for its child.
func (w SlotWrite) Seed() Key {
	if w.seeded == nil {
		return Key{}
	}
	return w.seeded.seed
}

// WriteKey returns wk, the key of what only writers read.
func (w SlotWrite) WriteKey() Key {
	if w.seeded == nil {
		return Key{}
	}
	return w.seeded.derived().wk
}

// PublicKey returns the Ed25519 key that the slot's records are verified by.
func (w SlotWrite) PublicKey() [32]byte {
	if w.seeded == nil {
		return [32]byte{}
	}
	return [32]byte(w.seeded.derived().sign[32:])
}

// Sign returns the Ed25519 signature (RFC 8032) of msg, which begins with a
// label of its own (formats.md 5). It panics for the zero SlotWrite.
func (w SlotWrite) Sign(msg []byte) [64]byte {
	return [64]byte(ed25519.Sign(w.seeded.derived().sign, msg))
}

// Read weakens w.
func (w SlotWrite) Read() SlotRead {
	if w.seeded == nil {
		return SlotRead{}
	}
	return SlotRead{reader: w.seeded.derived().weak}
}

// SlotRead is the read authority over one slot (formats.md 1). The zero
// SlotRead is none.
type SlotRead struct {
	_ [0]func()

	reader *slotRead
}

type slotRead struct {
	slotType SlotType
	id       SlotID
	rk       Key

	once sync.Once // computes the field below
	weak *slotVerify
}

// NewSlotRead returns the read authority made of rk and id. Whether they
// belong together shows when a record is opened. It panics if t is none of
// the types.
func NewSlotRead(t SlotType, rk Key, id SlotID) SlotRead {
	t.labels()
	return SlotRead{reader: &slotRead{slotType: t, id: id, rk: rk}}
}

func (r *slotRead) weakened() *slotVerify {
	r.once.Do(func() {
		label, _ := r.slotType.labels()
		r.weak = &slotVerify{slotType: r.slotType, id: r.id, vk: r.rk.Derive(label + "verify")}
	})
	return r.weak
}

// IsZero reports whether r is the zero SlotRead.
func (r SlotRead) IsZero() bool { return r.reader == nil }

// Type returns the slot's type; 0 for the zero SlotRead.
func (r SlotRead) Type() SlotType {
	if r.reader == nil {
		return 0
	}
	return r.reader.slotType
}

// ID returns the slot's id.
func (r SlotRead) ID() SlotID {
	if r.reader == nil {
		return SlotID{}
	}
	return r.reader.id
}

// ReadKey returns rk.
func (r SlotRead) ReadKey() Key {
	if r.reader == nil {
		return Key{}
	}
	return r.reader.rk
}

// Equal reports, in constant time for the keys, whether both are the same
// authority over the same slot.
func (r SlotRead) Equal(o SlotRead) bool {
	return sameSlot(r.Type(), o.Type(), r.ID(), o.ID()) && r.ReadKey().Equal(o.ReadKey())
}

// Verify weakens r.
func (r SlotRead) Verify() SlotVerify {
	if r.reader == nil {
		return SlotVerify{}
	}
	return SlotVerify{verifier: r.reader.weakened()}
}

// SlotVerify is the authority to walk, check, repair and mark what one slot
// holds, without reading names or data (formats.md 1). The zero SlotVerify is
// none.
type SlotVerify struct {
	_ [0]func()

	verifier *slotVerify
}

type slotVerify struct {
	slotType SlotType
	id       SlotID
	vk       Key
}

// NewSlotVerify returns the verify authority made of vk and id. It panics if t
// is none of the types.
func NewSlotVerify(t SlotType, vk Key, id SlotID) SlotVerify {
	t.labels()
	return SlotVerify{verifier: &slotVerify{slotType: t, id: id, vk: vk}}
}

// IsZero reports whether v is the zero SlotVerify.
func (v SlotVerify) IsZero() bool { return v.verifier == nil }

// Type returns the slot's type; 0 for the zero SlotVerify.
func (v SlotVerify) Type() SlotType {
	if v.verifier == nil {
		return 0
	}
	return v.verifier.slotType
}

// ID returns the slot's id.
func (v SlotVerify) ID() SlotID {
	if v.verifier == nil {
		return SlotID{}
	}
	return v.verifier.id
}

// VerifyKey returns vk.
func (v SlotVerify) VerifyKey() Key {
	if v.verifier == nil {
		return Key{}
	}
	return v.verifier.vk
}

// Equal reports, in constant time for the keys, whether both are the same
// authority over the same slot.
func (v SlotVerify) Equal(o SlotVerify) bool {
	return sameSlot(v.Type(), o.Type(), v.ID(), o.ID()) && v.VerifyKey().Equal(o.VerifyKey())
}

func sameSlot(s, t SlotType, a, b SlotID) bool {
	return s == t && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Format prints the slot's public name only, whatever the verb.
func (w SlotWrite) Format(s fmt.State, _ rune) { io.WriteString(s, OfSlotWrite(w).redacted()) }

// LogValue logs the slot's public name only.
func (w SlotWrite) LogValue() slog.Value { return slog.StringValue(OfSlotWrite(w).redacted()) }

// Format prints the slot's public name only, whatever the verb.
func (r SlotRead) Format(s fmt.State, _ rune) { io.WriteString(s, OfSlotRead(r).redacted()) }

// LogValue logs the slot's public name only.
func (r SlotRead) LogValue() slog.Value { return slog.StringValue(OfSlotRead(r).redacted()) }

// Format prints the slot's public name only, whatever the verb.
func (v SlotVerify) Format(s fmt.State, _ rune) { io.WriteString(s, OfSlotVerify(v).redacted()) }

// LogValue logs the slot's public name only.
func (v SlotVerify) LogValue() slog.Value { return slog.StringValue(OfSlotVerify(v).redacted()) }
