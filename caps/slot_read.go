package caps

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
)

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

// Format prints the slot's public name only, whatever the verb.
func (r SlotRead) Format(s fmt.State, _ rune) { io.WriteString(s, OfSlotRead(r).redacted()) }

// LogValue logs the slot's public name only.
func (r SlotRead) LogValue() slog.Value { return slog.StringValue(OfSlotRead(r).redacted()) }

// OfSlotRead returns the capability of r.
func OfSlotRead(r SlotRead) Read {
	if r.reader == nil {
		return Read{}
	}
	return Read{reads: r.reader}
}

// SlotRead returns the authority over the slot, if r is of FormSlot.
func (r Read) SlotRead() (SlotRead, bool) {
	b, ok := r.reads.(*slotRead)
	return SlotRead{reader: b}, ok
}

func (r *slotRead) form() Form         { return FormSlot }
func (r *slotRead) isDir() bool        { return r.slotType == SlotDirectory }
func (r *slotRead) index() Index       { return indexOf(r.id[:]) }
func (r *slotRead) verify() verifyBody { return r.weakened() }
func (r *slotRead) text() string       { return slotText(r.slotType, "-RO:", r.rk, r.id) }

func parseSlotRead(t SlotType) parser {
	return func(text string) (Cap, error) {
		k, id, err := parseSlotFields(text)
		if err != nil {
			return nil, err
		}
		return OfSlotRead(NewSlotRead(t, k, id)), nil
	}
}
