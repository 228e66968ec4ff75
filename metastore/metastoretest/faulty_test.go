package metastoretest_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

func TestFaultyWithoutFaultsIsAStore(t *testing.T) {
	metastoretest.Run(t, func(*testing.T) metastore.Store { return metastoretest.NewFaulty(memory.New(), 1) })
}

// record makes bytes that need no meaning here.
func record(version uint64) []byte {
	return bytes.Repeat([]byte{byte(version)}, metastore.RecordSize)
}

func swap(id metastore.SlotID, base [32]byte, sealed *int) *metastore.Request {
	return &metastore.Request{Slots: []metastore.SlotChange{{ID: id, Base: base, Seal: func(old metastore.Record) (metastore.Sealed, error) {
		*sealed++
		// Byte 7 even: no tombstone.
		return metastore.Sealed{Version: old.Version + 1, Bytes: record(2 * (old.Version + 1))}, nil
	}}}}
}

// world is a Faulty store over one with a slot of two versions and two nodes.
type world struct {
	*metastoretest.Faulty
	below metastore.Store
	slot  metastore.Record
	nodes []metastore.ID
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	below := memory.New()
	w := &world{Faulty: metastoretest.NewFaulty(below, seed), below: below, nodes: []metastore.ID{{1}, {2}}}
	id := metastore.SlotID{7}
	for range 2 {
		r := swap(id, w.slot.Hash, new(int))
		if w.slot.Bytes == nil {
			r.Nodes = []metastore.NewNode{{ID: w.nodes[0], Slot: id, Data: []byte("one")}, {ID: w.nodes[1], Slot: id, Data: []byte("two")}}
		}
		if err := w.Commit(t.Context(), r)[0]; err != nil {
			t.Fatal(err)
		}
		w.slot = w.read(t, w)
	}
	return w
}

func (w *world) read(t *testing.T, s metastore.Store) metastore.Record {
	t.Helper()
	recs, err := s.Slots(t.Context(), []metastore.SlotID{{7}})
	if err != nil {
		t.Fatal(err)
	}
	return recs[0]
}

func TestFaultsOfCommit(t *testing.T) {
	tests := []struct {
		fault   metastoretest.Fault
		want    kind.Kind
		applied bool
		seals   int
	}{
		{metastoretest.LoseRace, kind.Conflict, false, 0},
		{metastoretest.LostReply, kind.Unavailable, true, 1},
		{metastoretest.LostCall, kind.Unavailable, false, 0},
		{metastoretest.Retry, 0, true, 2},
	}
	for _, tt := range tests {
		t.Run(tt.fault.String(), func(t *testing.T) {
			w := newWorld(t, 1)
			w.Set(tt.fault, 100)
			seals := 0
			err := w.Commit(t.Context(), swap(w.slot.ID, w.slot.Hash, &seals))[0]
			if kind.Of(err) != tt.want {
				t.Errorf("Commit: %v, want kind %v", err, tt.want)
			}
			if applied := w.read(t, w.below).Version == 3; applied != tt.applied || seals != tt.seals {
				t.Errorf("applied %t with %d seals, want %t with %d", applied, seals, tt.applied, tt.seals)
			}
			if w.Met(tt.fault) != 1 {
				t.Errorf("met %d times", w.Met(tt.fault))
			}
			w.Heal()
			now := w.read(t, w)
			if err := w.Commit(t.Context(), swap(now.ID, now.Hash, &seals))[0]; err != nil {
				t.Errorf("after Heal: %v", err)
			}
		})
	}
}

func TestFaultsOfSlots(t *testing.T) {
	diff := func(a, b []byte) (bits int) {
		for i := range a {
			for x := a[i] ^ b[i]; x != 0; x &= x - 1 {
				bits++
			}
		}
		return bits
	}
	tests := []struct {
		fault metastoretest.Fault
		ok    func(got, want metastore.Record) bool
	}{
		{metastoretest.StaleSlot, func(got, want metastore.Record) bool { return got.Version == want.Version-1 }},
		{metastoretest.ForkedSlot, func(got, want metastore.Record) bool { return diff(got.Bytes, want.Bytes) == 1 }},
		{metastoretest.DropSlot, func(got, want metastore.Record) bool { return got.ID == want.ID && got.Bytes == nil }},
	}
	for _, tt := range tests {
		t.Run(tt.fault.String(), func(t *testing.T) {
			w := newWorld(t, 1)
			w.Set(tt.fault, 100)
			if got := w.read(t, w); !tt.ok(got, w.slot) {
				t.Errorf("gave version %d of %d bytes", got.Version, len(got.Bytes))
			}
			w.Heal()
			if got := w.read(t, w); !bytes.Equal(got.Bytes, w.slot.Bytes) {
				t.Error("the fault did harm below")
			}
		})
	}
}

func TestFaultsOfNodes(t *testing.T) {
	for _, fault := range []metastoretest.Fault{metastoretest.DropNode, metastoretest.FlipNode, metastoretest.SwapNode} {
		t.Run(fault.String(), func(t *testing.T) {
			w := newWorld(t, 1)
			want, err := w.Nodes(t.Context(), w.nodes)
			if err != nil {
				t.Fatal(err)
			}
			w.Set(fault, 100)
			got, err := w.Nodes(t.Context(), w.nodes)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if bytes.Equal(got[i], want[i]) {
					t.Errorf("node %d came through", i)
				}
			}
			w.Heal()
			if again, _ := w.Nodes(t.Context(), w.nodes); !slices.EqualFunc(again, want, bytes.Equal) {
				t.Error("the fault did harm below")
			}
		})
	}
}

func TestFailRead(t *testing.T) {
	w := newWorld(t, 1)
	w.Set(metastoretest.FailRead, 100)
	_, slots := w.Slots(t.Context(), nil)
	_, nodes := w.Nodes(t.Context(), nil)
	_, roots := w.IsRoot(t.Context(), nil)
	_, log := w.Log(t.Context(), w.slot.ID, 0)
	for i, err := range []error{slots, nodes, roots, log} {
		if kind.Of(err) != kind.Unavailable {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func TestSeedDeterminesFaults(t *testing.T) {
	run := func(seed uint64) (story string) {
		w := newWorld(t, seed)
		for _, f := range metastoretest.Faults() {
			w.Set(f, 30)
		}
		base := w.slot
		for range 100 {
			err := w.Commit(t.Context(), swap(base.ID, base.Hash, new(int)))[0]
			recs, rerr := w.Slots(t.Context(), []metastore.SlotID{base.ID})
			data, nerr := w.Nodes(t.Context(), w.nodes)
			story += fmt.Sprint(kind.Of(err), kind.Of(rerr), kind.Of(nerr), len(recs), data)
			base = w.read(t, w.below)
		}
		return story
	}
	first, again := run(1), run(1)
	if first != again {
		t.Error("one seed, two stories")
	}
	if first == run(2) {
		t.Error("two seeds, one story")
	}
}
