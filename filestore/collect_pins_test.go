package filestore_test

import (
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
)

// What a backup leads to stays until that is released, also when the root has
// been forgotten by which it leads there; and no longer than that.
func TestPinsHoldWhatForgottenRootsLedTo(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	now := func(o *filestore.Options) { o.Now = func() time.Time { return time.Unix(0, clock.Load()) } }
	first := s.gateway(now)
	old, root := newTree(t, first)
	kept, _ := newTree(t, first)
	old.mkdir("shared")
	part, err := old.CapOf(t.Context(), path("shared"), caps.AuthorityWrite)
	if err != nil {
		t.Fatal(err)
	}
	inner := mount(t, first, part)
	collect(t, first, filestore.CollectOptions{}) // notices that there are two roots
	inner.put("f", random(1<<20, 4))
	old.put("f", random(1<<20, 1))
	old.put("early", random(1<<20, 2))
	kept.put("f", random(1<<20, 3))
	pin, err := s.meta.Collector().Pin(t.Context(), time.Unix(0, clock.Load()).Add(1000*24*time.Hour), "backup")
	if err != nil {
		t.Fatal(err)
	}
	clock.Add(int64(48 * time.Hour))
	inner.discard("later", 1<<20)
	first.Close()
	fs := s.gateway(now)
	if damage := fs.CheckAt(t, pin); damage != nil {
		t.Fatal(damage)
	}
	for _, c := range []caps.Cap{root, part} {
		if err := fs.ForgetRoot(t.Context(), rootID(t, c)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		lifetime(t, fs, clock)
	}
	if n := s.stored(); n != 4 {
		t.Errorf("%d blocks are left, want all that the pinned commit leads to", n)
	}
	// A pin of later doesn't need them.
	if _, err := s.meta.Collector().Pin(t.Context(), time.Unix(0, clock.Load()).Add(1000*24*time.Hour), "another backup"); err != nil {
		t.Fatal(err)
	}
	if err := s.meta.Collector().Unpin(t.Context(), pin); err != nil {
		t.Fatal(err)
	}
	lifetime(t, fs, clock)
	if n := s.stored(); n != 1 {
		t.Errorf("%d blocks are left, want the other root's", n)
	}
	expectWhole(t, fs)
}
