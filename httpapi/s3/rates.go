package s3

import (
	"errors"
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

// Who asks too often is told to slow down: by max_request_rate, and for wrong
// signatures, by which secrets could be guessed.

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
