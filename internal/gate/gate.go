// Package gate lets calls into something that will be closed: after Close none
// gets in, and Close waits for those inside.
package gate

import (
	"context"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Gate is open as its zero value. It is safe for concurrent use.
type Gate struct {
	mu     sync.Mutex // guards the fields below
	inside int
	closed bool
	empty  chan struct{} // closed when the last leaves after Close; nil before Close
}

// Enter lets a call in, which ends by calling leave. It is Closed after Close,
// and the context's own error when that has ended.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, kind.Closed
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", kind.Canceled, err)
	}
	g.inside++
	return g.leave, nil
}

func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.closed {
		close(g.empty)
	}
}

// Close closes the gate and returns when nobody is inside. It is idempotent;
// first is true for one of its callers.
func (g *Gate) Close() (first bool) {
	g.mu.Lock()
	if first = !g.closed; first {
		g.closed, g.empty = true, make(chan struct{})
		if g.inside == 0 {
			close(g.empty)
		}
	}
	empty := g.empty
	g.mu.Unlock()
	<-empty
	return first
}
