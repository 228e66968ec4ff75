package guard

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// After so many failures in a row, for so long, the store is left alone, for a
// pause that doubles with each call that then fails. One hiccup of many calls at
// the same time is not enough.
const (
	maxFailures = 5
	patience    = 250 * time.Millisecond
	firstPause  = time.Second
	lastPause   = 30 * time.Second
)

// breaker decides whether the store may be asked.
type breaker struct {
	tell func(broken bool)

	mu       sync.Mutex // guards the fields below
	failures int        // in a row
	since    time.Time  // the first of them
	isBroken bool       // the store is left alone
	until    time.Time  // when broken: then one call may find out
	pause    time.Duration
	trying   bool // that call is under way
	last     error
}

func newBreaker(tell func(broken bool)) *breaker { return &breaker{tell: tell} }

func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.isBroken
}

// admit lets a call through, which tells release how it went; or refuses it with
// Unavailable.
func (b *breaker) admit() (release func(err error), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	trial := false
	if b.isBroken {
		if b.trying || time.Now().Before(b.until) {
			return nil, fmt.Errorf("left alone for %v after %d failures: %w: %w", b.pause, b.failures, kind.Unavailable, b.last)
		}
		b.trying, trial = true, true
	}
	return func(err error) { b.done(trial, err) }, nil
}

// done learns from a call.
func (b *breaker) done(trial bool, err error) {
	b.mu.Lock()
	before := b.isBroken
	if trial {
		b.trying = false
	}
	switch kind.Of(err) {
	case kind.Canceled, kind.Closed: // says nothing about the store
	case kind.Unavailable:
		b.failed(trial, err)
	default:
		b.failures, b.isBroken, b.pause, b.last = 0, false, 0, nil
	}
	after := b.isBroken
	b.mu.Unlock()
	if before != after {
		b.tell(after)
	}
}

// failed counts a failure. Those of calls that were under way when the store was
// given up don't make the pause longer.
func (b *breaker) failed(trial bool, err error) {
	if b.failures == 0 {
		b.since = time.Now()
	}
	b.failures++
	b.last = err
	breaks := !b.isBroken && b.failures >= maxFailures && time.Since(b.since) >= patience
	if trial || breaks {
		b.isBroken = true
		b.pause = min(max(2*b.pause, firstPause), lastPause)
		b.until = time.Now().Add(b.pause + rand.N(b.pause/4))
	}
}
