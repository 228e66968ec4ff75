package array

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// member is one store of the array, and what is known about it.
type member struct {
	name  string // as configured
	index int    // as recorded
	key   string // by which the queue knows it
	store blockstore.Store

	busy    atomic.Int64 // reads under way
	writes  atomic.Int64 // writes under way, those that nobody waits for included
	late    atomic.Bool  // since the last check a read was given up, or found a fault
	givenUp atomic.Int32 // reads in a row that others answered first
	faults  atomic.Int64 // copies that reads found absent or damaged

	mu        sync.Mutex // guards the fields below
	state     blockstore.State
	err       error            // why it can't be used
	failures  int              // checks that failed since it was usable
	retryAt   time.Time        // when the next check is due
	checking  chan struct{}    // closed when the check under way ends; nil if none is
	refuses   error            // why it took no write lately; nil if it does
	refusedAt time.Time        // when that was last
	slow      bool             // the log was told that it is
	told      time.Time        // when the log was last told that it is slow
	probes    [2]time.Duration // how long the last checks took that it stood
	mean      time.Duration    // of its reads
	spread    time.Duration    // mean deviation
}

// errLate is the cause with which the array ends calls that took too long.
var errLate = errors.New("no answer in time")

// The intervals at which a member that can't be used is asked again.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// look gives the member's state, and why it can't be used.
func (m *member) look() (blockstore.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state, m.err
}

// usable reports whether calls may go to a member in that state.
func usable(s blockstore.State) bool {
	return s == blockstore.StateOK || s == blockstore.StateRebuilding
}

// ready returns when the member may be used, or with why it can't. Who comes
// while it is checked for the first time after it was lost waits for the outcome.
func (a *Array) ready(ctx context.Context, m *member) error {
	for {
		m.mu.Lock()
		state, err, first, checking := m.state, m.err, m.failures == 0, m.checking
		m.mu.Unlock()
		switch {
		case usable(state):
			return nil
		case state != blockstore.StateDown || !first:
			return err
		case a.life.Err() != nil:
			return fmt.Errorf("%v: %w", a.level, kind.Closed)
		case checking == nil:
			a.startCheck(m)
			continue
		}
		select {
		case <-checking:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// do runs one call on a member, and learns from its outcome. Its errors name the
// member. A member that returned empty gives NotExist: whatever it held, it
// holds no more.
func (a *Array) do(ctx context.Context, m *member, f func(context.Context, blockstore.Store) error) error {
	err := a.ready(ctx, m)
	if err == nil {
		err = f(ctx, m.store)
	}
	switch {
	case err == nil:
		return nil
	case kind.Of(err) == kind.Canceled && context.Cause(ctx) == errLate,
		kind.Of(err) == kind.Canceled && ctx.Err() == nil: // it has a limit of its own
		err = fmt.Errorf("%w: %w", kind.Unavailable, err)
	}
	if k := kind.Of(err); k == kind.Unavailable || k == kind.Closed {
		a.lost(m, err)
	}
	return fmt.Errorf("member %s: %w", m.name, err)
}

// lost notes that a member failed to answer: it is not used until its record
// has been read again.
func (a *Array) lost(m *member, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !usable(m.state) {
		return
	}
	m.state, m.err = blockstore.StateDown, err
	m.failures, m.retryAt = 0, time.Now()
	a.log.Warn("a member of the array doesn't answer", "array", a.name(), "member", m.name, "error", err)
	a.wake(a.checks)
}

// learn takes the time of a read into the estimate, as TCP does of round trips.
func (m *member) learn(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mean == 0 {
		m.mean, m.spread = took, took/2
		return
	}
	m.spread += ((took - m.mean).Abs() - m.spread) / 4
	m.mean += (took - m.mean) / 8
}

// The bounds of the time after which another member is asked, and that time as
// long as nothing is known.
const (
	minPatience = 30 * time.Millisecond
	maxPatience = time.Second
	patience    = 200 * time.Millisecond
)

// hangs reports whether reads are better not begun here: of those lately none was
// answered in time. A check that is finds out when that is over.
func (m *member) hangs() bool { return m.givenUp.Load() >= 2 }

// patience is how long a read of this member may take before another is asked.
func (m *member) patience() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mean == 0 {
		return patience
	}
	return min(max(m.mean+4*m.spread, minPatience), maxPatience)
}

// rank orders members for reading: those in use before others, by how long the
// next read will take.
func (m *member) rank() (class int, cost time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.state {
	case blockstore.StateOK:
		if m.hangs() {
			class = 1
		}
	case blockstore.StateRebuilding:
		class = 1
	default:
		class = 2
	}
	return class, (m.mean + time.Microsecond) * time.Duration(1+m.busy.Load())
}
