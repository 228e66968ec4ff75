package accounts

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// set is the accounts of one good version of the file. It doesn't change.
type set struct {
	byName    map[string]*entry
	names     []string            // in the file's order
	passwords []*password         // all of them, for names that have none
	s3        map[string]*s3Login // by access key id
}

// entry is all that the lines of one name say.
type entry struct {
	root     caps.Cap
	password *password
	keys     []keyLogin
	ssh      bool // it has a line that is no access key
	s3       []string
	all      limits // of all SSH lines together, for certificates of a common CA
	policy   Policy // of all lines together
}

type password struct {
	hash   hash
	scheme string // "argon2id", "bcrypt", "plain"
	limits limits
}

type keyLogin struct {
	Key
	limits limits
}

// newSet builds the accounts of a document without mistakes. What plain
// passwords are compared by depends on key, so that none is kept.
func newSet(d *document, key []byte) *set {
	s := &set{byName: map[string]*entry{}, s3: map[string]*s3Login{}}
	for _, r := range d.rows {
		l := r.login
		if l == nil {
			continue
		}
		e := s.byName[l.name]
		if e == nil {
			e = &entry{root: l.root}
			s.byName[l.name] = e
			s.names = append(s.names, l.name)
		}
		e.policy = e.policy.and(l.limits.policy)
		if l.s3 != nil {
			e.s3 = append(e.s3, l.s3.id)
			s.s3[l.s3.id] = &s3Login{name: l.name, secret: l.s3.secret, limits: l.limits}
			continue
		}
		e.restrict(l.limits)
		if l.key != nil {
			e.keys = append(e.keys, keyLogin{Key: *l.key, limits: l.limits})
			continue
		}
		e.password = newPassword(l, key)
		s.passwords = append(s.passwords, e.password)
	}
	return s
}

// restrict adds a line's limits to those of all.
func (e *entry) restrict(l limits) {
	e.ssh = true
	also := e.all.also
	if l.also == ByPassword {
		also = ByPassword
	}
	verify := e.all.verify || l.verify
	e.all = e.all.and(l)
	e.all.also, e.all.verify = also, verify
}

func newPassword(l *line, key []byte) *password {
	p := &password{hash: l.hash, limits: l.limits, scheme: "argon2id"}
	switch l.hash.(type) {
	case *bcryptHash:
		p.scheme = "bcrypt"
	case nil:
		p.scheme = "plain"
		p.hash = &plainHash{key: key, sum: keyedSum(key, []byte(l.secret.expose()))}
	}
	return p
}

// plainHash stands in for a password that the file holds as it is.
type plainHash struct{ key, sum []byte }

func (h *plainHash) match(password []byte) bool {
	return hmac.Equal(keyedSum(h.key, password), h.sum)
}

func (*plainHash) memory() int64 { return 0 }

func keyedSum(key, text []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(text)
	return m.Sum(nil)
}

// byPassword proves name by a password.
//
// A name without a password, or that nobody has, costs the check of the
// password of some name that has one, always the same: so no name can be told
// from another by the time that its refusal takes, whatever schemes the file mixes.
func (s *set) byPassword(ctx context.Context, g *gate, key []byte, name string, try []byte) (Account, error) {
	if len(try) > MaxPassword || len(s.passwords) == 0 {
		return Account{}, errRefused
	}
	e := s.byName[name]
	p := s.standIn(key, name)
	real := 0
	if e != nil && e.password != nil {
		p, real = e.password, 1
	}
	ok, err := g.match(ctx, p.hash, try)
	if err != nil {
		return Account{}, err
	}
	if !ok || real == 0 {
		return Account{}, errRefused
	}
	return e.account(name, p.limits)
}

// standIn picks the password whose cost a name without one has.
func (s *set) standIn(key []byte, name string) *password {
	n := binary.BigEndian.Uint64(keyedSum(key, []byte("stand-in\x00"+name)))
	return s.passwords[n%uint64(len(s.passwords))]
}

// byKey proves name by a public key, or rather says which account it would
// prove. With the same key on several lines, the first that allows the most wins.
func (s *set) byKey(name string, wire []byte) (Account, error) {
	e := s.byName[name]
	if e == nil {
		return Account{}, errRefused
	}
	var found *keyLogin
	for i := range e.keys {
		k := &e.keys[i]
		if !k.limits.authority && bytes.Equal(k.wire, wire) && (found == nil || found.limits.readOnly && !k.limits.readOnly) {
			found = k
		}
	}
	if found == nil {
		return Account{}, errRefused
	}
	return e.account(name, found.limits)
}

// errRefused is the one answer to a wrong login.
var errRefused = fmt.Errorf("accounts: log in: %w", kind.Denied)

// account applies a line's limits to the root.
func (e *entry) account(name string, l limits) (Account, error) {
	root := e.root
	if l.readOnly {
		weak, ok := caps.AtMost(root, caps.AuthorityRead)
		if !ok {
			return Account{}, kind.Errorf(kind.Denied, "accounts: %q: the root has no read capability", name)
		}
		root = weak
	}
	return Account{Name: name, Root: root, limits: l}, nil
}
