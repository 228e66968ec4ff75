// Package blockstoretest is the suite that every blockstore driver and
// composition passes, and the faulty store that other packages' tests put under
// the code that must survive it. The checks themselves are package storecheck's.
package blockstoretest

import (
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
)

// Option adds to what Run does.
type Option func(*options)

type options struct {
	reopen func(*testing.T) blockstore.Store
}

// Reopen gives a way to open, after Close, the store that open made in the same
// subtest, for stores that outlive their process.
func Reopen(f func(*testing.T) blockstore.Store) Option {
	return func(o *options) { o.reopen = f }
}

// Run runs every check on a fresh store of its own, as a subtest of its name.
// The store is closed afterwards.
func Run(t *testing.T, open func(*testing.T) blockstore.Store, opts ...Option) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	for _, check := range storecheck.Checks() {
		t.Run(check.Name, func(t *testing.T) {
			s := open(t)
			if err := check.Run(t.Context(), s); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	if o.reopen != nil {
		t.Run("Reopen", func(t *testing.T) { reopened(t, open(t), o.reopen) })
	}
}

// reopened: what was put is there after Close and another open, what was
// deleted is not.
func reopened(t *testing.T, s blockstore.Store, reopen func(*testing.T) blockstore.Store) {
	ctx := t.Context()
	kept, gone := map[blockstore.ID][]byte{}, map[blockstore.ID][]byte{}
	for round := range 3 {
		for _, n := range []int{1, 5000, 65_536, 70_000, 1 << 20} {
			id, block := storecheck.Chunk(n)
			kept[id] = block
			dead, deadBlock := storecheck.Chunk(n)
			gone[dead] = deadBlock
			put(t, s, id, block)
			put(t, s, dead, deadBlock)
			if err := s.Delete(ctx, dead); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = reopen(t)
		Expect(t, s, kept)
		ExpectAbsent(t, s, gone)
		if t.Failed() {
			t.Fatalf("after reopening %d times", round+1)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
