package s3_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3"
)

// behindProxy is a world whose requests come from the addresses that their
// X-Forwarded-For tells, at a time that stands still.
func behindProxy(t *testing.T, change func(*s3.Server)) (*world, *time.Time) {
	now := time.Now()
	w := newWorld(t, func(s *s3.Server) {
		s.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		s.Now = func() time.Time { return now }
		s.HeaderAuth = true
		change(s)
	})
	return w, &now
}

// Secrets aren't guessed: after ten wrong ones of a key nothing more is looked at from
// that address for a while, the right one included. Others come in as before.
func TestWrongSecretsAreSlowedDown(t *testing.T) {
	t.Parallel()
	w, now := behindProxy(t, func(*s3.Server) {})
	list := func(from, key, secret string) reply {
		return w.do("", "GET", "/", nil, "X-Forwarded-For", from, "X-Access-Key", key, "X-Secret-Key", secret)
	}
	for i := range 10 {
		list("192.0.2.1", "KEYANN", fmt.Sprint("guess ", i)).want(t, 403, "SignatureDoesNotMatch")
	}
	r := list("192.0.2.1", "KEYANN", "secret of ann").want(t, 503, "SlowDown")
	if r.Header.Get("Retry-After") != "6" {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	w.do("ann", "GET", "/", nil, "X-Forwarded-For", "192.0.2.1").want(t, 503, "SlowDown") // by a signature, too
	list("192.0.2.2", "KEYANN", "secret of ann").want(t, 200)
	list("192.0.2.1", "KEYBOB", "secret of bob").want(t, 200)
	list("127.0.0.1", "KEYANN", "secret of ann").want(t, 200)
	*now = now.Add(6 * time.Second)
	list("192.0.2.1", "KEYANN", "secret of ann").want(t, 200)
	list("192.0.2.1", "KEYANN", "guess").want(t, 403)
	list("192.0.2.1", "KEYANN", "secret of ann").want(t, 503)

	for i := range 11 { // a network of IPv6 is one client
		from := fmt.Sprintf("2001:db8::%x", i+1)
		if want := map[bool]int{true: 403, false: 503}[i < 10]; list(from, "KEYANN", "guess").StatusCode != want {
			t.Errorf("guess %d: not %d", i, want)
		}
	}
	for range 20 { // behind a proxy that tells no address there may be anybody
		list("127.0.0.1", "KEYBOB", "guess").want(t, 403)
	}
	from := http.Header{"X-Forwarded-For": {"192.0.2.3"}}
	for range 20 { // the signature is right, and a header that it doesn't cover is what is wrong
		w.through("/", from, func(r *http.Request) { r.Header.Set("X-Amz-Acl", "private") }).want(t, 403, "AccessDenied")
	}
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Error("what clients do wrong is an error in the log")
	}
}

// More requests than are allowed are refused by key and by address, and come in again
// when their time has come.
func TestRequestsHaveARate(t *testing.T) {
	t.Parallel()
	w, now := behindProxy(t, func(s *s3.Server) { s.MaxRequestRate = 2 })
	list := func(user, from string) reply { return w.do(user, "GET", "/", nil, "X-Forwarded-For", from) }
	for range 4 {
		list("ann", "127.0.0.1").want(t, 200)
	}
	if r := list("ann", "127.0.0.1").want(t, 503, "SlowDown"); r.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	list("ann", "192.0.2.1").want(t, 503) // the key's rate is everywhere
	for range 3 {
		list("", "192.0.2.1").want(t, 403)
	}
	list("bob", "192.0.2.1").want(t, 503) // and the address's for every key
	list("bob", "192.0.2.2").want(t, 200)
	*now = now.Add(time.Second)
	for range 2 {
		list("ann", "127.0.0.1").want(t, 200)
	}
	list("ann", "127.0.0.1").want(t, 503)
}
