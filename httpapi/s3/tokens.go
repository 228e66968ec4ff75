package s3

import (
	"maps"
	"sync"
	"time"
)

// rates count how often each name does something. A name has a bucket of tokens, at
// most rate.burst of them, of which rate.perSecond come back; one that isn't in the
// table has a full one.
type rates struct {
	mu  sync.Mutex // guards all
	all map[string]tokens
}

// tokens are how many a name had left at a time.
type tokens struct {
	left float64
	at   time.Time
}

// rate is how often a name may do something.
type rate struct{ perSecond, burst float64 }

// maxRates bounds the table: names beyond it take the place of others.
const maxRates = 20_000

// left is what name has at now. It is called with mu held.
func (r *rates) left(name string, limit rate, now time.Time) float64 {
	t, ok := r.all[name]
	if !ok {
		return limit.burst
	}
	return min(limit.burst, t.left+max(now.Sub(t.at).Seconds(), 0)*limit.perSecond)
}

// take takes a token of name's, and tells how long it is until there is one, if
// there is none.
func (r *rates) take(name string, limit rate, now time.Time) (wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.left(name, limit, now)
	if left < 1 {
		return limit.until(left), false
	}
	if r.all == nil {
		r.all = map[string]tokens{}
	}
	if len(r.all) >= maxRates {
		r.makeRoom(limit, now)
	}
	r.all[name] = tokens{left - 1, now}
	return 0, true
}

// has is take, but takes nothing.
func (r *rates) has(name string, limit rate, now time.Time) (wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.left(name, limit, now)
	return limit.until(left), left >= 1
}

// until is how long it is until there is a token, if left are there now.
func (l rate) until(left float64) time.Duration {
	return time.Duration((1 - left) / l.perSecond * float64(time.Second))
}

// makeRoom forgets who has all tokens, and then anybody.
func (r *rates) makeRoom(limit rate, now time.Time) {
	maps.DeleteFunc(r.all, func(name string, _ tokens) bool { return r.left(name, limit, now) >= limit.burst })
	for name := range r.all {
		if len(r.all) <= maxRates*3/4 {
			return
		}
		delete(r.all, name)
	}
}
