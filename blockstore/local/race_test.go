package local

import (
	"errors"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// gate is a disk whose next flush, once it is shut, waits until it is opened.
type gate struct {
	mu     sync.Mutex // guards the fields below
	shut   bool
	waits  chan struct{} // closed when a flush has come to the gate
	opened chan error    // what it is told
}

func (g *gate) disk() disk {
	d, system := realDisk(), realDisk()
	d.sync = func(f *os.File) error {
		g.mu.Lock()
		held := g.shut
		g.shut = false
		g.mu.Unlock()
		if held {
			close(g.waits)
			if err := <-g.opened; err != nil {
				return err
			}
		}
		return system.sync(f)
	}
	return d
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.waits, g.opened = true, make(chan struct{}), make(chan error)
}

// A Put beside a Delete that is not durable yet may not rely on the record that
// is being deleted: however the delete ends, the block is there afterwards.
func TestPutBesideDelete(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]error{"deleted": nil, "flush fails": unix.EIO} {
		dir, g := t.TempDir(), &gate{}
		s := openOn(t, dir, g.disk())
		id, block := storecheck.Chunk(1000)
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		g.close()
		deleted := make(chan error)
		go func() { deleted <- s.Delete(t.Context(), id) }()
		<-g.waits
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		g.opened <- outcome
		wantKind(t, name+": delete", <-deleted, map[bool]kind.Kind{true: 0, false: kind.Unavailable}[outcome == nil])
		expect(t, s, map[blockstore.ID][]byte{id: block})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, openOn(t, dir, realDisk()), map[blockstore.ID][]byte{id: block})
	}
}

// After a Delete whose flush failed nobody knows whether its tombstone is on
// disk: a Put must write the block again, and another Delete a tombstone.
func TestCallsAfterAFailedDelete(t *testing.T) {
	t.Parallel()
	for _, put := range []bool{true, false} {
		dir, g := t.TempDir(), &gate{}
		s := openOn(t, dir, g.disk())
		id, block := storecheck.Chunk(1000)
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		g.close()
		go func() { <-g.waits; g.opened <- unix.EIO }()
		wantKind(t, "delete", s.Delete(t.Context(), id), kind.Unavailable)
		want := map[blockstore.ID][]byte{}
		if put {
			want[id] = block
			wantKind(t, "put", s.Put(t.Context(), id, block), 0)
		} else {
			wantKind(t, "second delete", s.Delete(t.Context(), id), 0)
		}
		expect(t, s, want)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, openOn(t, dir, realDisk()), want)
	}
}

// A Delete after a Put that failed makes sure that its record doesn't show up.
func TestDeleteAfterAFailedPut(t *testing.T) {
	t.Parallel()
	dir, g := t.TempDir(), &gate{}
	s := openOn(t, dir, g.disk())
	id, block := storecheck.Chunk(1000)
	g.close()
	go func() { <-g.waits; g.opened <- unix.EIO }()
	wantKind(t, "put", s.Put(t.Context(), id, block), kind.Unavailable)
	expect(t, s, nil)
	wantKind(t, "delete", s.Delete(t.Context(), id), 0)
	crashed := t.TempDir()
	copyStore(t, dir, crashed)
	expect(t, openOn(t, crashed, realDisk()), nil)
}

// A block deleted while compaction copies it stays deleted.
func TestDeleteBesideCompaction(t *testing.T) {
	t.Parallel()
	dir, g := t.TempDir(), &gate{}
	s := openOn(t, dir, g.disk())
	id, block := storecheck.Chunk(20_000)
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		dead, deadBlock := storecheck.Chunk(20_000)
		if err := errors.Join(s.Put(t.Context(), dead, deadBlock), s.Delete(t.Context(), dead)); err != nil {
			t.Fatal(err)
		}
	}
	s.keeper.work.Lock() // not in the background
	defer s.keeper.work.Unlock()
	seg := s.lanes[0].active()
	if err := s.lanes[0].retire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.seal(seg); err != nil {
		t.Fatal(err)
	}
	entries, err := s.sealedEntries(seg)
	if err != nil {
		t.Fatal(err)
	}
	g.close()
	moved := make(chan error)
	go func() { moved <- s.moveOn(t.Context(), seg, entries) }()
	<-g.waits
	if err := s.Delete(t.Context(), id); err != nil { // by the other lane
		t.Fatal(err)
	}
	g.opened <- nil
	if err := <-moved; err != nil {
		t.Fatal(err)
	}
	expect(t, s, nil)
	crashed := t.TempDir()
	copyStore(t, dir, crashed)
	expect(t, openOn(t, crashed, realDisk()), nil)
}
