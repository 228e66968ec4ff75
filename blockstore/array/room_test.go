package array_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/raid1"
	"github.com/truckee-fs/truckee/blockstore/raid5"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
)

// latecomer is a member that now and then answers long after others were asked, and
// writes to the room that it was given for as long: no context ends what a disk does.
type latecomer struct {
	platter
	calls, every int32
}

const lateBy = 20 * hedge

func (l *latecomer) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	if atomic.AddInt32(&l.calls, 1)%l.every != 0 {
		return l.platter.GetRangeIn(ctx, id, off, n, room)
	}
	for range 4 {
		time.Sleep(lateBy / 4)
		room = room[:cap(room)]
		for i := 0; i < len(room); i += 500 {
			room[i] ^= 0xee
		}
	}
	return l.platter.GetRangeIn(context.WithoutCancel(ctx), id, off, n, room)
}

// Whoever is late, what lies in the room that was given is what was read, and stays so
// until that room is used again; and where the reader is told that it doesn't, nobody
// but a member that is too late writes there.
func TestRoomsAreNotWrittenToByThoseWhoAreLate(t *testing.T) {
	t.Parallel()
	for _, l := range append(layouts(), arrayOfArrays()) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { readInRooms(t, l) })
		})
	}
}

// arrayOfArrays is one whose members are such arrays, which may give something else than
// what they read into the room that they were given.
func arrayOfArrays() layout {
	return layout{"raid5 of three raid1", 6, false, func(ctx context.Context, ms []blockstore.Member, q blockstore.Queue) (blockstore.Store, error) {
		var pairs []blockstore.Member
		for i := 0; i < len(ms); i += 2 {
			pair, err := raid1Layout(2, raid1.All).open(ctx, ms[i:i+2], q)
			if err != nil {
				return nil, err
			}
			pairs = append(pairs, blockstore.Member{Name: fmt.Sprint(i), Store: pair})
		}
		return raid5.Open(ctx, pairs, raid5.Options{Queue: q, Log: quiet, HedgeAfter: 4 * lateBy})
	}}
}

func readInRooms(t *testing.T, l layout) {
	var ms []blockstore.Member
	for i := range l.members {
		disk := &disk{inner: memory.New()}
		ms = append(ms, blockstore.Member{Name: fmt.Sprint(i), Store: &latecomer{platter: platter{disk}, every: int32(3 + i)}})
	}
	s, err := l.open(t.Context(), ms, blockstoretest.NewQueue())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !blockstore.ReadsIn(s) {
		t.Error("an array of members that read into memory of their caller's doesn't")
	}
	var in atomic.Int32
	var all sync.WaitGroup
	for worker := range 4 {
		id, block := storecheck.Chunk(300_000 + worker)
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			var room []byte
			for round := range 12 {
				off := int64(round%3) * 50_000
				n := int64(len(block)) - off - int64(round%2)*40_000
				if round%4 == 3 {
					n = 100_000 // parts of the pieces
				}
				if room == nil {
					room = make([]byte, blockstore.RangeRoom(int64(len(block))))
				}
				got, err := blockstore.GetRangeIn(t.Context(), s, id, off, n, room)
				if err != nil {
					t.Errorf("%d bytes at %d: %v", n, off, err)
					return
				}
				time.Sleep(time.Duration(round%3) * lateBy / 2)
				if !bytes.Equal(got, block[off:off+n]) {
					t.Errorf("%d bytes at %d: %d bytes, or other ones", n, off, len(got))
				}
				if !blockstore.InRoom(got, room) {
					room = nil
					continue
				}
				in.Add(1)
				clear(room)
			}
		})
	}
	all.Wait()
	if in.Load() < 12 {
		t.Errorf("%d of 48 reads are in the rooms that were given", in.Load())
	}
	time.Sleep(2 * lateBy)
}
