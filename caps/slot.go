package caps

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
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

func sameSlot(s, t SlotType, a, b SlotID) bool {
	return s == t && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func slotText(t SlotType, suffix string, k Key, id SlotID) string {
	_, name := t.labels()
	return "URI:" + name + suffix + k.encode() + ":" + encode32(id[:])
}

func parseSlotFields(text string) (k Key, id SlotID, err error) {
	f := strings.SplitN(text, ":", 3)
	switch {
	case len(f) != 2:
		err = errFields
	case !k.parse(f[0]) || !fixed32(id[:], f[1]):
		err = errBase32
	}
	return k, id, err
}
