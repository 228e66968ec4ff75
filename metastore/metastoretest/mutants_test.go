package metastoretest_test

import (
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/metastore/memory"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

// broken is a way in which a mutant is, and the checks that say so.
type broken struct {
	name  string
	spoil func(m *mutant)
	fails []string
}

// TestMutants breaks the store in one way after another, and expects the named
// checks to say so; and every check to say so of some mutant.
func TestMutants(t *testing.T) {
	tests := slices.Concat(firstMutants(), simpleMutants(), viewMutants(), rootMutants(), rowMutants(), sealedMutants())
	checks := map[string]metastoretest.Check{}
	for _, c := range metastoretest.Checks() {
		if _, twice := checks[c.Name]; twice {
			t.Errorf("two checks are named %s", c.Name)
		}
		checks[c.Name] = c
	}
	caught := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range tt.fails {
				caught[name] = true
				m := &mutant{Store: memory.New()}
				tt.spoil(m)
				c, known := checks[name]
				if !known {
					t.Fatalf("no check is named %s", name)
				}
				if err := c.Run(t.Context(), m); err == nil {
					t.Errorf("check %s finds nothing wrong", name)
				}
			}
		})
	}
	for name := range checks {
		if !caught[name] {
			t.Errorf("no mutant fails check %s", name)
		}
	}
}
