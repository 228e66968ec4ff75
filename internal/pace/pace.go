// Package pace waits: it slows work that runs beside clients down to a rate, and
// sleeps no longer than a context lasts.
package pace

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Pace lets a bounded number of units pass a second. It is safe for concurrent use.
type Pace struct {
	perSecond int64

	mu   sync.Mutex // guards next
	next time.Time  // when what passed so far has been paid for
}

// burst is how far ahead of its rate work may be.
const burst = 250 * time.Millisecond

// New returns a Pace of so many units a second; 0 and less is no bound.
func New(perSecond int64) *Pace { return &Pace{perSecond: perSecond} }

// Wait returns when n more units may pass, or with the error of ctx.
func (p *Pace) Wait(ctx context.Context, n int64) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wait for the pace: %w", err)
	}
	if p.perSecond <= 0 {
		return nil
	}
	d := p.take(n)
	if d <= 0 {
		return nil
	}
	if !Sleep(ctx, d) {
		return fmt.Errorf("wait for the pace: %w", ctx.Err())
	}
	return nil
}

// take books n units, and tells how long to wait before they may pass.
func (p *Pace) take(n int64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if oldest := now.Add(-burst); p.next.Before(oldest) {
		p.next = oldest
	}
	wait := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(n) / float64(p.perSecond) * float64(time.Second)))
	return wait
}

// Every returns a function that reports true once an interval at most, for one
// goroutine.
func Every(interval time.Duration) func() bool {
	last := time.Now()
	return func() bool {
		now := time.Now()
		if now.Sub(last) < interval {
			return false
		}
		last = now
		return true
	}
}

// Sleep waits for d, and reports false if ctx ended before.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
