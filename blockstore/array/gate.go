package array

import (
	"context"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
)

// gate counts the calls in flight, and lets none in once it is shut.
type gate struct {
	mu   sync.Mutex // guards the fields below
	n    int
	shut bool
	idle chan struct{} // closed when shut and n is 0
}

func newGate() *gate { return &gate{idle: make(chan struct{})} }

func (g *gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return kind.Closed
	}
	g.n++
	return nil
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.shut && g.n == 0 {
		close(g.idle)
	}
}

// close shuts the gate and waits for the calls in flight. It reports whether it
// was the first to do so.
func (g *gate) close() bool {
	g.mu.Lock()
	first := !g.shut
	g.shut = true
	if first && g.n == 0 {
		close(g.idle)
	}
	g.mu.Unlock()
	<-g.idle
	return first
}

// Enter begins a call on the array, which Leave ends: Closed after Close,
// Canceled if ctx has ended.
func (a *Array) Enter(ctx context.Context, op string) error {
	if err := a.gate.enter(ctx); err != nil {
		return fmt.Errorf("%v: %s: %w", a.level, op, err)
	}
	return nil
}

// Leave ends a call.
func (a *Array) Leave() { a.gate.leave() }
