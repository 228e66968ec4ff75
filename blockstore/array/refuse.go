package array

import (
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// The times that a member which takes no writes is remembered for: until one
// succeeds that long after the last refusal, since a full disk may take small
// blocks; and, where nothing is owed to it that would be tried again, for as long.
const (
	refuseAgain  = 10 * time.Second
	refuseForget = time.Minute
)

// wrote notes how a write to a member ended: one that is full, or doesn't let us,
// answers, and can be read, but what is put it lacks.
func (a *Array) wrote(m *member, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	switch k := kind.Of(err); {
	case k == kind.NoSpace, k == kind.Denied:
		before := m.refuses
		m.refuses, m.refusedAt = err, now
		if before == nil {
			a.log.Warn("a member of the array takes no writes", "array", a.name(), "member", m.name, "error", err)
		}
	case err == nil && m.refuses != nil && now.Sub(m.refusedAt) > refuseAgain:
		m.refuses = nil
		a.log.Info("a member of the array takes writes again", "array", a.name(), "member", m.name)
		a.wake(a.drains)
	}
}

// refusal is why a member takes no writes; nil if it does, as far as is known.
func (m *member) refusal(owed int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if owed == 0 && time.Since(m.refusedAt) > refuseForget {
		return nil
	}
	return m.refuses
}
