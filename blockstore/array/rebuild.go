package array

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// rebuildNamed fills a member, or a member of one. One that came back empty is
// made part of the array again: from then on it takes writes, and when all that
// the others hold has been copied, it counts as whole.
func (a *Array) rebuildNamed(ctx context.Context, name string, o blockstore.RebuildOptions, report func(blockstore.Finding)) (blockstore.Totals, error) {
	ctx, cancel := a.untilClosed(ctx)
	defer cancel()
	for i, m := range a.members {
		if m.name == name {
			return a.rebuild(ctx, i, o, report)
		}
		if inner, below, ok := a.below(m, name); ok {
			totals, err := inner.Rebuild(ctx, name, o, report) // its members may have paths for names
			if kind.Of(err) == kind.NotExist {
				return inner.Rebuild(ctx, below, o, report)
			}
			return totals, err
		}
	}
	return blockstore.Totals{}, fmt.Errorf("%v: no member is called %q: %w", a.level, name, kind.NotExist)
}

// below finds the member's own members, if name begins with its name.
func (a *Array) below(m *member, name string) (blockstore.Maintainer, string, bool) {
	rest, ok := cutName(name, m.name)
	if !ok {
		return nil, "", false
	}
	inner, ok := blockstore.As[blockstore.Maintainer](m.store)
	return inner, rest, ok
}

// cutName takes a member's name and the dot after it off a path of names.
func cutName(path, name string) (rest string, ok bool) {
	if len(path) > len(name)+1 && path[:len(name)] == name && path[len(name)] == '.' {
		return path[len(name)+1:], true
	}
	return "", false
}

func (a *Array) rebuild(ctx context.Context, i int, o blockstore.RebuildOptions, report func(blockstore.Finding)) (blockstore.Totals, error) {
	m := a.members[i]
	if !a.claim(i) {
		return blockstore.Totals{}, fmt.Errorf("%v: member %s is being rebuilt already: %w", a.level, m.name, kind.Conflict)
	}
	defer a.release(i)
	if err := a.takeIn(ctx, m); err != nil {
		return blockstore.Totals{}, fmt.Errorf("%v: rebuild member %s: %w", a.level, m.name, err)
	}
	s := a.newSweep(o.Rate, o.Progress, report)
	if err := s.fill(ctx, i); err != nil {
		return s.totals, fmt.Errorf("%v: rebuild member %s: %w", a.level, m.name, err)
	}
	if s.undone > 0 {
		return s.totals, fmt.Errorf("%v: rebuild member %s: %d blocks couldn't be copied: %w", a.level, m.name, s.undone, kind.Unavailable)
	}
	return s.totals, a.declareWhole(ctx, m)
}

// claim takes the rebuild of a member for this call.
func (a *Array) claim(i int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fills[i] {
		return false
	}
	a.fills[i] = true
	return true
}

func (a *Array) release(i int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.fills, i)
}

// takeIn makes an empty member part of the array, to be filled. One that is part
// of it already stays what it is.
func (a *Array) takeIn(ctx context.Context, m *member) error {
	if err := a.recheck(ctx, m); err != nil {
		return err
	}
	if state, _ := m.look(); state == blockstore.StateDown {
		// What was replaced just now is being opened anew.
		select {
		case <-time.After(firstRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := a.recheck(ctx, m); err != nil {
			return err
		}
	}
	state, err := m.look()
	switch {
	case usable(state):
		return nil
	case state != blockstore.StateBlank:
		return err
	}
	if err := a.lockMarker(ctx); err != nil {
		return err
	}
	defer a.unlockMarker()
	a.mu.Lock()
	gen, marker := a.gen, a.marker
	a.mu.Unlock()
	if err := a.writeRecord(ctx, m.index, recordRebuilding, marker, gen); err != nil {
		return err
	}
	a.setState(m, blockstore.StateRebuilding)
	return nil
}

// recheck reads a member's record anew.
func (a *Array) recheck(ctx context.Context, m *member) error {
	for range 2 { // the first may have begun before the member was replaced
		a.startCheck(m)
		m.mu.Lock()
		checking := m.checking
		m.mu.Unlock()
		if checking == nil {
			continue
		}
		select {
		case <-checking:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (a *Array) setState(m *member, state blockstore.State) {
	m.mu.Lock()
	before := m.state
	m.state, m.err, m.failures = state, nil, 0
	m.mu.Unlock()
	a.tell(m, before, state, nil)
}

// declareWhole notes that a member holds all that it should.
func (a *Array) declareWhole(ctx context.Context, m *member) error {
	if state, _ := m.look(); state != blockstore.StateRebuilding {
		return nil
	}
	if err := a.lockMarker(ctx); err != nil {
		return err
	}
	defer a.unlockMarker()
	a.mu.Lock()
	gen, marker := a.gen, a.marker
	a.mu.Unlock()
	if err := a.writeRecord(ctx, m.index, recordWhole, marker, gen); err != nil {
		return fmt.Errorf("%v: rebuild: %w", a.level, err)
	}
	a.setState(m, blockstore.StateOK)
	return nil
}

// fill copies to member i what it should hold and doesn't. It fails if what that
// is can't be told.
func (s *sweep) fill(ctx context.Context, i int) error {
	merge := s.a.NewMerge(blockstore.ID{})
	for {
		held, err := merge.Next(ctx)
		if err != nil {
			return err
		}
		if len(held) == 0 {
			break
		}
		for len(held) > 0 {
			n := min(len(held), settlePage)
			if err := s.settle(ctx, i, s.lacking(i, held[:n])); err != nil {
				return err
			}
			s.passed(held[n-1].ID)
			held = held[n:]
		}
	}
	return s.a.sufficed(merge, i)
}

// sufficed is nil if all that member i should hold was listed by the others: it
// may be declared whole. A block is on as many members as a write needs; what of
// these was on member i, or on others that came back empty, is gone, and what is
// left may be on members that don't answer.
func (a *Array) sufficed(m *Merge, i int) error {
	lost, whole := 0, 0
	for j := range a.members {
		switch a.State(j) {
		case blockstore.StateOK:
			if j != i && m.Err[j] == nil {
				whole++
			}
		case blockstore.StateBlank, blockstore.StateRebuilding:
			if j != i {
				lost++
			}
		}
	}
	missing := m.Missing()
	switch {
	case m.Err[i] == nil && whole > 0 && missing == 0:
		return nil
	case m.Err[i] == nil && whole > 0 && missing <= a.Spare(len(a.members)) && missing+lost+1 < a.o.Need:
		return nil
	case missing == 0 && m.Err[i] == nil:
		return kind.Errorf(kind.Unavailable, "no other member of the %v is whole", a.level)
	}
	return a.unseen(m)
}

// lacking picks what member i should hold and doesn't.
func (s *sweep) lacking(i int, held []Held) map[blockstore.ID]Suspect {
	lacks := map[blockstore.ID]Suspect{}
	for _, h := range held {
		s.totals.Blocks++
		s.totals.Bytes += h.bytes()
		if (s.a.Belongs == nil || s.a.Belongs(i, h.ID)) && !h.Holds(i) {
			lacks[h.ID] = Suspect{Member: i, Fault: blockstore.FaultAbsent}
		}
	}
	return lacks
}
