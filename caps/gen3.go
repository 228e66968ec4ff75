package caps

import (
	"strconv"
	"strings"
)

// This file holds the texts of generation 3 (formats.md 1).

// The three authorities over a slot are bodies themselves.

func (w *slotWrite) form() Form   { return FormSlot }
func (w *slotWrite) isDir() bool  { return w.slotType == SlotDirectory }
func (w *slotWrite) index() Index { return w.derived().weak.index() }
func (w *slotWrite) read() readBody {
	return w.derived().weak
}

func (w *slotWrite) text() string {
	_, name := w.slotType.labels()
	id := w.derived().weak.id
	return "URI:" + name + ":" + w.seed.encode() + ":" + encode32(id[:checkSize])
}

// checkSize is how many bytes of the slot id a write capability carries, so
// that a mistyped one fails when it is read.
const checkSize = 5

func (r *slotRead) form() Form         { return FormSlot }
func (r *slotRead) isDir() bool        { return r.slotType == SlotDirectory }
func (r *slotRead) index() Index       { return indexOf(r.id[:]) }
func (r *slotRead) verify() verifyBody { return r.weakened() }
func (r *slotRead) text() string       { return slotText(r.slotType, "-RO:", r.rk, r.id) }

func (v *slotVerify) form() Form   { return FormSlot }
func (v *slotVerify) isDir() bool  { return v.slotType == SlotDirectory }
func (v *slotVerify) index() Index { return indexOf(v.id[:]) }
func (v *slotVerify) verifies()    {}
func (v *slotVerify) text() string { return slotText(v.slotType, "-Verifier:", v.vk, v.id) }

func slotText(t SlotType, suffix string, k Key, id SlotID) string {
	_, name := t.labels()
	return "URI:" + name + suffix + k.encode() + ":" + encode32(id[:])
}

type fileRead struct{ FileRead }

func (f *fileRead) form() Form         { return FormFile }
func (f *fileRead) isDir() bool        { return false }
func (f *fileRead) index() Index       { return indexOf(f.Root[:]) }
func (f *fileRead) verify() verifyBody { return &fileVerify{f.FileRead.Verify()} }
func (f *fileRead) text() string {
	return "URI:FILE3:" + rootText(f.Key, f.Root, f.Level) + ":" + strconv.FormatUint(f.Size, 10)
}

type fileVerify struct{ FileVerify }

func (f *fileVerify) form() Form   { return FormFile }
func (f *fileVerify) isDir() bool  { return false }
func (f *fileVerify) index() Index { return indexOf(f.Root[:]) }
func (f *fileVerify) verifies()    {}
func (f *fileVerify) text() string {
	return "URI:FILE3-Verifier:" + rootText(f.Key, f.Root, f.Level) + ":" + strconv.FormatUint(f.Size, 10)
}

type frozenRead struct{ FrozenRead }

func (f *frozenRead) form() Form         { return FormFrozen }
func (f *frozenRead) isDir() bool        { return true }
func (f *frozenRead) index() Index       { return indexOf(f.Root[:]) }
func (f *frozenRead) verify() verifyBody { return &frozenVerify{f.FrozenRead.Verify()} }
func (f *frozenRead) text() string       { return "URI:DIR3-IMM:" + rootText(f.Key, f.Root, f.Level) }

type frozenVerify struct{ FrozenVerify }

func (f *frozenVerify) form() Form   { return FormFrozen }
func (f *frozenVerify) isDir() bool  { return true }
func (f *frozenVerify) index() Index { return indexOf(f.Root[:]) }
func (f *frozenVerify) verifies()    {}
func (f *frozenVerify) text() string {
	return "URI:DIR3-IMM-Verifier:" + rootText(f.Key, f.Root, f.Level)
}

func rootText(k Key, root RootID, level uint8) string {
	return k.encode() + ":" + encode32(root[:]) + ":" + strconv.Itoa(int(level))
}

// OfSlotWrite returns the capability of w.
func OfSlotWrite(w SlotWrite) Write {
	if w.seeded == nil {
		return Write{}
	}
	return Write{writes: w.seeded}
}

// OfSlotRead returns the capability of r.
func OfSlotRead(r SlotRead) Read {
	if r.reader == nil {
		return Read{}
	}
	return Read{reads: r.reader}
}

// OfSlotVerify returns the capability of v.
func OfSlotVerify(v SlotVerify) Verify {
	if v.verifier == nil {
		return Verify{}
	}
	return Verify{checks: v.verifier}
}

// OfFileRead returns the capability of f; the empty literal if its Size is 0.
func OfFileRead(f FileRead) Read {
	if f.Size == 0 {
		return Read{reads: &literal{}}
	}
	return Read{reads: &fileRead{f}}
}

// OfFileVerify returns the capability of f.
func OfFileVerify(f FileVerify) Verify { return Verify{checks: &fileVerify{f}} }

// OfFrozenRead returns the capability of f.
func OfFrozenRead(f FrozenRead) Read { return Read{reads: &frozenRead{f}} }

// OfFrozenVerify returns the capability of f.
func OfFrozenVerify(f FrozenVerify) Verify { return Verify{checks: &frozenVerify{f}} }

// SlotWrite returns the authority over the slot, if w is of FormSlot.
func (w Write) SlotWrite() (SlotWrite, bool) {
	b, ok := w.writes.(*slotWrite)
	return SlotWrite{seeded: b}, ok
}

