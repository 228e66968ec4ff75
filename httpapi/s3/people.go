package s3

import (
	"sync"

	"github.com/truckee-fs/truckee/httpapi/s3/acl"
)

// seen remembers the names of accounts that have asked for something, so that
// ACLs can say whose a canonical id is. It isn't kept: what an ACL means doesn't
// depend on it.
type seen struct {
	mu    sync.RWMutex      // guards the fields below
	names map[string]string // by canonical id
	ids   map[string]string // by name
}

// maxSeen bounds how many are remembered.
const maxSeen = 1 << 16

func (s *seen) add(name string) {
	if name == "" {
		return
	}
	s.mu.RLock()
	known := s.ids[name] != ""
	s.mu.RUnlock()
	if known {
		return
	}
	id := acl.ID(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil || len(s.names) >= maxSeen {
		s.names, s.ids = map[string]string{}, map[string]string{}
	}
	s.names[id], s.ids[name] = name, id
}

// Known implements acl.People.
func (s *seen) Known(id string) (acl.Person, bool) {
	if !acl.IsCanonical(id) {
		return acl.Person{}, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return acl.Person{ID: id, Name: s.names[id]}, true
}

// Named implements acl.People.
func (s *seen) Named(name string) (acl.Person, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	id := s.ids[name]
	return acl.Person{ID: id, Name: name}, id != ""
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
