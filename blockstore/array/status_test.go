package array_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/raid0"
	"github.com/truckee-fs/truckee/blockstore/raid1"
	"github.com/truckee-fs/truckee/blockstore/raid5"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A member that is merely slow is told as such, whether it is read or not, and no
// longer than it is. Its state stays: nothing is lost by it but time.
func TestASlowMember(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		look := func() blockstore.Status {
			return blockstore.StatusOf(t.Context(), blockstore.NewVerified(d.store), blockstore.StatusOptions{})
		}
		after := func(pause time.Duration) hook {
			return func(ctx context.Context, _ blockstoretest.Op, _ int, _ blockstore.ID) error {
				select {
				case <-time.After(pause):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		for i, m := range d.members {
			m.Before(after(time.Duration(i+1) * 5 * time.Millisecond)) // unlike, but none is slow
		}
		d.mustRead("healthy", hedge)
		for _, m := range look().Members {
			if m.Slow || m.Detail != "" {
				t.Errorf("%s: healthy: %+v", d.layout.name, m)
			}
		}
		for _, slow := range []time.Duration{200 * time.Millisecond, 2 * time.Second} {
			d.members[victim].Before(after(slow))
			for _, when := range []string{"before a read", "after one"} {
				st := look()
				if st.State != blockstore.StateOK {
					t.Errorf("%s: the array is %+v", d.layout.name, st)
				}
				for i, m := range st.Members {
					if m.Slow != (i == victim) || m.State != blockstore.StateOK || m.Slow != strings.HasPrefix(m.Detail, "slow: ") {
						t.Errorf("%s: %v, %s: member %d: %+v", d.layout.name, slow, when, i, m)
					}
				}
				d.mustRead("slow", 3*hedge)
			}
			d.members[victim].Before(after(5 * time.Millisecond))
			d.mustRead("quick again", 3*hedge)
			look()
			if m := look().Members[victim]; m.Slow || m.Detail != "" {
				t.Errorf("%s: quick again after %v: %+v", d.layout.name, slow, m)
			}
		}
	})
}

// A member that takes no writes is told as such: while something is owed to it, and
// for a minute after the last that it refused; and no longer once it takes them again.
func TestAMemberThatTakesNoWrites(t *testing.T) {
	for _, says := range []kind.Kind{kind.NoSpace, kind.Denied} {
		t.Run(says.Word(), func(t *testing.T) {
			eachLayout(t, func(t *testing.T, d *drill) {
				defer d.close()
				look := func(when string, refuses bool) {
					t.Helper()
					st := blockstore.StatusOf(t.Context(), d.store, blockstore.StatusOptions{})
					for i, m := range append(st.Members, st) {
						want, detail := blockstore.StateOK, ""
						if refuses && (i == victim || i == len(st.Members)) {
							want = blockstore.StateDegraded
						}
						if refuses && i == victim {
							detail = "it takes no writes: "
						}
						if m.State != want || !strings.HasPrefix(m.Detail, detail) || detail == "" && m.Detail != "" {
							t.Errorf("%s: %s: %d: %+v", d.layout.name, when, i, m)
						}
					}
				}
				look("healthy", false)
				d.members[victim].Before(func(_ context.Context, op blockstoretest.Op, _ int, _ blockstore.ID) error {
					if op == blockstoretest.OpPut {
						return says
					}
					return nil
				})
				if err := d.put(1000); (err == nil) != d.layout.lax {
					t.Errorf("%s: put: %v", d.layout.name, err)
				}
				synctest.Wait()
				look("after a put", true)
				time.Sleep(10 * time.Minute) // of the bubble
				look("ten minutes later", d.layout.lax)
				_ = d.put(1000)
				synctest.Wait()
				look("after another", true)
				d.members[victim].Before(nil)
				time.Sleep(2 * time.Minute)
				look("two minutes after there was room", false)
				d.mustRead("at the end", hedge)
			})
		})
	}
}

// Status says what each member holds, lacks and answers.
func TestStatus(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		look := func() blockstore.Status {
			return blockstore.StatusOf(t.Context(), blockstore.NewVerified(d.store), blockstore.StatusOptions{Count: true})
		}
		blocks := int64(len(d.blocks))
		st := look()
		if st.State != blockstore.StateOK || st.Detail != "" || st.Count.Blocks != blocks || !strings.HasPrefix(d.layout.name, st.Layout) {
			t.Errorf("%s: whole: %+v", d.layout.name, st)
		}
		for i, m := range st.Members {
			if m.State != blockstore.StateOK || m.Name != fmt.Sprint(i) || m.Count == nil || m.Count.Blocks != blocks || m.Count.Lacks != 0 || m.Count.Bytes == 0 {
				t.Errorf("%s: whole: member %+v", d.layout.name, m)
			}
		}
		n := 0
		for id := range d.blocks {
			if n++; n <= 3 {
				d.spoil(victim, id, blockstoretest.Drop)
			}
		}
		if m := look().Members[victim]; m.Count.Lacks != 3 || m.Count.Blocks != blocks-3 {
			t.Errorf("%s: a member that lost 3: %+v", d.layout.name, m.Count)
		}
		d.members[victim].Before(hung)
		begin := time.Now()
		st = look()
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("%s: status took %v", d.layout.name, took)
		}
		m := st.Members[victim]
		if st.State != blockstore.StateDegraded || m.State != blockstore.StateDown || m.Detail == "" || m.Count != nil || st.Members[1].State != blockstore.StateOK {
			t.Errorf("%s: one hangs: %+v", d.layout.name, st)
		}
		for _, m := range d.members {
			m.Before(dead)
		}
		if st := look(); st.State != blockstore.StateDown || st.Detail == "" {
			t.Errorf("%s: all are dead: %+v", d.layout.name, st)
		}
	})
}

