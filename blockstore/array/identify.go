package array

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// found is what a member's marker says when the array is opened.
type found struct {
	blockstore.Member
	rec  *record // nil: it has none, or err says why it couldn't be read
	held holding // without record: what it holds
	err  error
}

// find reads the markers of all members at the same time.
func (a *Array) find(ctx context.Context, members []blockstore.Member) []found {
	all := make([]found, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() {
			ctx, cancel := context.WithTimeoutCause(ctx, a.o.ProbeTimeout, errLate)
			defer cancel()
			all[i] = found{Member: m}
			f := &all[i]
			f.rec, f.err = a.readRecord(ctx, m.Store)
			if f.rec == nil && f.err == nil {
				f.held, f.err = a.holds(ctx, m.Store)
			}
		})
	}
	wg.Wait()
	return all
}

// readRecord reads a member's record; nil without an error means that it has
// none. A member that doesn't answer is Unavailable.
func (a *Array) readRecord(ctx context.Context, s blockstore.Store) (*record, error) {
	data, err := blockstore.GetMarker(ctx, s)
	switch {
	case err != nil:
		return nil, silent(ctx, err)
	case data == nil:
		return nil, nil
	}
	return parseRecord(data)
}

// silent makes what a member said instead of answering Unavailable, unless it is
// a statement about the member.
func silent(ctx context.Context, err error) error {
	switch kind.Of(err) {
	case kind.Corrupt, kind.Denied, kind.Unsupported, kind.Conflict, kind.Unavailable:
		return err
	}
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("%w: %w", kind.Unavailable, because(err))
}

// holding is what a member holds that has no record.
type holding uint8

const (
	holdsNothing holding = iota
	holdsOurs            // blocks that this array's queue knows
	holdsOthers
)

// sample is how many blocks are looked at to tell whose they are.
const sample = 64

// holds tells what a member without record holds. One that lost everything while
// it was in use may have got blocks since.
func (a *Array) holds(ctx context.Context, s blockstore.Store) (holding, error) {
	var ids []blockstore.ID
	for info, err := range s.List(ctx, blockstore.ID{}) {
		if err != nil {
			return holdsOthers, silent(ctx, err)
		}
		if ids = append(ids, info.ID); len(ids) == sample {
			break
		}
	}
	if len(ids) == 0 {
		return holdsNothing, nil
	}
	if _, knowsNone := a.queue.(*memoryQueue); knowsNone {
		return holdsOthers, nil
	}
	fates, err := a.fates(ctx, ids)
	if err != nil {
		return holdsOthers, silent(ctx, err)
	}
	if slices.Contains(fates, blockstore.FateUnknown) {
		return holdsOthers, nil
	}
	return holdsOurs, nil
}

// identify finds out which array the members are, or makes one of them.
func (a *Array) identify(ctx context.Context, all []found) error {
	if len(all) > MaxMembers {
		return kind.Errorf(kind.Invalid, "has %d members, %d at most", len(all), MaxMembers)
	}
	var known *found
	for i := range all {
		f := &all[i]
		switch {
		case f.rec != nil && known == nil:
			known = f
		case f.rec != nil:
			if err := a.sameArray(known, f); err != nil {
				return err
			}
		case f.err == nil && f.held == holdsOthers:
			return kind.Errorf(kind.Conflict, "member %s holds blocks, but belongs to no array: give it an empty store", f.Name)
		case kind.Of(f.err) == kind.Conflict, kind.Of(f.err) == kind.Unsupported:
			return fmt.Errorf("member %s: %w", f.Name, f.err)
		}
	}
	if known == nil {
		for _, f := range all {
			if f.err == nil && f.held != holdsNothing {
				return kind.Errorf(kind.Conflict, "member %s holds blocks, and no member has a record of an array", f.Name)
			}
		}
		return a.create(ctx, all)
	}
	if known.rec.level != a.level {
		return kind.Errorf(kind.Conflict, "member %s belongs to a %v", known.Name, known.rec.level)
	}
	a.id = known.rec.array
	return a.place(ctx, all)
}

// sameArray refuses two members that don't belong together.
func (a *Array) sameArray(x, y *found) error {
	switch {
	case x.rec.array != y.rec.array:
		return kind.Errorf(kind.Conflict, "members %s and %s belong to different arrays, %v and %v: one of them is at the wrong place",
			x.Name, y.Name, x.rec.array, y.rec.array)
	case x.rec.level != y.rec.level:
		return kind.Errorf(kind.Conflict, "members %s and %s say %v and %v of the same array", x.Name, y.Name, x.rec.level, y.rec.level)
	}
	return nil
}

// errBlank says what to do about a member that came back empty.
func errBlank(h holding) error {
	if h == holdsOurs {
		return kind.Errorf(kind.NotExist, "it lost its record of the array, and holds what was written since: rebuild it")
	}
	return kind.Errorf(kind.NotExist, "it is empty, and has no record of the array: if it was replaced, rebuild it")
}
