// Package metastoretest holds the checks that every metastore passes, and a
// store that fails on purpose for testing what is built on one.
//
// A check is a plain function, so that go test, deliberately broken stores and
// an operator's check command run the same ones. Checks use ids of their own,
// drawn at random, and expect a store on which nobody else works; they leave
// rows behind.
package metastoretest

import (
	"context"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/metastore"
)

// Check is one property of a metastore: Run says what is wrong, or nil.
type Check struct {
	Name string
	Run  func(context.Context, metastore.Store) error
	// Closes: the check closes the store.
	Closes bool
}

// Checks lists every check.
func Checks() []Check {
	return slices.Concat(slotChecks(), requestChecks(), nodeChecks(), rootChecks(), blockChecks(),
		leaseChecks(), collectChecks(), reapChecks(), viewChecks(), callChecks())
}

// Run runs every check on a fresh store of its own.
func Run(t *testing.T, open func(*testing.T) metastore.Store) {
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
}
