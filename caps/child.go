package caps

import (
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
)

// ParseChild reads a capability as it stands in a directory, where a prefix
// may claim that it is read-only ("ro.") or deeply immutable ("imm."); one
// such prefix is understood. deepImmutable says that the directory is
// immutable, so that only immutable children may stand in it.
//
// A known capability that is what is claimed is returned without its prefix.
// One that is malformed or stronger than claimed comes back as an Unknown,
// with its whole text, together with an error of kind Invalid: such an entry
// can be listed and removed, and not linked again. A type that isn't known is
// an Unknown without an error. The Cap is never nil.
func ParseChild(text string, deepImmutable bool) (Cap, error) {
	opaque := Unknown{hide(text)}
	rest, immutable := strings.CutPrefix(text, immutablePrefix)
	readOnly := false
	if !immutable {
		rest, readOnly = strings.CutPrefix(text, readOnlyPrefix)
	}
	c, known, err := parseKnown(rest)
	switch {
	case err != nil:
		return opaque, err
	case !known:
		return opaque, nil
	case (immutable || deepImmutable) && c.Form().Mutable() && c.Authority() != AuthorityVerify:
		return opaque, errNotImmutable
	case readOnly && c.Authority() == AuthorityWrite:
		return opaque, errNotReadOnly
	}
	return c, nil
}

var (
	errNotImmutable = fmt.Errorf("caps: a mutable capability where an immutable one must be: %w", kind.Invalid)
	errNotReadOnly  = fmt.Errorf("caps: a write capability where a read-only one must be: %w", kind.Invalid)
	errUnclear      = fmt.Errorf("caps: an unknown capability may be a write capability: its read capability must stand beside it, or a prefix: %w", kind.Invalid)
	errNoCap        = fmt.Errorf("caps: no capability: %w", kind.Invalid)
)

// Link is what one directory entry says of a child. Either may be nil, not
// both.
type Link struct {
	Write Cap // a Write, or an Unknown that is taken for one
	Read  Cap // a Read, a Verify, or an Unknown with a prefix
}

// ParseLink reads the two texts that Tahoe-LAFS keeps of a child, either of
// which may be empty; a single text of unknown authority is given as write.
// If the first one that isn't empty is a known capability, it alone decides
// and the other isn't looked at.
//
// Of a capability of the future nobody can compute the read capability.
// Therefore one that may be a write capability must come together with its
// read capability, which is marked "ro.", or "imm." in an immutable
// directory, so that it never counts as more later on. What can't be linked
// safely is an error of kind Invalid.
func ParseLink(write, read string, deepImmutable bool) (Link, error) {
	first := write
	if first == "" {
		first = read
	}
	if first == "" {
		return Link{}, errNoCap
	}
	c, err := ParseChild(first, deepImmutable)
	switch c := c.(type) {
	case Write:
		return Link{Write: c, Read: c.Read()}, nil
	case Read, Verify:
		return Link{Read: c}, nil
	}
	if read == "" {
		if err != nil {
			return Link{}, err
		}
		if u := c.(Unknown); !u.ReadOnly() || deepImmutable && !u.Immutable() {
			return Link{}, errUnclear
		}
		write, read = "", write
	}
	if write != "" && (deepImmutable || strings.HasPrefix(read, immutablePrefix)) {
		return Link{}, errNotImmutable
	}
	return unknownLink(write, read, deepImmutable)
}

// unknownLink is the rest of ParseLink: read isn't empty, and at least one of
// the two isn't known.
func unknownLink(write, read string, deepImmutable bool) (Link, error) {
	if _, err := ParseChild(read, deepImmutable); err != nil {
		return Link{}, err
	}
	switch {
	case strings.HasPrefix(read, immutablePrefix):
	case deepImmutable:
		read = immutablePrefix + strings.TrimPrefix(read, readOnlyPrefix)
	case !strings.HasPrefix(read, readOnlyPrefix):
		read = readOnlyPrefix + read
	}
	r, err := ParseChild(read, deepImmutable)
	if err != nil {
		return Link{}, err
	}
	if write == "" {
		return Link{Read: r}, nil
	}
	return Link{Write: Unknown{hide(write)}, Read: r}, nil
}
