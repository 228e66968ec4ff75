package blockstore

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Maintainer is an optional interface of compositions: what an operator asks
// about them and has them do. Callers use StatusOf, Scrub and Rebuild, never
// the assertion. All of it runs beside clients.
type Maintainer interface {
	// Status tells how the composition and its members are. It doesn't fail:
	// what can't be told is said in the Status.
	Status(ctx context.Context, o StatusOptions) Status

	// Scrub reads and checks everything that the members hold, repairs what
	// redundancy allows, and reports each finding. report is called by one
	// goroutine at a time.
	Scrub(ctx context.Context, o ScrubOptions, report func(Finding)) (Totals, error)

	// Rebuild fills a member that was replaced, or is new, with what belongs
	// there. It can be broken off and run again, and goes on where it was.
	// NotExist if no member has that name.
	Rebuild(ctx context.Context, member string, o RebuildOptions, report func(Finding)) (Totals, error)
}

// State is how a store, or a member of one, is.
type State string

// The states.
const (
	StateOK         State = "ok"         // answers, and holds what it should as far as is known
	StateDegraded   State = "degraded"   // works, with less redundancy than it was made for
	StateRebuilding State = "rebuilding" // takes writes, and is being filled
	StateBlank      State = "blank"      // came back empty, or is new: wants a rebuild
	StateForeign    State = "foreign"    // belongs elsewhere: not used
	StateDown       State = "down"       // doesn't answer
)

// Status is how a store is, its members below it.
type Status struct {
	Name    string        // of the member, as configured; "" at the top
	Layout  string        // "raid0", "raid1", "raid5", or "" for a single store
	State   State         //
	Detail  string        // a sentence on what is not as it should be, or ""
	Faults  int64         // copies that reads found absent or damaged since the start
	Owed    int64         // blocks in the repair queue for this member
	Latency time.Duration // how long its reads take, as last estimated; 0 if unknown
	Slow    bool          // it is in use, but its reads take far longer than those of the others
	Count   *Count        // what it holds, if asked for and told
	Members []Status
}

// Count is what a store holds.
type Count struct {
	Blocks, Bytes int64
	Lacks         int64 // blocks that other members hold, and this one should too
}

// StatusOptions of Maintainer.Status.
type StatusOptions struct {
	Count bool // list everything, to count it
}

// ScrubOptions of Maintainer.Scrub.
type ScrubOptions struct {
	Rate     int64        // bytes read a second at most; 0: no bound
	After    ID           // begin above this id
	Progress func(Totals) // told now and then, if not nil
}

// RebuildOptions of Maintainer.Rebuild.
type RebuildOptions struct {
	Rate     int64        // bytes copied a second at most; 0: no bound
	Progress func(Totals) // told now and then, if not nil
}

// Fault is what a scrub found wrong with a block.
type Fault string

// The faults.
const (
	FaultAbsent    Fault = "absent"    // a member that should have it doesn't
	FaultCorrupt   Fault = "corrupt"   // a member has other bytes
	FaultMisplaced Fault = "misplaced" // it lies at another member than it should
	FaultStray     Fault = "stray"     // it was collected, or never finished, and a member has it still
	FaultLost      Fault = "lost"      // too little of it is left to read it
	FaultUnread    Fault = "unread"    // a member couldn't be asked
)

// Finding is one thing that a scrub or a rebuild met.
type Finding struct {
	Member string // path of names, as "1" or "1.0"; "" if it is about them all
	ID     ID
	Fault  Fault
	Mended bool  // it has been repaired
	Err    error // what the member said, or why it couldn't be repaired
}

// String is a line for an operator.
func (f Finding) String() string {
	s := fmt.Sprintf("block %v: %s", f.ID, f.Fault)
	if f.Member != "" {
		s = fmt.Sprintf("member %s: block %v: %s", f.Member, f.ID, f.Fault)
	}
	if f.Mended {
		s += ", repaired"
	}
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Totals is what a scrub or rebuild did so far.
type Totals struct {
	Blocks, Bytes int64 // looked at, on all members together
	Faults        int64 // findings
	Mended        int64 // of these repaired
	Lost          int64 // of these beyond repair
	Last          ID    // everything up to here is done
}

// StatusOf asks the Maintainer that s is, or that it wraps. Of a store that is
// none it tells whether it answers, and counts by listing.
func StatusOf(ctx context.Context, s Store, o StatusOptions) Status {
	if m, ok := As[Maintainer](s); ok {
		return m.Status(ctx, o)
	}
	st := Status{State: StateOK}
	begin := time.Now()
	if _, err := GetMarker(ctx, s); err != nil && kind.Of(err) != kind.Unsupported {
		st.State, st.Detail = StateDown, err.Error()
		return st
	}
	st.Latency = time.Since(begin)
	if !o.Count {
		return st
	}
	var c Count
	for info, err := range s.List(ctx, ID{}) {
		if err != nil {
			st.State, st.Detail = StateDown, err.Error()
			return st
		}
		c.Blocks++
		c.Bytes += info.Size
	}
	st.Count = &c
	return st
}

// Rebuild asks the Maintainer that s is, or that it wraps; without one it is
// Unsupported.
func Rebuild(ctx context.Context, s Store, member string, o RebuildOptions, report func(Finding)) (Totals, error) {
	m, ok := As[Maintainer](s)
	if !ok {
		return Totals{}, fmt.Errorf("blockstore: %T has no members to rebuild: %w", s, kind.Unsupported)
	}
	return m.Rebuild(ctx, member, o, report)
}
