package array

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Layout is what one level adds to an Array.
type Layout struct {
	Level Level
	// Spare is how many of n members may be missing.
	Spare func(n int) int
	// Grows: members may be added to the end.
	Grows bool
	// Holds is what the members are told to hold, nil for blocks.
	Holds blockstore.Check
	// Belongs reports whether member i should hold the block; nil: all should.
	Belongs func(i int, id blockstore.ID) bool

	// Mend makes member i hold what it should of a block: it looks what is
	// there, and unless that is sound, replaces it from the other members.
	// NotExist if no member has the block, or too little of it; Corrupt if what
	// there is isn't sound; Unavailable if a member that may have it doesn't
	// answer. Nobody else mends or deletes the block meanwhile.
	Mend func(ctx context.Context, i int, id blockstore.ID) (Mended, error)

	// Examine reads what all members hold of a block, and tells what is wrong.
	Examine func(ctx context.Context, h Held) []Suspect
}

// Mended is what Mend did.
type Mended struct {
	Wrote bool  // false: the member held it already
	Bytes int64 // that were read and written
}

// Suspect is what may be wrong with a block at one member.
type Suspect struct {
	Member int
	Fault  blockstore.Fault
	Err    error
}

// Options of an Array; the zero value is right for a node without a queue.
type Options struct {
	// Queue is where repairs that are owed are kept. nil: in memory, which is
	// only good enough if every write needs every member.
	Queue blockstore.Queue
	// Log hears of members that come and go, and of what was found damaged.
	// nil: slog.Default.
	Log *slog.Logger
	// HedgeAfter is after which time without an answer another member is asked
	// to read. 0: as long as reads of the asked one take at most as a rule,
	// between 30 ms and 1 s.
	HedgeAfter time.Duration
	// ReadTimeout bounds a read, and WriteTimeout the writing of a block to one
	// member; 30 s and 60 s if 0.
	ReadTimeout, WriteTimeout time.Duration
	// ProbeTimeout bounds the wait for a member's record, 10 s if 0.
	ProbeTimeout time.Duration
	// Need is how many members must have a write; set by the layouts.
	Need int
}

func (o Options) withDefaults() Options {
	if o.Queue == nil {
		o.Queue = &memoryQueue{owed: map[string]map[blockstore.ID]bool{}}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	for _, d := range []struct {
		of    *time.Duration
		value time.Duration
	}{{&o.ReadTimeout, 30 * time.Second}, {&o.WriteTimeout, time.Minute}, {&o.ProbeTimeout, 10 * time.Second}} {
		if *d.of == 0 {
			*d.of = d.value
		}
	}
	return o
}

// Array is a set of members. It is safe for concurrent use.
type Array struct {
	Layout

	level   Level
	id      ID
	o       Options
	log     *slog.Logger
	queue   blockstore.Queue
	members []*member // by recorded index

	gate  *gate
	locks *locks
	owed  *owed

	closing context.Context // ends when Close begins
	closed  context.CancelFunc
	life    context.Context // ends when the calls in flight have ended
	end     context.CancelFunc
	work    sync.WaitGroup
	checks  chan struct{} // wakes who looks after members
	drains  chan struct{} // wakes who repairs

	suspects chan suspect // what reads met

	markerMu chan struct{} // held while records are written
	mu       sync.Mutex    // guards the fields below
	gen      uint64        // of marker
	marker   []byte        // set on the array, as far as is known
	moved    bool          // raid0: blocks may lie at other members than they should
	fills    map[int]bool  // members that are being rebuilt by this process
}

// Members is how many there are, and Spare how many of them may be missing.
func (a *Array) Members() int { return len(a.members) }

// Name is what an operator calls a member.
func (a *Array) Name(i int) string { return a.members[i].name }

// Do runs one call on a member; the error names it.
func (a *Array) Do(ctx context.Context, i int, f func(ctx context.Context, s blockstore.Store) error) error {
	return a.do(ctx, a.members[i], f)
}

// Store is Do, for a call that puts a block.
func (a *Array) Store(ctx context.Context, i int, put func(ctx context.Context, s blockstore.Store) error) error {
	m := a.members[i]
	err := a.do(ctx, m, put)
	a.wrote(m, err)
	return err
}

// State is how a member is, as far as is known.
func (a *Array) State(i int) blockstore.State {
	s, _ := a.members[i].look()
	return s
}

// Moved reports whether blocks may lie at other members than they should.
func (a *Array) Moved() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.moved
}

// name is what logs call the array.
func (a *Array) name() string { return fmt.Sprintf("%v %x", a.level, a.id[:4]) }

// wake wakes a goroutine, unless it has been woken already.
func (a *Array) wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// closeGrace is how long Close waits for writes that nobody waits for.
const closeGrace = 5 * time.Second

// close waits for the calls in flight, ends what runs in the background, and
// closes the members. It is idempotent.
func (a *Array) close() error {
	a.closed()
	if !a.gate.close() {
		<-a.life.Done()
		return nil
	}
	a.end()
	ended := make(chan struct{})
	go func() {
		a.work.Wait()
		close(ended)
	}()
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-ended:
	case <-grace.C:
		a.log.Warn("a member doesn't let go of a call; closing without it", "array", a.name())
	}
	return a.closeMembers()
}

func (a *Array) closeMembers() error {
	errs := make([]error, len(a.members))
	var wg sync.WaitGroup
	for i, m := range a.members {
		wg.Go(func() {
			if err := m.store.Close(); err != nil {
				errs[i] = fmt.Errorf("%v: close member %s: %w", a.level, m.name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// CheckPut is what every layout's Put begins with: Invalid for the zero id, or
// for no bytes, since a block has a header; TooLarge for more than MaxBlock.
func (a *Array) CheckPut(id blockstore.ID, data []byte) error {
	switch {
	case id.IsZero() || len(data) == 0:
		return fmt.Errorf("%v: put %d bytes under %v: %w", a.level, len(data), id, kind.Invalid)
	case len(data) > blockstore.MaxBlock:
		return fmt.Errorf("%v: put %v of %d bytes: %w", a.level, id, len(data), kind.TooLarge)
	}
	return nil
}

// CheckRange is what every layout's GetRange begins with.
func (a *Array) CheckRange(off, n int64) error {
	if off < 0 || n < 0 {
		return fmt.Errorf("%v: range of %d bytes at %d: %w", a.level, n, off, kind.Invalid)
	}
	return nil
}
