package array_test

import (
	"context"
	"fmt"
	"slices"
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

// The order in which members are given doesn't matter.
func TestMembersInAnyOrder(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		d.close()
		slices.Reverse(d.disks)
		d.open()
		defer d.close()
		d.mustRead("reversed", 0)
		d.mustReadParts("reversed", 0)
		d.mustBeWhole("reversed")
	})
}

func TestOpenWithAMemberDown(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		d.close()
		begin := time.Now()
		d.open(dead)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("open took %v", took)
		}
		defer d.close()
		d.mustRead("opened without a member", 0)
		if st := d.state(victim); st != blockstore.StateDown {
			t.Errorf("the member is %s", st)
		}
		err := d.put(5000)
		if (err == nil) != d.layout.lax {
			t.Errorf("%s: put: %v", d.layout.name, err)
		}
		d.members[victim].Honest()
		d.mustBeRepaired("opened without a member")
		if st := d.state(victim); st != blockstore.StateOK {
			t.Errorf("the member is %s again", st)
		}
	})
}

func TestOpenWithAHungMember(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		d.close()
		begin := time.Now()
		d.open(hung)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("open took %v", took)
		}
		defer d.close()
		d.mustRead("opened with a hung member", 0)
	})
}

func TestOpenWithTooFewMembers(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		d.close()
		hooks := []hook{dead, dead, dead, dead, dead}[:len(d.disks)]
		if strings.HasPrefix(d.layout.name, "raid5") {
			hooks[1] = nil
		}
		if err := d.tryOpen(hooks...); kind.Of(err) != kind.Unavailable {
			t.Errorf("%s: %v", d.layout.name, err)
		}
		d.open()
		d.mustRead("with all members", 0)
		d.close()
	})
}

// A member that is replaced by an empty one is noticed, at the start and later,
// is not used as if it were whole, and is filled by a rebuild.
func TestAMemberThatCameBackEmpty(t *testing.T) {
	for _, when := range []string{"at the start", "later", "without a word"} {
		t.Run(when, func(t *testing.T) {
			eachLayout(t, func(t *testing.T, d *drill) {
				switch when {
				case "at the start":
					d.close()
					d.disks[victim].replace(memory.New())
					d.open()
				case "later":
					d.members[victim].Before(dead)
					d.mustRead("dead", 0)
					d.disks[victim].replace(memory.New())
					d.members[victim].Honest()
					time.Sleep(time.Minute)
				case "without a word":
					d.disks[victim].replace(memory.New())
					time.Sleep(2 * time.Minute)
				}
				defer d.close()
				if st := d.state(victim); st != blockstore.StateBlank {
					t.Errorf("%s: the member is %s", d.layout.name, st)
				}
				d.mustRead("one is empty", 0)
				if err := d.put(5000); (err == nil) != d.layout.lax {
					t.Errorf("%s: put: %v", d.layout.name, err)
				}
				if n := count(d.disks[victim].store()); n > 0 {
					t.Errorf("%s: %d blocks were put on a member that isn't whole", d.layout.name, n)
				}
				totals, err := blockstore.Rebuild(t.Context(), d.store, fmt.Sprint(victim), blockstore.RebuildOptions{}, func(f blockstore.Finding) {
					if !f.Mended {
						t.Errorf("%s: %v", d.layout.name, f)
					}
				})
				if err != nil || totals.Blocks == 0 || totals.Bytes == 0 {
					t.Errorf("%s: rebuild: %+v, %v", d.layout.name, totals, err)
				}
				if st := d.state(victim); st != blockstore.StateOK {
					t.Errorf("%s: the rebuilt member is %s", d.layout.name, st)
				}
				d.mustBeRepaired("rebuilt")
				d.members[1].Before(dead)
				d.mustRead("on the rebuilt member", 0)
			})
		})
	}
}

func count(s blockstore.Store) (n int) {
	for range s.List(context.Background(), blockstore.ID{}) {
		n++
	}
	return n
}

