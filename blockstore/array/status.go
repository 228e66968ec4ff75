package array

import (
	"context"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
)

// status asks every member how it is.
func (a *Array) status(ctx context.Context, o blockstore.StatusOptions) blockstore.Status {
	st := blockstore.Status{Layout: a.level.String(), State: blockstore.StateOK}
	counts, qerr := a.queue.CountRepairs(ctx)
	if qerr != nil {
		st.Detail = fmt.Sprintf("the repair queue can't be read: %v", qerr)
	}
	st.Members = make([]blockstore.Status, len(a.members))
	var wg sync.WaitGroup
	for i, m := range a.members {
		wg.Go(func() {
			st.Members[i] = a.memberStatus(ctx, m, counts[m.key])
		})
	}
	wg.Wait()
	a.markSlow(st.Members)
	if o.Count {
		a.count(ctx, &st)
	}
	a.conclude(&st)
	return st
}

// memberStatus asks one member how it is.
func (a *Array) memberStatus(ctx context.Context, m *member, owed int64) blockstore.Status {
	_ = a.recheck(ctx, m)
	var st blockstore.Status
	state, err := m.look()
	if inner, ok := blockstore.As[blockstore.Maintainer](m.store); ok {
		st = inner.Status(ctx, blockstore.StatusOptions{})
	}
	if st.State == "" || !usable(state) || state == blockstore.StateRebuilding {
		st.State = state
	}
	switch n, refusal := m.faults.Load(), m.refusal(owed); {
	case err != nil:
		st.Detail = err.Error()
	case refusal != nil:
		st.Detail = "it takes no writes: " + refusal.Error()
		if st.State == blockstore.StateOK {
			st.State = blockstore.StateDegraded
		}
	case n > 0 && st.Detail == "":
		st.Detail = fmt.Sprintf("since the start reads found %d copies absent or damaged; they are repaired, and scrub looks for more", n)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	st.Name, st.Latency, st.Faults, st.Owed = m.name, m.mean, m.faults.Load(), owed
	return st
}

// markSlow marks the members that are slow. It changes no state: nothing is lost
// by it but time.
func (a *Array) markSlow(members []blockstore.Status) {
	for i := range members {
		m := &members[i]
		detail := a.slowness(i)
		if m.State != blockstore.StateOK || detail == "" {
			continue
		}
		m.Slow = true
		if m.Detail != "" {
			detail += "; " + m.Detail
		}
		m.Detail = "slow: " + detail
	}
}

// conclude draws the state of the array from those of its members.
func (a *Array) conclude(st *blockstore.Status) {
	missing, owed := 0, int64(0)
	for i, m := range st.Members {
		if a.State(i) != blockstore.StateOK {
			missing++
		}
		if m.State != blockstore.StateOK && st.State == blockstore.StateOK {
			st.State = blockstore.StateDegraded
		}
		owed += m.Owed
	}
	st.Owed = owed
	switch {
	case missing > a.Spare(len(a.members)):
		st.State = blockstore.StateDown
		st.Detail = fmt.Sprintf("%d of %d members can't be used; the array can spare %d", missing, len(a.members), a.Spare(len(a.members)))
	case missing > 0:
		st.Detail = fmt.Sprintf("%d of %d members can't be used", missing, len(a.members))
	case a.Moved():
		st.Detail = "members were added: rebuild them, so that blocks move there"
	}
}

// count lists everything, and tells who holds and who lacks how much.
func (a *Array) count(ctx context.Context, st *blockstore.Status) {
	counts := make([]blockstore.Count, len(a.members))
	merge := a.NewMerge(blockstore.ID{})
	var all blockstore.Count
	for {
		held, err := merge.Next(ctx)
		if err != nil || len(held) == 0 {
			break
		}
		for _, h := range held {
			all.Blocks++
			for i, size := range h.Sizes {
				switch {
				case size >= 0:
					counts[i].Blocks++
					counts[i].Bytes += size
					all.Bytes += size
				case a.Belongs == nil || a.Belongs(i, h.ID):
					counts[i].Lacks++
				}
			}
		}
	}
	for i := range st.Members {
		if merge.Err[i] == nil {
			st.Members[i].Count = &counts[i]
		}
		all.Lacks += counts[i].Lacks
	}
	st.Count = &all
}
