package filestore

import (
	"fmt"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// hold demands that the conditions hold for cur, nil if there is no object.
func (c *Conditions) hold(cur *Object) error {
	if cur == nil {
		if c.demandAny() {
			return fmt.Errorf("nothing is there: %w: %w", kind.Precondition, kind.NotExist)
		}
		return nil
	}
	second := cur.Mtime.Truncate(time.Second)
	switch {
	case len(c.Match) > 0 && !matches(c.Match, cur.ETag):
		return &UnmetError{"Match"}
	case len(c.NoneMatch) > 0 && matches(c.NoneMatch, cur.ETag):
		return &UnmetError{"NoneMatch"}
	case !c.ModifiedSince.IsZero() && !second.After(c.ModifiedSince):
		return &UnmetError{"ModifiedSince"}
	case !c.UnmodifiedSince.IsZero() && second.After(c.UnmodifiedSince):
		return &UnmetError{"UnmodifiedSince"}
	case !c.Mtime.IsZero() && !second.Equal(c.Mtime.Truncate(time.Second)):
		return &UnmetError{"Mtime"}
	case c.Size != nil && *c.Size != cur.Size:
		return &UnmetError{"Size"}
	}
	return nil
}

// holdVersion demands what c demands of the version that e is, which may be a delete
// marker.
func (c *Conditions) holdVersion(e *dirtree.Entry) error {
	if c.Version != nil && versionOf(e) != *c.Version {
		return &UnmetError{"Version"}
	}
	if _, _, _, past := dirtree.ParseHistoryKey(e.Name); c.Noncurrent && !past {
		return &UnmetError{"Noncurrent"}
	}
	return nil
}

// UnmetError is a condition that doesn't hold for the object that is there. It is
// Precondition.
type UnmetError struct {
	Condition string // the field of Conditions
}

// Error implements error.
func (e *UnmetError) Error() string { return e.Condition + ": " + kind.Precondition.Error() }

// Unwrap implements errors.Unwrap's interface.
func (e *UnmetError) Unwrap() error { return kind.Precondition }

// demandAny reports whether the conditions demand something of an object, so that
// one must be there.
func (c *Conditions) demandAny() bool {
	return len(c.Match) > 0 || !c.Mtime.IsZero() || c.Size != nil || c.Version != nil || c.Noncurrent
}

// demand reports whether there are conditions at all.
func (c *Conditions) demand() bool {
	return c.demandAny() || len(c.NoneMatch) > 0 || !c.ModifiedSince.IsZero() || !c.UnmodifiedSince.IsZero()
}

func matches(tags []string, etag string) bool {
	return slices.Contains(tags, "*") || slices.Contains(tags, etag)
}