// A rebuild that was broken off goes on after a restart; until it has ended, the
// member takes writes and doesn't count as whole.
func TestABrokenOffRebuild(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		d.disks[victim].replace(memory.New())
		ctx, cancel := context.WithCancel(t.Context())
		filled := 0
		_, err := blockstore.Rebuild(ctx, d.store, fmt.Sprint(victim), blockstore.RebuildOptions{Rate: 100_000}, func(blockstore.Finding) {
			if filled++; filled == 5 {
				cancel()
			}
		})
		if filled == 0 || count(d.disks[victim].store()) == 0 {
			t.Fatalf("%s: nothing was copied: %v", d.layout.name, err)
		}
		if filled >= 5 && kind.Of(err) != kind.Canceled && err != nil {
			t.Errorf("%s: %v", d.layout.name, err)
		}
		d.close()
		d.open()
		if err == nil {
			return // all was copied in one step
		}
		if st := d.state(victim); st != blockstore.StateRebuilding {
			t.Errorf("%s: the member is %s", d.layout.name, st)
		}
		if err := d.put(5000); err != nil {
			t.Errorf("%s: put: %v", d.layout.name, err)
		}
		if _, err := blockstore.Rebuild(t.Context(), d.store, fmt.Sprint(victim), blockstore.RebuildOptions{}, func(blockstore.Finding) {}); err != nil {
			t.Errorf("%s: second rebuild: %v", d.layout.name, err)
		}
		d.mustBeRepaired("rebuilt in two steps")
		d.close()
	})
}

// A member of another array, or of another use, is never written to.
func TestAForeignMember(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		other := newDrill(t, d.layout)
		other.close()
		d.close()
		own := d.disks[victim].store()
		d.disks[victim].replace(other.disks[victim].store())
		if err := d.tryOpen(); kind.Of(err) != kind.Conflict || !strings.Contains(err.Error(), "different arrays") {
			t.Errorf("%s: open with a member of another array: %v", d.layout.name, err)
		}
		d.disks[victim].replace(own)
		d.open()
		d.members[victim].Before(dead)
		d.mustRead("dead", 0)
		foreign := other.disks[victim].store()
		before := count(foreign)
		d.disks[victim].replace(foreign)
		d.members[victim].Honest()
		time.Sleep(time.Minute)
		if st := d.state(victim); st != blockstore.StateForeign {
			t.Errorf("%s: a member of another array is %s", d.layout.name, st)
		}
		_ = d.put(5000)
		d.mustRead("one is foreign", 0)
		if n := count(foreign); n != before {
			t.Errorf("%s: a foreign member holds %d blocks instead of %d", d.layout.name, n, before)
		}
		if _, err := blockstore.Rebuild(t.Context(), d.store, fmt.Sprint(victim), blockstore.RebuildOptions{}, nil); kind.Of(err) != kind.Unavailable {
			t.Errorf("%s: rebuild of a foreign member: %v", d.layout.name, err)
		}
		d.disks[victim].replace(own)
		d.mustBeRepaired("its own member is back")
		d.close()
	})
}

// One member in the place of another is noticed while the array runs, too.
func TestMembersThatChangedPlaces(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		a, b := d.disks[0].store(), d.disks[1].store()
		d.disks[0].replace(b)
		d.disks[1].replace(a)
		time.Sleep(2 * time.Minute)
		for i := range 2 {
			if st := d.state(i); st != blockstore.StateForeign {
				t.Errorf("%s: member %d is %s", d.layout.name, i, st)
			}
		}
		d.disks[0].replace(a)
		d.disks[1].replace(b)
		d.mustBeRepaired("everybody is at their place again")
		d.close()
	})
}

func openAny(ctx context.Context, level string, stores ...blockstore.Store) error {
	var ms []blockstore.Member
	for i, s := range stores {
		ms = append(ms, blockstore.Member{Name: fmt.Sprint(i), Store: s})
	}
	var s blockstore.Store
	var err error
	switch level {
	case "raid0":
		s, err = raid0.Open(ctx, ms, raid0.Options{Log: quiet})
	case "raid1":
		s, err = raid1.Open(ctx, ms, raid1.Options{Log: quiet})
	case "raid5":
		s, err = raid5.Open(ctx, ms, raid5.Options{Log: quiet})
	}
	if err == nil {
		err = s.Close()
	}
	return err
}

