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
	reader hidden[*slotRead]
}

type slotRead struct {
	slotType SlotType
	id       SlotID
	rk       Key

	once sync.Once // computes the field below
	weak SlotVerify
}

// NewSlotRead returns the read authority made of rk and id. Whether they
// belong together shows when a record is opened. It panics if t is none of
// the types.
func NewSlotRead(t SlotType, rk Key, id SlotID) SlotRead {
	t.labels()
	return SlotRead{hide(&slotRead{slotType: t, id: id, rk: rk})}
}

func (r *slotRead) derived() SlotVerify {
	r.once.Do(func() {
		label, _ := r.slotType.labels()
		r.weak = NewSlotVerify(r.slotType, r.rk.Derive(label+"verify"), r.id)
	})
	return r.weak
}

// IsZero reports whether r is the zero SlotRead.
func (r SlotRead) IsZero() bool { return r.reader == nil }

// Type returns the slot's type; 0 for the zero SlotRead.
func (r SlotRead) Type() SlotType {
	if s := r.reader.show(); s != nil {
		return s.slotType
	}
	return 0
}

// ID returns the slot's id.
func (r SlotRead) ID() SlotID {
	if s := r.reader.show(); s != nil {
		return s.id
	}
	return SlotID{}
}

// ReadKey returns rk.
func (r SlotRead) ReadKey() Key {
	if s := r.reader.show(); s != nil {
		return s.rk
	}
	return Key{}
}

// Equal reports, in constant time for the keys, whether both are the same
// authority over the same slot.
func (r SlotRead) Equal(o SlotRead) bool {
	return sameSlot(r.Type(), o.Type(), r.ID(), o.ID()) && r.ReadKey().Equal(o.ReadKey())
}

// Verify weakens r.
func (r SlotRead) Verify() SlotVerify {
	if s := r.reader.show(); s != nil {
		return s.derived()
	}
	return SlotVerify{}
}

// Format prints the slot's public name only, whatever the verb.
func (r SlotRead) Format(s fmt.State, _ rune) { io.WriteString(s, OfSlotRead(r).redacted()) }

// LogValue logs the slot's public name only.
func (r SlotRead) LogValue() slog.Value { return slog.StringValue(OfSlotRead(r).redacted()) }

// OfSlotRead returns the capability of r.
func OfSlotRead(r SlotRead) Read {
	if s := r.reader.show(); s != nil {
		return Read{hide[readBody](s)}
	}
	return Read{}
}

// SlotRead returns the authority over the slot, if r is of FormSlot.
func (r Read) SlotRead() (SlotRead, bool) {
	if s, ok := r.reads.show().(*slotRead); ok {
		return SlotRead{hide(s)}, true
	}
	return SlotRead{}, false
}

func (r *slotRead) form() Form         { return FormSlot }
func (r *slotRead) isDir() bool        { return r.slotType == SlotDirectory }
func (r *slotRead) index() Index       { return indexOf(r.id[:]) }
func (r *slotRead) verify() verifyBody { return r.derived().verifier.show() }
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
