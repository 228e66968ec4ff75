// Package metastoretest holds the checks that every metastore passes, and a
// store that fails on purpose for testing what is built on one.
//
// A check is a plain function, so that go test, deliberately broken stores and
// an operator's check command run the same ones. Checks use ids of their own,
// drawn at random, and expect a fresh store on which nobody else works; they
// leave rows behind.
package metastoretest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

// Check is one property of a metastore: Run says what is wrong, or nil.
type Check struct {
	Name string
	Run  func(context.Context, metastore.Store) error
	// Closes: the check closes the store.
	Closes bool
}

// Checks lists every check of one store.
func Checks() []Check {
	return slices.Concat(slotChecks(), requestChecks(), nodeChecks(), rootChecks(), ownerChecks(), chargeChecks(), blockChecks(),
		leaseChecks(), condemnChecks(), deleteChecks(), reapChecks(), pinChecks(), leadChecks(), repairChecks(), sealedChecks(), exportChecks(), importChecks(),
		timeChecks(), viewChecks(), callChecks())
}

// Option adds to what Run does.
type Option func(*suite)

type suite struct {
	pair   func(*testing.T) (a, b metastore.Store)
	reopen func(*testing.T, metastore.Store) metastore.Store
}

// Pair also runs PairChecks, each on two stores of a fresh database.
func Pair(open func(*testing.T) (a, b metastore.Store)) Option {
	return func(s *suite) { s.pair = open }
}

// Reopen also checks what outlives a store: again closes one and opens its
// database anew.
func Reopen(again func(*testing.T, metastore.Store) metastore.Store) Option {
	return func(s *suite) { s.reopen = again }
}

// Run runs every check on a fresh store of its own.
func Run(t *testing.T, open func(*testing.T) metastore.Store, opts ...Option) {
	var s suite
	for _, o := range opts {
		o(&s)
	}
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			defer s.Close()
			if err := c.Run(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
	if s.reopen != nil {
		t.Run("Reopen", func(t *testing.T) {
			t.Parallel()
			if err := s.outlives(t, open(t)); err != nil {
				t.Error(err)
			}
		})
	}
	if s.pair == nil {
		return
	}
	for _, c := range PairChecks() {
		t.Run("Pair"+c.Name, func(t *testing.T) {
			t.Parallel()
			a, b := s.pair(t)
			defer a.Close()
			defer b.Close()
			if err := c.Run(t.Context(), a, b); err != nil {
				t.Error(err)
			}
		})
	}
}

// outlives: all rows are there again, and leases too, which are no rows.
func (s *suite) outlives(t *testing.T, store metastore.Store) error {
	g, d := random[metastore.GatewayID](), random[metastore.DraftID]()
	f := fixture{t.Context(), store}
	if err := first(f.world(), f.s.Heartbeat(f.ctx, g, 0, time.Hour)); err != nil {
		return err
	}
	if err := f.s.Register(f.ctx, g, d, []metastore.BlockRow{{ID: random[metastore.ID](), Len: 1}}); err != nil {
		return err
	}
	before, err := f.rows()
	if err := first(err, f.leads(g, time.Hour, true)); err != nil {
		return err
	}
	usage, err := f.usage()
	if err != nil {
		return err
	}
	f.s = s.reopen(t, f.s)
	defer f.s.Close()
	again, err := f.usage()
	if err == nil && again != usage {
		t.Errorf("usage was %v, is %v", usage, again)
	}
	return first(err, f.sameRows(before), f.draftLives(d, true), f.leads(random[metastore.GatewayID](), 1, false), f.leads(g, 1, true))
}