// SlotRead returns the authority over the slot, if r is of FormSlot.
func (r Read) SlotRead() (SlotRead, bool) {
	b, ok := r.reads.(*slotRead)
	return SlotRead{reader: b}, ok
}

// SlotVerify returns the authority over the slot, if v is of FormSlot.
func (v Verify) SlotVerify() (SlotVerify, bool) {
	b, ok := v.checks.(*slotVerify)
	return SlotVerify{verifier: b}, ok
}

// FileRead returns the authority over the file, if r is of FormFile.
func (r Read) FileRead() (FileRead, bool) {
	b, ok := r.reads.(*fileRead)
	if !ok {
		return FileRead{}, false
	}
	return b.FileRead, true
}

// FileVerify returns the authority over the file, if v is of FormFile.
func (v Verify) FileVerify() (FileVerify, bool) {
	b, ok := v.checks.(*fileVerify)
	if !ok {
		return FileVerify{}, false
	}
	return b.FileVerify, true
}

// FrozenRead returns the authority over the directory, if r is of FormFrozen.
func (r Read) FrozenRead() (FrozenRead, bool) {
	b, ok := r.reads.(*frozenRead)
	if !ok {
		return FrozenRead{}, false
	}
	return b.FrozenRead, true
}

// FrozenVerify returns the authority over the directory, if v is of
// FormFrozen.
func (v Verify) FrozenVerify() (FrozenVerify, bool) {
	b, ok := v.checks.(*frozenVerify)
	if !ok {
		return FrozenVerify{}, false
	}
	return b.FrozenVerify, true
}

func parseSlotWrite(t SlotType) parser {
	return func(text string) (Cap, error) {
		f := strings.Split(text, ":")
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

func parseSlotRead(t SlotType) parser {
	return func(text string) (Cap, error) {
		k, id, err := parseSlotFields(text)
		if err != nil {
			return nil, err
		}
		return OfSlotRead(NewSlotRead(t, k, id)), nil
	}
}

func parseSlotVerify(t SlotType) parser {
	return func(text string) (Cap, error) {
		k, id, err := parseSlotFields(text)
		if err != nil {
			return nil, err
		}
		return OfSlotVerify(NewSlotVerify(t, k, id)), nil
	}
}

func parseSlotFields(text string) (k Key, id SlotID, err error) {
	f := strings.Split(text, ":")
	switch {
	case len(f) != 2:
		err = errFields
	case !k.parse(f[0]) || !fixed32(id[:], f[1]):
		err = errBase32
	}
	return k, id, err
}

func parseFileRead(text string) (Cap, error) {
	f, err := parseFileFields(text)
	if err != nil {
		return nil, err
	}
	return OfFileRead(f), nil
}

func parseFileVerify(text string) (Cap, error) {
	f, err := parseFileFields(text)
	if err != nil {
		return nil, err
	}
	if f.Level == LevelChunk && !f.Key.IsZero() {
		return nil, errChunkKey
	}
	return OfFileVerify(FileVerify(f)), nil
}

func parseFileFields(text string) (FileRead, error) {
	f := strings.Split(text, ":")
	if len(f) != 4 {
		return FileRead{}, errFields
	}
	k, root, level, err := parseRoot(f)
	if err != nil {
		return FileRead{}, err
	}
	if level > maxLevel && level != LevelChunk {
		return FileRead{}, errLevel
	}
	size, ok := parseNumber(f[3], 63)
	if !ok || size == 0 {
		return FileRead{}, errSize
	}
	return FileRead{Key: k, Root: root, Level: level, Size: size}, nil
}

func parseFrozenRead(text string) (Cap, error) {
	f, err := parseFrozenFields(text)
	if err != nil {
		return nil, err
	}
	return OfFrozenRead(f), nil
}

func parseFrozenVerify(text string) (Cap, error) {
	f, err := parseFrozenFields(text)
	if err != nil {
		return nil, err
	}
	return OfFrozenVerify(FrozenVerify(f)), nil
}

func parseFrozenFields(text string) (FrozenRead, error) {
	f := strings.Split(text, ":")
	if len(f) != 3 {
		return FrozenRead{}, errFields
	}
	k, root, level, err := parseRoot(f)
	if err != nil {
		return FrozenRead{}, err
	}
	if level > maxLevel || root == (RootID{}) && level != 0 {
		return FrozenRead{}, errLevel
	}
	return FrozenRead{Key: k, Root: root, Level: level}, nil
}

// parseRoot reads the three fields that files and frozen directories share.
func parseRoot(f []string) (k Key, root RootID, level uint8, err error) {
	n, ok := parseNumber(f[2], 8)
	switch {
	case !k.parse(f[0]) || !fixed32(root[:], f[1]):
		err = errBase32
	case !ok:
		err = errLevel
	}
	return k, root, uint8(n), err
}

// encode returns the base32 text of k, of 32 zero bytes for the zero Key.
func (k Key) encode() string {
	if k.bytes == nil {
		return encode32(make([]byte, KeySize))
	}
	return encode32(k.bytes[:])
}

// parse sets k to the key that s encodes.
func (k *Key) parse(s string) bool {
	k.bytes = new([KeySize]byte)
	return fixed32(k.bytes[:], s)
}

// parseNumber reads the one canonical decimal text of a number below 2^bits.
func parseNumber(s string, bits int) (uint64, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' || s[0] == '0' && s != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, bits)
	return n, err == nil
}
