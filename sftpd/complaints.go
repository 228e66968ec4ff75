package sftpd

import (
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// A disk that is full makes every request of every client fail. An operator has to
// hear of it, and not a thousand times: of each kind of error so many failed
// requests are logged at their level in so long a time, and then how many were not.
const (
	complaintsOf    = 10
	complaintsEvery = time.Minute
)

// complaints counts the failed requests of a server that operators are told of.
// A nil one lets everything pass.
type complaints struct {
	mu sync.Mutex // guards of
	of map[kind.Kind]*complaintCount
}

type complaintCount struct {
	since      time.Time
	told, held int
}

// pass reports whether one more of kind k is to be told at its level, and how many
// were held back since the last that was.
func (c *complaints) pass(k kind.Kind) (ok bool, held int) {
	if c == nil {
		return true, 0
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[kind.Kind]*complaintCount{}
	}
	n := c.of[k]
	if n == nil {
		n = &complaintCount{since: now}
		c.of[k] = n
	}
	if now.Sub(n.since) >= complaintsEvery {
		n.since, n.told = now, 0
	}
	if n.told >= complaintsOf {
		n.held++
		return false, 0
	}
	n.told++
	held, n.held = n.held, 0
	return true, held
}