// A composition of compositions is looked at, scrubbed and rebuilt as a whole, by
// the names that the configuration gives.
func TestNested(t *testing.T) {
	t.Parallel()
	t.Run("names", func(t *testing.T) { nested(t, func(path string) string { return path[len(path)-1:] }) })
	t.Run("paths", func(t *testing.T) { nested(t, func(path string) string { return path }) })
}

// nested is TestNested with members that are called by name of their paths.
func nested(t *testing.T, name func(path string) string) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		member := func(name string, s blockstore.Store, err error) blockstore.Member {
			if err != nil {
				t.Fatal(err)
			}
			return blockstore.Member{Name: name, Store: s}
		}
		disks := map[string]*disk{}
		leaf := func(path string) blockstore.Member {
			disks[path] = &disk{inner: memory.New()}
			return member(name(path), platter{disks[path]}, nil)
		}
		mirror, err := raid1.Open(ctx, []blockstore.Member{leaf("0.0"), leaf("0.1")}, raid1.Options{Log: quiet})
		m0 := member("0", mirror, err)
		stripes, err := raid5.Open(ctx, []blockstore.Member{leaf("1.0"), leaf("1.1"), leaf("1.2")}, raid5.Options{Log: quiet})
		m1 := member("1", stripes, err)
		spread, err := raid0.Open(ctx, []blockstore.Member{leaf("2.0"), leaf("2.1")}, raid0.Options{Log: quiet})
		m2 := member("2", spread, err)
		s, err := raid5.Open(ctx, []blockstore.Member{m0, m1, m2}, raid5.Options{Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		blocks := map[blockstore.ID][]byte{}
		for range 30 {
			id, block := storecheck.Chunk(5000)
			blocks[id] = block
			if err := s.Put(ctx, id, block); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"0.1", "1.2"} {
			for info := range disks[name].store().List(ctx, blockstore.ID{}) {
				b, _ := disks[name].store().Get(ctx, info.ID)
				b[len(b)-1] ^= 1
				_ = disks[name].store().Delete(ctx, info.ID)
				_ = disks[name].store().Put(ctx, info.ID, b)
			}
		}
		found := map[string]int{}
		if _, err := s.Scrub(ctx, blockstore.ScrubOptions{}, func(f blockstore.Finding) {
			if !f.Mended {
				t.Errorf("%v", f)
			}
			found[f.Member]++
		}); err != nil {
			t.Fatal(err)
		}
		if found["0.1"] == 0 || found["1.2"] == 0 || len(found) != 2 {
			t.Errorf("found %v", found)
		}
		disks["0.1"].replace(memory.New())
		disks["1.0"].replace(memory.New())
		time.Sleep(2 * time.Minute)
		st := s.Status(ctx, blockstore.StatusOptions{})
		if st.State != blockstore.StateDegraded || st.Members[0].State != blockstore.StateDegraded || st.Members[0].Members[1].State != blockstore.StateBlank {
			t.Errorf("status %+v", st)
		}
		blockstoretest.Expect(t, s, blocks)
		for _, name := range []string{"0.1", "1.0"} {
			if _, err := s.Rebuild(ctx, name, blockstore.RebuildOptions{}, func(blockstore.Finding) {}); err != nil {
				t.Errorf("rebuild %s: %v", name, err)
			}
		}
		for _, name := range []string{"3", "0.7", "0.1.1", "", "00.1"} {
			if _, err := s.Rebuild(ctx, name, blockstore.RebuildOptions{}, nil); kind.Of(err) != kind.NotExist {
				t.Errorf("rebuild %q: %v", name, err)
			}
		}
		if st := s.Status(ctx, blockstore.StatusOptions{}); st.State != blockstore.StateOK {
			t.Errorf("status after the rebuild %+v", st)
		}
		for _, name := range []string{"0.0", "1.1"} { // on the rebuilt ones
			disks[name].replace(memory.New())
		}
		blockstoretest.Expect(t, s, blocks)
	})
}

