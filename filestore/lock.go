package filestore

import (
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Lock is what keeps a version from being removed: a retention until a moment, and
// a legal hold.
type Lock struct {
	Mode  LockMode
	Until time.Time // zero with LockNone
	Hold  bool
}

// IsZero reports whether nothing is locked, nor ever was.
func (l Lock) IsZero() bool { return l.Mode == LockNone && !l.Hold && l.Until.IsZero() }

func (l Lock) attr() dirtree.Attr { return dirtree.Attr{Type: dirtree.AttrLock, Value: l.encode()} }

// lockOf is the lock of an entry. One that can't be read holds.
func lockOf(e *dirtree.Entry) Lock {
	b, ok := e.Attr(dirtree.AttrLock)
	if !ok {
		return Lock{}
	}
	l, err := decodeLock(b)
	if err != nil {
		return Lock{Hold: true}
	}
	return l
}

// withLock returns a copy of attrs with the lock in place of what was there.
func withLock(attrs []dirtree.Attr, l Lock) []dirtree.Attr {
	if l.IsZero() {
		return dirtree.WithoutAttr(attrs, dirtree.AttrLock)
	}
	return dirtree.WithAttr(attrs, l.attr())
}

// errLocked refuses what a lock doesn't allow.
var errLocked = fmt.Errorf("the object is locked: %w", kind.Denied)

// holds refuses to end a version while its lock lasts.
func (l Lock) holds(now time.Time, bypassGovernance bool) error {
	switch {
	case l.Hold:
		return errLocked
	case l.Mode == LockNone, !now.Before(l.Until):
		return nil
	case l.Mode == LockGovernance && bypassGovernance:
		return nil
	}
	return errLocked
}

// changes refuses to weaken a lock that lasts: a retention can only become longer;
// one in governance mode can be shortened, ended or made compliance by who may
// bypass it, as S3 has it. The hold is anybody's to set and end.
func (l Lock) changes(to Lock, now time.Time, bypassGovernance bool) error {
	if to.Mode > LockCompliance || to.Mode == LockNone && !to.Until.IsZero() || to.Mode != LockNone && to.Until.IsZero() {
		return fmt.Errorf("a retention: %w", kind.Invalid)
	}
	lasts := l.Mode != LockNone && now.Before(l.Until)
	longer := to.Mode == l.Mode && !to.Until.Before(l.Until)
	switch {
	case !lasts || longer:
		return nil
	case l.Mode == LockGovernance && bypassGovernance:
		return nil
	}
	return errLocked
}

// lock is the retention that the rule gives to what is made now.
func (r LockRule) lock(now time.Time) Lock {
	if r.Mode == LockNone {
		return Lock{}
	}
	years, days := min(max(r.Years, 0), 1000), min(max(r.Days, 0), 1000*366) // dates don't wrap
	return Lock{Mode: r.Mode, Until: now.AddDate(years, 0, days).UTC()}
}
