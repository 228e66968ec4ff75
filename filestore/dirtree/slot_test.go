package dirtree

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

func sampleState() SlotState {
	return SlotState{
		Root: Root{ID: testID(1), Level: 2}, History: Root{ID: testID(2), Level: 1},
		Epoch: 3, Version: 7, Time: 1_700_000_000_000_000_000, Prev: testID(3),
		Entries: 10_000, Bytes: 1 << 40, Mtime: -5, Ctime: 6, Home: testID(4),
	}
}

func mustSeal(t testing.TB, w caps.SlotWrite, s SlotState) []byte {
	t.Helper()
	rec, err := SealSlot(w, s)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestSlotRecordRoundTrip(t *testing.T) {
	first, gone, empty := sampleState(), sampleState(), sampleState()
	first.Version, first.Prev = 1, [32]byte{}
	gone.Tombstone, gone.Root, gone.History = true, Root{}, Root{}
	empty.Root, empty.History = Root{}, Root{}
	file := sampleState()
	file.Root.Level = 0
	dirSlot, fileSlot := testSlot(1), caps.NewSlotWrite(caps.SlotFile, testKey(2))
	for _, tt := range []struct {
		w caps.SlotWrite
		s SlotState
	}{{dirSlot, sampleState()}, {dirSlot, first}, {dirSlot, gone}, {dirSlot, empty}, {fileSlot, file}} {
		rec := mustSeal(t, tt.w, tt.s)
		if len(rec) != RecordSize {
			t.Fatalf("%d bytes", len(rec))
		}
		got, err := OpenSlot(tt.w.Read(), rec)
		if err != nil || got != tt.s {
			t.Errorf("opened %+v, %v, want %+v", got, err, tt.s)
		}
		if got, err = OpenTrusted(tt.w.Read(), rec); err != nil || got != tt.s {
			t.Errorf("opened as trusted %+v, %v", got, err)
		}
		p, err := VerifySlot(tt.w.ID(), rec)
		if err != nil || p.Type != tt.w.Type() || p.PublicKey != tt.w.PublicKey() || p.Root != tt.s.Root ||
			p.History != tt.s.History || p.Epoch != tt.s.Epoch || p.Version != tt.s.Version ||
			p.Time != tt.s.Time || p.Tombstone != tt.s.Tombstone || p.Prev != tt.s.Prev {
			t.Errorf("verified %+v, %v", p, err)
		}
		if again := mustSeal(t, tt.w, tt.s); bytes.Equal(again[slotSalt:], rec[slotSalt:]) {
			t.Error("sealed twice with one salt")
		}
	}
}

func TestSlotStatesThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*SlotState){
		"version 0":                       func(s *SlotState) { s.Version = 0 },
		"version 1 with a predecessor":    func(s *SlotState) { s.Version = 1 },
		"version 7 without predecessor":   func(s *SlotState) { s.Prev = [32]byte{} },
		"a tombstone with a root":         func(s *SlotState) { s.Tombstone, s.History = true, Root{} },
		"a tombstone with a history":      func(s *SlotState) { s.Tombstone, s.Root = true, Root{} },
		"a level without root":            func(s *SlotState) { s.Root.ID = [32]byte{} },
		"a level without history":         func(s *SlotState) { s.History.ID = [32]byte{} },
		"a level higher than any tree is": func(s *SlotState) { s.Root.Level = maxLevel + 1 },
	} {
		s := sampleState()
		change(&s)
		if _, err := SealSlot(testSlot(1), s); kind.Of(err) != kind.Invalid {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	if _, err := SealSlot(caps.NewSlotWrite(caps.SlotFile, testKey(1)), sampleState()); kind.Of(err) != kind.Invalid {
		t.Errorf("a mutable file of level 2: %v, want Invalid", err)
	}
	if _, err := SealSlot(caps.SlotWrite{}, sampleState()); kind.Of(err) != kind.ReadOnly {
		t.Errorf("without write authority: %v, want ReadOnly", err)
	}
}

// Whatever byte of a record is changed, somebody notices: without keys already.
func TestEveryByteOfARecordIsSigned(t *testing.T) {
	w := testSlot(1)
	rec := mustSeal(t, w, sampleState())
	for i := range rec {
		bad := slices.Clone(rec)
		bad[i] ^= 0x40
		if _, err := VerifySlot(w.ID(), bad); kind.Of(err) != kind.Corrupt {
			t.Errorf("byte %d: verify: %v", i, err)
		}
		if _, err := OpenSlot(w.Read(), bad); kind.Of(err) != kind.Corrupt {
			t.Errorf("byte %d: open: %v", i, err)
		}
	}
	for _, bad := range [][]byte{nil, rec[:RecordSize-1], append(slices.Clone(rec), 0)} {
		if _, err := OpenSlot(w.Read(), bad); kind.Of(err) != kind.Corrupt {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

// Without the signature a record can't be forged by a reader, who can seal the
// attributes: OpenSlot refuses, and OpenTrusted is what it says.
func TestAReaderCannotForge(t *testing.T) {
	w, forger := testSlot(1), testSlot(2)
	rec := mustSeal(t, w, sampleState())
	s := sampleState()
	s.Version++
	forged := mustSeal(t, forger, s)
	if _, err := VerifySlot(w.ID(), forged); kind.Of(err) != kind.Corrupt {
		t.Errorf("a record signed by another key: %v", err)
	}
	copy(forged[8:40], rec[8:40]) // the true public key, the forger's signature
	if _, err := VerifySlot(w.ID(), forged); kind.Of(err) != kind.Corrupt {
		t.Errorf("another's public key: %v", err)
	}
	if _, err := OpenTrusted(forger.Read(), rec); kind.Of(err) != kind.Corrupt {
		t.Errorf("trusted, of another slot: %v", err)
	}
	wrongRead := caps.NewSlotRead(caps.SlotDirectory, testKey(9), w.ID())
	if _, err := OpenTrusted(wrongRead, rec); kind.Of(err) != kind.Corrupt {
		t.Errorf("with another rk: %v", err)
	}
	wrongType := caps.NewSlotRead(caps.SlotFile, w.Read().ReadKey(), w.ID())
	if _, err := OpenSlot(wrongType, rec); kind.Of(err) != kind.Corrupt {
		t.Errorf("as another type: %v", err)
	}
}

func TestReservedBytesAreRefused(t *testing.T) {
	w := testSlot(1)
	for _, at := range []int{4, 5, 6, 7, 154, 155} {
		rec := mustSeal(t, w, sampleState())
		rec[at] ^= 2
		sig := w.Sign(append([]byte(sigLabel), rec[:slotSig]...))
		copy(rec[slotSig:], sig[:])
		if _, err := VerifySlot(w.ID(), rec); kind.Of(err) != kind.Corrupt {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	rec := mustSeal(t, w, sampleState())
	binary.BigEndian.PutUint64(rec[40:], 8) // the version is bound to the sealed part
	if _, err := OpenTrusted(w.Read(), rec); kind.Of(err) != kind.Corrupt {
		t.Errorf("attributes of another version: %v", err)
	}
}