// Scrub and rebuild keep to the rate that they are given, can be broken off, and
// go on from where they were.
func TestScrubInSteps(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		begin := time.Now()
		totals, err := blockstore.Scrub(t.Context(), d.store, nil, blockstore.ScrubOptions{Rate: 100_000}, func(blockstore.Finding) {})
		want := time.Duration(totals.Bytes) * time.Second / 100_000
		if took := time.Since(begin); err != nil || took < want/2 || took > want+time.Second { // the last ones are paid for afterwards
			t.Errorf("%s: %d bytes took %v, %v", d.layout.name, totals.Bytes, took, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), want/2)
		defer cancel()
		first, err := blockstore.Scrub(ctx, d.store, nil, blockstore.ScrubOptions{Rate: 100_000}, func(blockstore.Finding) {})
		if kind.Of(err) != kind.Canceled {
			t.Errorf("%s: broken off: %v", d.layout.name, err)
		}
		rest, err := blockstore.Scrub(t.Context(), d.store, nil, blockstore.ScrubOptions{After: first.Last}, func(blockstore.Finding) {})
		if err != nil || first.Blocks+rest.Blocks < totals.Blocks {
			t.Errorf("%s: %d blocks and %d of %d, %v", d.layout.name, first.Blocks, rest.Blocks, totals.Blocks, err)
		}
		var told []blockstore.Totals
		_, err = blockstore.Scrub(t.Context(), d.store, nil, blockstore.ScrubOptions{Rate: 30_000, Progress: func(t blockstore.Totals) { told = append(told, t) }},
			func(blockstore.Finding) {})
		if err != nil || len(told) == 0 {
			t.Errorf("%s: progress was told %d times, %v", d.layout.name, len(told), err)
		}
	})
}

// A store that is no composition is scrubbed too.
func TestScrubOfOneStore(t *testing.T) {
	t.Parallel()
	s := memory.New()
	ids := make([]blockstore.ID, 10)
	for i := range ids {
		id, block := storecheck.Chunk(100)
		if ids[i] = id; i == 4 {
			block[80] ^= 1
		}
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
	}
	var found []blockstore.Finding
	totals, err := blockstore.Scrub(t.Context(), blockstore.NewVerified(s), nil, blockstore.ScrubOptions{}, func(f blockstore.Finding) { found = append(found, f) })
	if err != nil || totals.Blocks != 10 || totals.Lost != 1 || len(found) != 1 || found[0].ID != ids[4] || found[0].Fault != blockstore.FaultCorrupt {
		t.Errorf("%+v, %v, %v", totals, found, err)
	}
	st := blockstore.StatusOf(t.Context(), s, blockstore.StatusOptions{Count: true})
	if st.State != blockstore.StateOK || st.Count.Blocks != 10 {
		t.Errorf("%+v", st)
	}
	if _, err := blockstore.Rebuild(t.Context(), s, "0", blockstore.RebuildOptions{}, nil); kind.Of(err) != kind.Unsupported {
		t.Errorf("%v", err)
	}
}
