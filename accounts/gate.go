package accounts

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/semaphore"

	"github.com/truckee-fs/truckee/internal/kind"
)

// gateMemory is what all password checks that run at the same time may use, in KiB.
const gateMemory = 64 << 10

// gate bounds the password checks that run at the same time, by memory and by
// processors, so that a flood of logins can't exhaust either. One check that
// needs more memory than the gate has runs alone.
type gate struct{ room *semaphore.Weighted }

func newGate() *gate { return &gate{semaphore.NewWeighted(gateMemory)} }

// match runs h.match in its turn. Canceled if ctx ends before that.
func (g *gate) match(ctx context.Context, h hash, password []byte) (bool, error) {
	if h.memory() == 0 {
		return h.match(password), nil
	}
	weight := min(gateMemory, max(h.memory(), gateMemory/int64(runtime.GOMAXPROCS(0))))
	if err := g.room.Acquire(ctx, weight); err != nil {
		return false, fmt.Errorf("accounts: log in: %w: %w", kind.Canceled, err)
	}
	defer g.room.Release(weight)
	return h.match(password), nil
}
