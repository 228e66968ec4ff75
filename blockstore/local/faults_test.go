package local

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// scenario puts and deletes blocks one after the other, small and large, over
// several segments. It keeps what was acknowledged in want, and what no answer
// is known of in unknown.
func scenario(t *testing.T, s *Store, allowed kind.Kind) (want, unknown map[blockstore.ID][]byte) {
	want, unknown = map[blockstore.ID][]byte{}, map[blockstore.ID][]byte{}
	var ids []blockstore.ID
	told := func(id blockstore.ID, err error) bool {
		if err != nil && kind.Of(err) != allowed {
			t.Errorf("an error of kind %v, want %v: %v", kind.Of(err), allowed, err)
		}
		return err == nil
	}
	for i := range 14 {
		id, block := storecheck.Chunk([]int{100, 200_000, 30_000, 400_000}[i%4])
		ids = append(ids, id)
		if told(id, s.Put(t.Context(), id, block)) {
			want[id] = block
		} else {
			unknown[id] = block
		}
		if i%3 != 2 {
			continue
		}
		victim := ids[i-1]
		was, present := want[victim]
		delete(want, victim)
		if told(victim, s.Delete(t.Context(), victim)) {
			delete(unknown, victim)
		} else if present {
			unknown[victim] = was
		}
	}
	if _, err := s.Compact(t.Context()); err != nil {
		told(blockstore.ID{}, err)
	}
	return want, unknown
}

// Each call to the disk fails once, and all from it on, in turn. Callers hear
// of it, nothing acknowledged suffers, and nothing half-written shows up, then
// or after a restart.
func TestEveryDiskCallFails(t *testing.T) {
	t.Parallel()
	for errno, allowed := range map[error]kind.Kind{unix.ENOSPC: kind.NoSpace, unix.EIO: kind.Unavailable} {
		for _, times := range []int{1, 1 << 30} {
			t.Run(fmt.Sprintf("%v, %d times", errno, times), func(t *testing.T) {
				t.Parallel()
				d := &failing{}
				scenario(t, openOn(t, t.TempDir(), d.disk()), 0)
				calls := d.calls
				if calls < 20 {
					t.Fatalf("the scenario makes %d calls only", calls)
				}
				step := 1
				if times > 1 || errno == unix.ENOSPC {
					step = 3
				}
				for at := 1; at <= calls; at += step {
					failOnce(t, &failing{at: at, times: times, err: errno}, allowed)
				}
			})
		}
	}
}

func failOnce(t *testing.T, d *failing, allowed kind.Kind) {
	t.Helper()
	dir := t.TempDir()
	s, err := open(dir, Options{SegmentSize: minSegment, Log: quiet()}, d.disk())
	if err != nil {
		wantKind(t, fmt.Sprintf("open with call %d failing", d.at), err, allowed)
		return
	}
	want, unknown := scenario(t, s, allowed)
	expectUnlessUnknown(t, s, want, unknown)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	again := openOn(t, dir, realDisk())
	expectUnlessUnknown(t, again, want, unknown)
	again.Close()
	if t.Failed() {
		t.Fatalf("with call %d of the disk failing with %v, %d times", d.at, d.err, d.times)
	}
}

// expectUnlessUnknown holds the store to want, and the blocks of unknown to be
// whole or absent.
func expectUnlessUnknown(t *testing.T, s *Store, want, unknown map[blockstore.ID][]byte) {
	t.Helper()
	all := map[blockstore.ID][]byte{}
	for id, block := range want {
		all[id] = block
	}
	for id, block := range unknown {
		got, err := s.Get(t.Context(), id)
		switch {
		case err == nil && string(got) == string(block):
			all[id] = block
		case kind.Of(err) != kind.NotExist:
			t.Errorf("a block of unknown fate: %d of %d bytes, %v", len(got), len(block), err)
		}
	}
	expect(t, s, all)
}

// A disk that says that it has no holes, and one that can't preallocate, serve.
func TestDiskWithoutFallocate(t *testing.T) {
	t.Parallel()
	d := realDisk()
	d.allocate = func(*os.File, int64) error { return unix.EOPNOTSUPP }
	d.punch = func(*os.File, int64, int64) error { return unix.EOPNOTSUPP }
	dir := t.TempDir()
	s := openOn(t, dir, d)
	want, _ := scenario(t, s, 0)
	expect(t, s, want)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, openOn(t, dir, d), want)
}
