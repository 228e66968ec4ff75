package array

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The intervals at which members are looked after: those in use, since one may
// have been replaced, or its record changed by another gateway; those of which a
// read was given up, or that came back empty, or are being filled, more often.
const (
	checkEvery = time.Minute
	watchEvery = 5 * time.Second
)

// watch looks after the members until the array is closed.
func (a *Array) watch() {
	for a.life.Err() == nil {
		wait := watchEvery
		for _, m := range a.members {
			wait = min(wait, a.due(m))
		}
		t := time.NewTimer(max(wait, 10*time.Millisecond))
		select {
		case <-a.checks:
		case <-t.C:
		case <-a.life.Done():
		}
		t.Stop()
	}
}

// due starts a check of m if it is time, and tells how long it is until then.
func (a *Array) due(m *member) time.Duration {
	m.mu.Lock()
	state, wait, checking := m.state, time.Until(m.retryAt), m.checking != nil
	m.mu.Unlock()
	switch {
	case checking:
		return watchEvery
	case state == blockstore.StateOK && m.late.Load():
	case wait > 0:
		return min(wait, watchEvery)
	}
	a.startCheck(m)
	return watchEvery
}

// startCheck reads the member's record in a goroutine of its own, unless that is
// under way.
func (a *Array) startCheck(m *member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.checking != nil || a.life.Err() != nil {
		return
	}
	m.checking = make(chan struct{})
	a.work.Go(func() { a.check(m) })
}

// check reads a member's record and draws the conclusions.
func (a *Array) check(m *member) {
	ctx, cancel := context.WithTimeoutCause(a.life, a.o.ProbeTimeout, errLate)
	defer cancel()
	m.late.Store(false)
	begin := time.Now()
	rec, err := a.readRecord(ctx, m.store)
	took := time.Since(begin)
	var held holding
	if rec == nil && err == nil {
		held, err = a.holds(ctx, m.store)
	}
	state, err := a.judge(m, rec, held, err)
	if usable(state) {
		a.catchUp(ctx, m, rec)
	}
	m.mu.Lock()
	before := m.state
	if a.life.Err() == nil {
		m.state, m.err = state, err
	}
	switch {
	case usable(state):
		m.failures, m.retryAt = 0, time.Now().Add(checkEvery)
		if state == blockstore.StateRebuilding {
			m.retryAt = time.Now().Add(watchEvery)
		}
		if took < a.patience(maxPatience) {
			m.givenUp.Store(0)
		}
		m.probes = [2]time.Duration{m.probes[1], took}
		if took < m.mean/4 { // it was slow, and isn't any more
			m.mean, m.spread = m.mean/2, m.spread/2
		}
	default:
		pause := min(firstRetry<<min(m.failures, 10), lastRetry)
		m.failures++
		m.retryAt = time.Now().Add(pause + rand.N(pause/4))
	}
	m.mu.Unlock()
	a.tell(m, before, state, err)
	a.tellSlow(m)
	m.mu.Lock()
	close(m.checking)
	m.checking = nil
	m.mu.Unlock()
	a.wake(a.checks)
}

// judge tells the state of a member from its record.
func (a *Array) judge(m *member, rec *record, held holding, err error) (blockstore.State, error) {
	foreign := func(format string, args ...any) (blockstore.State, error) {
		return blockstore.StateForeign, kind.Errorf(kind.Unavailable, format, args...)
	}
	switch {
	case err != nil && (kind.Of(err) == kind.Conflict || kind.Of(err) == kind.Unsupported):
		return foreign("%w", because(err))
	case err != nil:
		return blockstore.StateDown, kind.Errorf(kind.Unavailable, "%w", because(err))
	case rec == nil && held == holdsNothing && a.Spare(len(a.members)) == 0:
		return foreign("it is empty, and has no record of the array: it isn't the member that was here before")
	case rec == nil && (held == holdsOthers || a.Spare(len(a.members)) == 0):
		return foreign("it holds blocks, but has no record of an array")
	case rec == nil:
		return blockstore.StateBlank, errBlank(held)
	case rec.array != a.id || rec.level != a.level:
		return foreign("it belongs to another array, %v %v", rec.level, rec.array)
	case int(rec.index) != m.index:
		return foreign("it is member %d of the array, in the place of member %d", rec.index, m.index)
	case int(rec.members) > len(a.members):
		return blockstore.StateForeign, a.errGrown(rec)
	case rec.state == recordRebuilding:
		return blockstore.StateRebuilding, nil
	}
	return blockstore.StateOK, nil
}

// catchUp brings the marker of a member that was away, or of this array's
// picture of it, up to date.
func (a *Array) catchUp(ctx context.Context, m *member, rec *record) {
	a.learnMarker(rec)
	a.mu.Lock()
	gen, marker := a.gen, a.marker
	a.mu.Unlock()
	if gen == rec.gen && int(rec.members) == len(a.members) {
		return
	}
	select {
	case a.markerMu <- struct{}{}:
		defer func() { <-a.markerMu }()
		if err := a.writeRecord(ctx, m.index, rec.state, marker, gen); err != nil {
			a.log.Warn("a member keeps an old marker", "array", a.name(), "member", m.name, "error", err)
		}
	default: // it is being set anew
	}
}

// tell tells the log of a change, and has repairs made that were waiting for it.
func (a *Array) tell(m *member, before, now blockstore.State, err error) {
	if now == before {
		return
	}
	switch now {
	case blockstore.StateOK, blockstore.StateRebuilding:
		a.log.Info("a member of the array is back", "array", a.name(), "member", m.name, "state", now)
		a.wake(a.drains)
	default:
		a.log.Warn("a member of the array can't be used", "array", a.name(), "member", m.name, "state", now, "error", err)
	}
}
