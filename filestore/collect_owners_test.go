package filestore_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
)

// A mark walks what many roots lead to twice at most. Damage there holds what the
// owner has made nevertheless, though the walk doesn't come by from the owner.
func TestDamageBelowThreeRootsHoldsTheOwners(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.open()
	roots := make([]caps.Write, 3)
	for i := range roots {
		_, roots[i] = newTree(t, fs)
	}
	slices.SortFunc(roots, func(a, b caps.Write) int { // as a mark takes them
		x, y := rootID(t, a), rootID(t, b)
		return bytes.Compare(x[:], y[:])
	})
	owner := mount(t, fs, roots[2])
	owner.mkdir("d")
	owner.put("d/f", random(1<<20, 1))
	for _, r := range roots[:2] {
		mount(t, fs, r).mustLink("linked", roots[2])
	}
	lost := rootID(t, owner.capOf("d", caps.AuthorityRead))
	fs.Close()
	clock.Add(int64(time.Hour))
	r := lifetime(t, s.open(func(o *filestore.Options) { o.Meta = withoutSlot(o.Meta, lost) }), clock)
	if r.Held != 1 || s.stored() != 1 {
		t.Errorf("what the damaged directory leads to isn't held: %+v", r)
	}
	whole := s.open()
	lifetime(t, whole, clock)
	mount(t, whole, roots[2]).expect("d/f", random(1<<20, 1))
}
