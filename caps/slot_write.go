package caps

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// SlotWrite is the write authority over one slot: a 256-bit seed, and
// everything that follows from it (formats.md 1). What follows is computed at
// the first use and kept; copies share it. The zero SlotWrite is none: it has
// no key and can't sign.
type SlotWrite struct {
	seeded hidden[*slotWrite]
}

type slotWrite struct {
	slotType SlotType
	seed     Key

	once sync.Once // computes the fields below
	wk   Key
	sign ed25519.PrivateKey
	weak SlotRead
}

// NewSlotWrite returns the write authority that seed gives. It panics if t is
// none of the types.
func NewSlotWrite(t SlotType, seed Key) SlotWrite {
	t.labels()
	return SlotWrite{hide(&slotWrite{slotType: t, seed: seed})}
}

func (w *slotWrite) derived() *slotWrite {
	w.once.Do(func() {
		label, _ := w.slotType.labels()
		w.wk = w.seed.Derive(label + "write")
		w.sign = ed25519.NewKeyFromSeed(w.seed.Derive(label + "sign").Raw()[:])
		id := SlotIDOf(w.slotType, [32]byte(w.sign[32:]))
		w.weak = NewSlotRead(w.slotType, w.seed.Derive(label+"read"), id)
	})
	return w
}

// IsZero reports whether w is the zero SlotWrite.
func (w SlotWrite) IsZero() bool { return w.seeded == nil }

// Type returns the slot's type; 0 for the zero SlotWrite.
func (w SlotWrite) Type() SlotType {
	if s := w.seeded.show(); s != nil {
		return s.slotType
	}
	return 0
}

// ID returns the slot's id.
func (w SlotWrite) ID() SlotID { return w.Read().ID() }

// Seed returns the seed itself, which a directory seals for its child.
func (w SlotWrite) Seed() Key {
	if s := w.seeded.show(); s != nil {
		return s.seed
	}
	return Key{}
}

// WriteKey returns wk, the key of what only writers read.
func (w SlotWrite) WriteKey() Key {
	if s := w.seeded.show(); s != nil {
		return s.derived().wk
	}
	return Key{}
}

// PublicKey returns the Ed25519 key that the slot's records are verified by.
func (w SlotWrite) PublicKey() [32]byte {
	if s := w.seeded.show(); s != nil {
		return [32]byte(s.derived().sign[32:])
	}
	return [32]byte{}
}

// ConvergenceSecret returns Cs, by which the chunks of a root's account get keys
// that follow from their contents (formats.md 1 and 6). Only who may write has it.
func (w SlotWrite) ConvergenceSecret() Key { return w.Seed().Derive("convergence") }

// Sign returns the Ed25519 signature (RFC 8032) of msg, which begins with a
// label of its own (formats.md 5). It panics for the zero SlotWrite.
func (w SlotWrite) Sign(msg []byte) [64]byte {
	return [64]byte(ed25519.Sign(w.seeded.show().derived().sign, msg))
}

// Read weakens w.
func (w SlotWrite) Read() SlotRead {
	if s := w.seeded.show(); s != nil {
		return s.derived().weak
	}
	return SlotRead{}
}

// Format prints the slot's public name only, whatever the verb.
func (w SlotWrite) Format(s fmt.State, _ rune) { io.WriteString(s, OfSlotWrite(w).redacted()) }

// LogValue logs the slot's public name only.
func (w SlotWrite) LogValue() slog.Value { return slog.StringValue(OfSlotWrite(w).redacted()) }

// OfSlotWrite returns the capability of w.
func OfSlotWrite(w SlotWrite) Write {
	if s := w.seeded.show(); s != nil {
		return Write{hide[writeBody](s)}
	}
	return Write{}
}

// SlotWrite returns the authority over the slot, if w is of FormSlot.
func (w Write) SlotWrite() (SlotWrite, bool) {
	if s, ok := w.writes.show().(*slotWrite); ok {
		return SlotWrite{hide(s)}, true
	}
	return SlotWrite{}, false
}

func (w *slotWrite) form() Form     { return FormSlot }
func (w *slotWrite) isDir() bool    { return w.slotType == SlotDirectory }
func (w *slotWrite) index() Index   { return w.read().index() }
func (w *slotWrite) read() readBody { return w.derived().weak.reader.show() }

func (w *slotWrite) text() string {
	_, name := w.slotType.labels()
	id := w.derived().weak.ID()
	return "URI:" + name + ":" + w.seed.encode() + ":" + encode32(id[:checkSize])
}

// checkSize is how many bytes of the slot id a write capability carries, so
// that a mistyped one fails when it is read.
const checkSize = 5

func parseSlotWrite(t SlotType) parser {
	return func(text string) (Cap, error) {
		f := strings.SplitN(text, ":", 3)
		var seed Key
		var check [checkSize]byte
		if len(f) != 2 {
			return nil, errFields
		}
		if !seed.parse(f[0]) || !fixed32(check[:], f[1]) {
			return nil, errBase32
		}
		w := NewSlotWrite(t, seed)
		id := w.ID()
		if [checkSize]byte(id[:checkSize]) != check {
			return nil, errCheck
		}
		return OfSlotWrite(w), nil
	}
}
