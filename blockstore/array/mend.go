package array

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
)

// suspect is a copy that a read found absent or damaged.
type suspect struct {
	member int
	id     blockstore.ID
}

// Suspect has a member's part of a block looked at, and repaired, some time
// soon. It never waits; what is not noted because there is too much of it, the
// next read or a scrub finds again.
func (a *Array) Suspect(i int, id blockstore.ID) {
	if a.State(i) != blockstore.StateOK {
		return // there it is known, and will be seen to as a whole
	}
	select {
	case a.suspects <- suspect{i, id}:
	default:
	}
}

// The intervals of the repairs: what is owed is looked at when a member comes
// back, soon after something became owed, and every so often, since another
// gateway may have noted it. A member that can't be repaired is left alone
// longer and longer.
const (
	repairSoon  = time.Second
	repairEvery = time.Minute
	repairFirst = 30 * time.Second // by then an array around this one has said what it holds
)

// repair makes the repairs that are owed until the array is closed.
func (a *Array) repair() {
	every := time.NewTicker(repairEvery)
	defer every.Stop()
	select {
	case <-time.After(repairFirst):
	case <-a.life.Done():
		return
	}
	a.drain()
	for {
		select {
		case s := <-a.suspects:
			a.note(s)
		case <-a.drains:
		case <-every.C:
		case <-a.life.Done():
			return
		}
		a.drain()
		select { // members that flap, and every write of a degraded array, wake it
		case <-time.After(repairSoon):
		case <-a.life.Done():
			return
		}
	}
}

// note brings suspects to the queue.
func (a *Array) note(first suspect) {
	ids := map[int][]blockstore.ID{first.member: {first.id}}
	for {
		select {
		case s := <-a.suspects:
			ids[s.member] = append(ids[s.member], s.id)
			continue
		default:
		}
		break
	}
	for i, ids := range ids {
		m := a.members[i]
		m.faults.Add(int64(len(ids)))
		a.log.Warn("reads found copies of a member absent or damaged", "array", a.name(), "member", m.name, "blocks", len(ids))
		// It may have lost everything, its record, too.
		m.late.Store(true)
		a.wake(a.checks)
		if err := a.queue.AddRepairs(a.life, a.members[i].key, ids); err != nil && a.life.Err() == nil {
			a.log.Warn("can't note a repair", "array", a.name(), "member", a.members[i].name, "blocks", len(ids), "error", err)
		}
	}
}

// drain repairs what is owed to each member that is in use.
func (a *Array) drain() {
	counts, err := a.queue.CountRepairs(a.life)
	if err != nil {
		if a.life.Err() == nil {
			a.log.Warn("can't tell which repairs are owed", "array", a.name(), "error", err)
		}
		return
	}
	for i, m := range a.members {
		if counts[m.key] > 0 && usable(a.State(i)) && a.life.Err() == nil {
			a.drainMember(i)
		}
	}
}

// settlePage is how many repairs are made between two looks at the queue.
const settlePage = 64

// drainMember goes once through what is owed to a member.
func (a *Array) drainMember(i int) {
	m := a.members[i]
	var after blockstore.ID
	var repaired, failed int
	var last error
	for usable(a.State(i)) {
		ids, err := a.queue.Repairs(a.life, m.key, after, settlePage)
		if err != nil || len(ids) == 0 {
			break
		}
		after = ids[len(ids)-1]
		for _, s := range a.settle(a.life, i, ids, nil) {
			switch {
			case s.err != nil:
				failed, last = failed+1, s.err
			case s.wrote:
				repaired++
			}
		}
	}
	if a.life.Err() != nil {
		return
	}
	if repaired > 0 {
		a.log.Info("repaired blocks of a member", "array", a.name(), "member", m.name, "blocks", repaired)
	}
	if failed > 0 {
		a.log.Warn("blocks of a member can't be repaired", "array", a.name(), "member", m.name, "blocks", failed, "error", last)
	}
}

// settled is what became of one repair.
type settled struct {
	id       blockstore.ID
	wrote    bool  // the member has it now; if neither this nor any of the others, it had it
	unwanted bool  // nobody wants it any more
	err      error // it couldn't be repaired: Corrupt and NotExist are final
}

// settle makes repairs that are in the queue, and takes off it what is done.
func (a *Array) settle(ctx context.Context, i int, ids []blockstore.ID, rate *pace.Pace) []settled {
	all := make([]settled, len(ids))
	fates, err := a.fates(ctx, ids)
	for n, id := range ids {
		all[n] = settled{id: id, err: err}
		if err == nil {
			all[n].unwanted = !fates[n].Wanted()
		}
	}
	if err != nil {
		return all
	}
	a.mendAll(ctx, i, all, rate)
	if fates, err = a.fates(ctx, ids); err != nil {
		return all // they stay in the queue, and are looked at again
	}
	done := make([]blockstore.ID, 0, len(all))
	for n := range all {
		s := &all[n]
		if s.wrote && !fates[n].Wanted() { // collected meanwhile
			s.wrote, s.unwanted = false, true
			s.err = a.undo(ctx, i, s.id)
		}
		if a.final(s.err) {
			done = append(done, s.id)
		}
	}
	if err := a.queue.EndRepairs(ctx, a.members[i].key, done); err != nil && ctx.Err() == nil {
		a.log.Warn("can't take repairs off the queue", "array", a.name(), "error", err)
	}
	return all
}

// fates asks what is known about blocks.
func (a *Array) fates(ctx context.Context, ids []blockstore.ID) ([]blockstore.Fate, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	fates, err := a.queue.Fates(ctx, ids)
	if err == nil && len(fates) != len(ids) {
		err = fmt.Errorf("the queue tells about %d of %d blocks: %w", len(fates), len(ids), kind.Unavailable)
	}
	return fates, err
}

// final reports whether there is no use in trying again. A member that came back
// empty may be one whose disk isn't mounted: what nobody else has it may have yet.
func (a *Array) final(err error) bool {
	switch kind.Of(err) {
	case 0, kind.Corrupt:
		return true
	case kind.NotExist:
		return !slices.ContainsFunc(a.members, func(m *member) bool {
			state, _ := m.look()
			return !usable(state)
		})
	}
	return false
}

// mendWorkers is how many blocks are repaired at a time.
const mendWorkers = 4

// mendAll has the layout mend the blocks that are wanted.
func (a *Array) mendAll(ctx context.Context, i int, all []settled, rate *pace.Pace) {
	var wg sync.WaitGroup
	for w := range mendWorkers {
		wg.Go(func() {
			for n := w; n < len(all); n += mendWorkers {
				s := &all[n]
				if s.unwanted {
					continue
				}
				var did Mended
				did, s.err = a.mend(ctx, i, s.id)
				s.wrote = did.Wrote
				if s.wrote || s.err != nil {
					a.wrote(a.members[i], s.err)
				}
				if rate != nil && s.err == nil {
					s.err = rate.Wait(ctx, did.Bytes)
				}
			}
		})
	}
	wg.Wait()
}

// mend mends one block, and keeps deletions of it away meanwhile.
func (a *Array) mend(ctx context.Context, i int, id blockstore.ID) (Mended, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.o.WriteTimeout, errLate)
	defer cancel()
	unlock, err := a.locks.lock(ctx, id)
	if err != nil {
		return Mended{}, err
	}
	defer unlock()
	return a.Mend(ctx, i, id)
}

// undo removes the copy of a block that was collected while it was made.
func (a *Array) undo(ctx context.Context, i int, id blockstore.ID) error {
	return a.Do(ctx, i, func(ctx context.Context, s blockstore.Store) error { return s.Delete(ctx, id) })
}
