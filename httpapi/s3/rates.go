package s3

import (
	"errors"
	"maps"
	"math"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

// How often one name may do something: a bucket of tokens for each, as many as burst,
// of which so many come back a second. The zero value of a bucket is a full one.
type rates struct {
	mu  sync.Mutex // guards all
	all map[string]tokens
}

// tokens are those that were there at a time.
type tokens struct {
	left float64
	at   time.Time
}

// rate is what a name may do.
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

// has is take of nothing.
func (r *rates) has(name string, limit rate, now time.Time) (wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.left(name, limit, now)
	return limit.until(left), left >= 1
}

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

// wrongSignatures is how often an access key may be claimed wrongly from one address:
// secrets that people chose can be guessed. A stranger who spoils the key for his own
// address doesn't for others'.
var wrongSignatures = rate{perSecond: 1.0 / 6, burst: 10}

// source is what counts as one client: an address, of IPv6 a network of 64 bits. Empty:
// this machine, or a proxy, behind which everybody may be.
func (c *call) source() string {
	at, err := netip.ParseAddrPort(c.r.RemoteAddr)
	if err != nil || at.Addr().IsLoopback() || c.server.trusts(at.Addr().Unmap()) {
		return ""
	}
	a := at.Addr().Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64)
	return p.String()
}

// guesses is the name under which wrong claims of a key are counted.
func (c *call) guesses(key string) string {
	source := c.source()
	if source == "" {
		return ""
	}
	return source + " " + key
}

// mayClaim refuses to look at a claim of a key after too many wrong ones.
func (c *call) mayClaim(key string) error {
	name := c.guesses(key)
	if name == "" {
		return nil
	}
	if wait, ok := c.server.wrong.has(name, wrongSignatures, c.server.now()); !ok {
		return slowDown("Too many requests with this access key from your address had a wrong signature.", wait)
	}
	return nil
}

// claimedWrongly counts a claim that err refused, if that is for its signature: who
// signs rightly what is refused for something else guesses nothing.
func (c *call) claimedWrongly(key string, err error) {
	if e, ok := errors.AsType[*sigv4.Error](err); ok && e.Code != string(SignatureDoesNotMatch) {
		return
	}
	if name := c.guesses(key); name != "" {
		_, _ = c.server.wrong.take(name, wrongSignatures, c.server.now())
	}
}

// moderate refuses more requests by name than MaxRequestRate allows.
func (c *call) moderate(name string) error {
	if c.server.MaxRequestRate <= 0 || name == "" {
		return nil
	}
	n := float64(c.server.MaxRequestRate)
	if wait, ok := c.server.asked.take(name, rate{perSecond: n, burst: 2 * n}, c.server.now()); !ok {
		return slowDown("", wait)
	}
	return nil
}

func slowDown(text string, wait time.Duration) error {
	f := fail(SlowDown, "")
	if text != "" {
		f.message = text
	}
	return f.header("Retry-After", strconv.Itoa(int(math.Ceil(max(wait.Seconds(), 1)))))
}
