package array

import (
	"fmt"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
)

// The bounds of what is told as slow: so many times the median of the others, and
// so much more. A store a few round trips farther away is not worth a word.
const (
	slowTimes = 4
	slowMore  = 100 * time.Millisecond
	slowAgain = 10 * time.Second // between two warnings of a member
)

// slowness says why member i, which is in use, takes far longer than the others to
// read, or to tell how it is; "" if it doesn't.
func (a *Array) slowness(i int) string {
	reads, probes := make([]time.Duration, len(a.members)), make([]time.Duration, len(a.members))
	for j, m := range a.members {
		m.mu.Lock()
		if m.state == blockstore.StateOK {
			reads[j], probes[j] = m.mean, min(m.probes[0], m.probes[1]) // one may have met a busy moment
		}
		m.mu.Unlock()
	}
	if own, others, far := outlier(reads, i); far {
		return fmt.Sprintf("its reads take %v, those of the others %v", own, others)
	}
	if own, others, far := outlier(probes, i); far {
		return fmt.Sprintf("it answers in %v, the others in %v", own, others)
	}
	if state, _ := a.members[i].look(); state == blockstore.StateOK && a.members[i].hangs() {
		return "reads were given up, since the others had answered"
	}
	return ""
}

// outlier compares the time at i with the median of the others; 0 is not known.
func outlier(times []time.Duration, i int) (own, others time.Duration, far bool) {
	var known []time.Duration
	for j, t := range times {
		if j != i && t > 0 {
			known = append(known, t)
		}
	}
	if len(known) == 0 {
		return 0, 0, false
	}
	slices.Sort(known)
	others = known[len(known)/2]
	return times[i].Round(time.Millisecond), others.Round(10 * time.Microsecond), times[i] > slowTimes*others+slowMore
}

// tellSlow tells the log that a member has become slow, or is no longer, as a check
// of it finds.
func (a *Array) tellSlow(m *member) {
	why := a.slowness(m.index)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch now := time.Now(); {
	case m.state != blockstore.StateOK:
	case why != "" && !m.slow && (m.told.IsZero() || now.Sub(m.told) > slowAgain):
		m.slow, m.told = true, now
		a.log.Warn("a member of the array is slow: others are read first", "array", a.name(), "member", m.name, "reason", why)
	case why == "" && m.slow:
		m.slow = false
		a.log.Info("a member of the array is slow no longer", "array", a.name(), "member", m.name)
	}
}