func TestWhatIsNoArray(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		fresh := func() platter { return platter{&disk{inner: memory.New()}} }
		made := func(level string, n int) (ps []blockstore.Store) {
			for range n {
				ps = append(ps, fresh())
			}
			if err := openAny(ctx, level, ps...); err != nil {
				t.Fatal(err)
			}
			return ps
		}
		used := fresh()
		id, block := storecheck.Chunk(10)
		marked := fresh()
		damaged := made("raid1", 2)[0]
		record, err := blockstore.GetMarker(ctx, damaged)
		if err == nil {
			record[20] ^= 1
			err = blockstore.SetMarker(ctx, damaged, record)
		}
		for _, e := range []error{err, used.Put(ctx, id, block), blockstore.SetMarker(ctx, marked, []byte("the marker of a metastore"))} {
			if e != nil {
				t.Fatal(e)
			}
		}
		down := blockstoretest.NewFaulty(fresh())
		down.Before(dead)
		r1, r5, twice := made("raid1", 2), made("raid5", 3), made("raid1", 2)
		for _, tt := range []struct {
			name   string
			level  string
			stores []blockstore.Store
			want   kind.Kind
			says   string
		}{
			{"one member", "raid1", []blockstore.Store{fresh()}, kind.Invalid, "at least 2"},
			{"two members", "raid5", []blockstore.Store{fresh(), fresh()}, kind.Invalid, "at least 3"},
			{"one member", "raid0", []blockstore.Store{fresh()}, kind.Invalid, "at least 2"},
			{"a store in use", "raid1", []blockstore.Store{fresh(), used}, kind.Conflict, "member 1 holds blocks"},
			{"a store with a marker", "raid1", []blockstore.Store{fresh(), marked}, kind.Conflict, "belongs to something else"},
			{"a new one with a member down", "raid1", []blockstore.Store{fresh(), down}, kind.Unavailable, "a new one needs them all"},
			{"a damaged record in a new one", "raid1", []blockstore.Store{fresh(), damaged}, kind.Corrupt, "member 1"},
			{"another level", "raid0", []blockstore.Store{r1[0], r1[1]}, kind.Conflict, "belongs to a raid1"},
			{"too few", "raid5", []blockstore.Store{r5[0], r5[1], r5[2], fresh()}, kind.Invalid, "can't grow"},
			{"a member left out", "raid1", []blockstore.Store{made("raid1", 3)[0], fresh()}, kind.Invalid, "has 3 members, 2 are given"},
			{"a member twice", "raid1", []blockstore.Store{twice[0], twice[0]}, kind.Conflict, "given twice"},
			{"a store in the place of a member", "raid1", []blockstore.Store{r1[0], used}, kind.Conflict, "member 1 holds blocks"},
			{"65 members", "raid0", func() (ps []blockstore.Store) {
				for range 65 {
					ps = append(ps, fresh())
				}
				return ps
			}(), kind.Invalid, "64 at most"},
			{"a replaced member", "raid0", []blockstore.Store{made("raid0", 2)[0], fresh()}, kind.Unavailable, "too few"},
		} {
			if err := openAny(ctx, tt.level, tt.stores...); kind.Of(err) != tt.want || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s of %s: %v", tt.level, tt.name, err)
			}
		}
	})
}

// A copy more, of an array that has none to spare yet.
func TestRaid1Grows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDrill(t, raid1Layout(2, raid1.All))
		d.close()
		d.disks = append(d.disks, &disk{inner: memory.New()})
		d.open()
		defer d.close()
		if st := d.state(2); st != blockstore.StateBlank {
			t.Errorf("a new member is %s", st)
		}
		if _, err := blockstore.Rebuild(t.Context(), d.store, "2", blockstore.RebuildOptions{}, func(blockstore.Finding) {}); err != nil {
			t.Fatal(err)
		}
		d.mustBeWhole("grown")
		for _, m := range d.members[:2] {
			m.Before(dead)
		}
		d.mustRead("on the new member alone", 0)
	})
}
