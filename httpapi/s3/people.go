package s3

import (
	"sync"

	"github.com/truckee-fs/truckee/httpapi/s3/acl"
)

// seen remembers the names of accounts that have asked for something, so that
// ACLs can say whose a canonical id is. It isn't kept: what an ACL means doesn't
// depend on it.
type seen struct {
	mu    sync.Mutex
	names map[string]string // by canonical id
}

// maxSeen bounds how many are remembered.
const maxSeen = 1 << 16

func (s *seen) add(name string) {
	if name == "" {
		return
	}
	id := acl.ID(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil || len(s.names) >= maxSeen {
		s.names = map[string]string{}
	}
	s.names[id] = name
}

// Known implements acl.People.
func (s *seen) Known(id string) (acl.Person, bool) {
	p, ok := acl.Nobody{}.Known(id)
	if !ok {
		return p, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Name = s.names[id]
	return p, true
}

// Named implements acl.People.
func (s *seen) Named(name string) (acl.Person, bool) {
	p := acl.Account(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	return p, s.names[p.ID] != ""
}

// people is who is known, with who asks and whom the bucket belongs to.
func (c *call) people() *seen {
	s := &c.server.seen
	s.add(c.who.account.Name)
	if c.bucket != nil {
		s.add(c.bucket.Info().Owner)
	}
	return s
}

// me is who asks.
func (c *call) me() acl.Person {
	if c.who.anonymous() {
		return acl.Person{}
	}
	return acl.Account(c.who.account.Name)
}
