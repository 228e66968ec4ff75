package accounts

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/caps"
)

// answers remembers for a while which logins an account server granted. A
// refusal of a name forgets its grants, those too that are on their way: what
// was asked before the refusal came isn't remembered after it.
type answers struct {
	ttl time.Duration
	key [32]byte // of this process: passwords are remembered as sums under it
	now func() time.Time

	mu       sync.Mutex // guards the fields below
	grants   map[string]grant
	refusals uint64 // counts refusals
}

type grant struct {
	sum   [sha256.Size]byte
	root  caps.Cap
	until time.Time
}

// maxGrants bounds what is remembered.
const maxGrants = 10_000

func newAnswers(ttl time.Duration) *answers {
	a := &answers{ttl: ttl, now: time.Now, grants: map[string]grant{}}
	rand.Read(a.key[:])
	return a
}

func (a *answers) sum(name string, password []byte) [sha256.Size]byte {
	h := hmac.New(sha256.New, a.key[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	h.Write([]byte(name))
	h.Write(password)
	return [sha256.Size]byte(h.Sum(nil))
}

// granted reports whether this login was granted a short while ago.
func (a *answers) granted(name string, password []byte) (caps.Cap, bool) {
	if a.ttl <= 0 {
		return nil, false
	}
	sum := a.sum(name, password)
	a.mu.Lock()
	defer a.mu.Unlock()
	g, ok := a.grants[name]
	if !ok || a.now().After(g.until) || !hmac.Equal(g.sum[:], sum[:]) {
		return nil, false
	}
	return g.root, true
}

// asking is to be called before the question, and its result given to grant.
func (a *answers) asking() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refusals
}

// grant remembers a login, unless a refusal came since it was asked for.
func (a *answers) grant(asked uint64, name string, password []byte, root caps.Cap) {
	if a.ttl <= 0 {
		return
	}
	sum := a.sum(name, password)
	a.mu.Lock()
	defer a.mu.Unlock()
	if asked != a.refusals {
		return
	}
	now := a.now()
	if len(a.grants) >= maxGrants {
		for n, g := range a.grants {
			if now.After(g.until) {
				delete(a.grants, n)
			}
		}
		if len(a.grants) >= maxGrants {
			clear(a.grants)
		}
	}
	a.grants[name] = grant{sum: sum, root: root, until: now.Add(a.ttl)}
}

// refuse forgets what was granted to a name.
func (a *answers) refuse(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals++
	delete(a.grants, name)
}
