package accounts

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Limits bound what an account may take at a time. Zero is no bound of the
// account's own; the frontend's bounds hold beside them.
type Limits struct {
	Sessions int   // connections
	Handles  int   // files and directories open in one channel
	Up, Down int64 // bytes a second that all connections send and get together
}

// Policy says how what an account writes is stored, and how much of it may be.
type Policy struct {
	// Dedup has equal chunks of the account stored once (formats.md 6).
	Dedup bool

	// Pad is how far the last chunk of a file is filled up: "", "4096", "pow2".
	Pad string

	MaxBytes int64 // of all files, each by its size; zero: no bound
	MaxFiles int64 // with directories and links; zero: no bound
}

// and is what both say; bounds are the smaller ones.
func (p Policy) and(q Policy) Policy {
	sum := Policy{
		Dedup: p.Dedup || q.Dedup, Pad: p.Pad,
		MaxBytes: lesser(p.MaxBytes, q.MaxBytes), MaxFiles: lesser(p.MaxFiles, q.MaxFiles),
	}
	if sum.Pad == "" {
		sum.Pad = q.Pad
	}
	return sum
}

// Proof is a way to prove an account.
type Proof string

// Proofs that an account may ask for besides the one that was given.
const (
	ByPassword Proof = "password"
	ByKey      Proof = "key"
)

// line's limits: what the options of one line say.
type limits struct {
	Limits
	policy   Policy
	readOnly bool
	also     Proof
	from     []addresses // each must hold the address
	expires  time.Time   // zero: never

	// Of key lines only.
	authority  bool     // the key is a user CA, and itself no login
	principals []string // of certificates; none: the account's name
	noTouch    bool
	verify     bool // the security key must ask for its PIN

	disabled bool // of access keys only
}

// and is what both allow. What only one kind of line has is left out.
func (l limits) and(m limits) limits {
	sum := limits{
		Limits: Limits{
			Sessions: lesser(l.Sessions, m.Sessions), Handles: lesser(l.Handles, m.Handles),
			Up: lesser(l.Up, m.Up), Down: lesser(l.Down, m.Down),
		},
		policy:   l.policy.and(m.policy),
		readOnly: l.readOnly || m.readOnly,
		expires:  l.expires,
	}
	sum.from = append(append(sum.from, l.from...), m.from...)
	if l.expires.IsZero() || !m.expires.IsZero() && m.expires.Before(l.expires) {
		sum.expires = m.expires
	}
	return sum
}

// lesser is the smaller of two bounds of which zero is none.
func lesser[T int | int64](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Check tells whether a login by what this account was proven with is allowed
// from an address and now: Denied if not. The zero address, for a client that
// has none, is in no list.
func (a Account) Check(from netip.Addr, now time.Time) error {
	for _, list := range a.limits.from {
		if !list.hold(from) {
			return kind.Errorf(kind.Denied, "accounts: %q: not from this address", a.Name)
		}
	}
	if !a.limits.expires.IsZero() && !now.Before(a.limits.expires) {
		return kind.Errorf(kind.Denied, "accounts: %q: this login expired at %s", a.Name, a.limits.expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// Limits are the account's bounds.
func (a Account) Limits() Limits { return a.limits.Limits }

// Policy is how what the account writes is stored.
func (a Account) Policy() Policy { return a.limits.policy }

// Also is the proof that is needed besides the one that was given; empty: none.
// ByKey means that the password counts only after a key.
func (a Account) Also() Proof { return a.limits.also }

// NoTouch reports whether the key may sign without anybody touching it (sk- keys).
func (a Account) NoTouch() bool { return a.limits.noTouch }

// VerifyRequired reports whether only a signature counts of which a security key (sk-)
// says that it asked for its user's PIN, fingerprint or the like.
func (a Account) VerifyRequired() bool { return a.limits.verify }

// With returns the account that was proven by both of two proofs of one name:
// it may do what both allow, and asks for none besides.
func (a Account) With(b Account) (Account, error) {
	if a.Name != b.Name {
		return Account{}, kind.Errorf(kind.Denied, "accounts: two proofs of different accounts")
	}
	both := Account{Name: a.Name, Root: a.Root, limits: a.limits.and(b.limits)}
	weakA, okA := caps.AtMost(a.Root, b.Root.Authority())
	weakB, okB := caps.AtMost(b.Root, a.Root.Authority())
	if !okA || !okB || !caps.Equal(weakA, weakB) {
		return Account{}, fmt.Errorf("accounts: %q: two proofs lead to different roots: %w", a.Name, kind.Denied)
	}
	both.Root = weakA
	return both, nil
}
