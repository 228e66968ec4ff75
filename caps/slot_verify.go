package caps

import (
	"fmt"
	"io"
	"log/slog"
)

// SlotVerify is the authority to walk, check, repair and mark what one slot
// holds, without reading names or data (formats.md 1). The zero SlotVerify is
// none.
type SlotVerify struct {
	verifier hidden[*slotVerify]
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
	return SlotVerify{hide(&slotVerify{slotType: t, id: id, vk: vk})}
}

// IsZero reports whether v is the zero SlotVerify.
func (v SlotVerify) IsZero() bool { return v.verifier == nil }

// Type returns the slot's type; 0 for the zero SlotVerify.
func (v SlotVerify) Type() SlotType {
	if s := v.verifier.show(); s != nil {
		return s.slotType
	}
	return 0
}

// ID returns the slot's id.
func (v SlotVerify) ID() SlotID {
	if s := v.verifier.show(); s != nil {
		return s.id
	}
	return SlotID{}
}

// VerifyKey returns vk.
func (v SlotVerify) VerifyKey() Key {
	if s := v.verifier.show(); s != nil {
		return s.vk
	}
	return Key{}
}

// Equal reports, in constant time for the keys, whether both are the same
// authority over the same slot.
func (v SlotVerify) Equal(o SlotVerify) bool {
	return sameSlot(v.Type(), o.Type(), v.ID(), o.ID()) && v.VerifyKey().Equal(o.VerifyKey())
}

// Format prints the slot's public name only, whatever the verb.
func (v SlotVerify) Format(s fmt.State, _ rune) { io.WriteString(s, OfSlotVerify(v).redacted()) }

// LogValue logs the slot's public name only.
func (v SlotVerify) LogValue() slog.Value { return slog.StringValue(OfSlotVerify(v).redacted()) }

// OfSlotVerify returns the capability of v.
func OfSlotVerify(v SlotVerify) Verify {
	if s := v.verifier.show(); s != nil {
		return Verify{hide[verifyBody](s)}
	}
	return Verify{}
}

// SlotVerify returns the authority over the slot, if v is of FormSlot.
func (v Verify) SlotVerify() (SlotVerify, bool) {
	if s, ok := v.checks.show().(*slotVerify); ok {
		return SlotVerify{hide(s)}, true
	}
	return SlotVerify{}, false
}

func (v *slotVerify) form() Form   { return FormSlot }
func (v *slotVerify) isDir() bool  { return v.slotType == SlotDirectory }
func (v *slotVerify) index() Index { return indexOf(v.id[:]) }
func (v *slotVerify) verifies()    {}
func (v *slotVerify) text() string { return slotText(v.slotType, "-Verifier:", v.vk, v.id) }

func parseSlotVerify(t SlotType) parser {
	return func(text string) (Cap, error) {
		k, id, err := parseSlotFields(text)
		if err != nil {
			return nil, err
		}
		return OfSlotVerify(NewSlotVerify(t, k, id)), nil
	}
}
