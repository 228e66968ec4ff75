package caps

import "crypto/subtle"

// Equal reports whether a and b are the same capability. The time it takes
// depends on the lengths of their texts only.
func Equal(a, b Cap) bool {
	return a.Authority() == b.Authority() &&
		subtle.ConstantTimeCompare([]byte(a.Reveal()), []byte(b.Reveal())) == 1
}

// ReadCap weakens c to read authority. It is false for a Verify and an
// Unknown.
func ReadCap(c Cap) (Read, bool) {
	switch c := c.(type) {
	case Write:
		return c.Read(), true
	case Read:
		return c, true
	}
	return Read{}, false
}

// AtMost weakens c to authority a if it allows more, and returns it as it is
// if it allows that or less. It is false if c can't be weakened so far: a
// literal to verify authority, and an Unknown, unless its prefix ro. or imm.
// says that it is read-only already.
func AtMost(c Cap, a Authority) (Cap, bool) {
	if u, ok := c.(Unknown); ok {
		return c, a >= AuthorityWrite || a == AuthorityRead && u.ReadOnly()
	}
	switch {
	case a >= c.Authority():
		return c, true
	case a == AuthorityRead:
		return ReadCap(c)
	case a == AuthorityVerify:
		return c.Verify()
	}
	return nil, false
}
