package array

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

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

// Open makes an array of members, which it closes when it is closed, unless it
// fails, and is to be started (Start). Members that hold nothing at all become a new array; otherwise each is
// put where its record says, whatever the order given. It comes up without
// members that don't answer or came back empty, with a warning, as long as the
// layout can spare them.
//
// Conflict if a member belongs to something else, Invalid if the number of
// members is wrong, Unavailable if too few answer.
func Open(ctx context.Context, layout Layout, members []blockstore.Member, o Options) (*Array, error) {
	a := newArray(layout, o)
	if layout.Holds != nil {
		for _, m := range members {
			blockstore.Holds(m.Store, layout.Holds)
		}
	}
	all := a.find(ctx, members)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%v: open: %w", a.level, err)
	}
	if err := a.identify(ctx, all); err != nil {
		a.closed()
		a.end()
		return nil, fmt.Errorf("%v: %w", a.level, err)
	}
	return a, nil
}

// Start starts what runs in the background: looking after members, and repairs.
func (a *Array) Start() {
	a.work.Go(a.watch)
	a.work.Go(a.repair)
}

func newArray(layout Layout, o Options) *Array {
	o = o.withDefaults()
	a := &Array{
		Layout: layout, level: layout.Level, o: o, log: o.Log, queue: o.Queue,
		gate: newGate(), locks: newLocks(),
		checks: make(chan struct{}, 1), drains: make(chan struct{}, 1), suspects: make(chan suspect, 256),
		markerMu: make(chan struct{}, 1), fills: map[int]bool{},
	}
	a.owed = &owed{a: a}
	a.life, a.end = context.WithCancel(context.Background())
	a.closing, a.closed = context.WithCancel(context.Background())
	return a
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
	case x.rec.index == y.rec.index:
		return kind.Errorf(kind.Conflict, "members %s and %s are the same one of the array, number %d: one is a copy, or was given twice",
			x.Name, y.Name, x.rec.index)
	}
	return nil
}

// create makes a new array of empty members, all of which must answer.
func (a *Array) create(ctx context.Context, all []found) error {
	for _, f := range all {
		if f.err != nil {
			return fmt.Errorf("no member has a record of an array, and a new one needs them all: member %s: %w", f.Name, f.err)
		}
	}
	rand.Read(a.id[:])
	for i, f := range all {
		a.members = append(a.members, a.newMember(i, f.Member, blockstore.StateOK, nil))
	}
	for i := range all {
		if err := a.writeRecord(ctx, i, recordWhole, nil, 0); err != nil {
			return fmt.Errorf("make the array: %w", err)
		}
	}
	for i, f := range all { // two gateways may have had the same idea
		rec, err := a.readRecord(ctx, f.Store)
		if err != nil {
			return fmt.Errorf("make the array: member %s: %w", f.Name, err)
		}
		if rec == nil || rec.array != a.id || int(rec.index) != i {
			return kind.Errorf(kind.Conflict, "member %s is being made part of another array", f.Name)
		}
	}
	a.log.Info("made a new array", "array", a.name(), "members", len(all))
	return nil
}

func (a *Array) newMember(i int, m blockstore.Member, s blockstore.State, err error) *member {
	mem := &member{
		name: m.Name, index: i, key: fmt.Sprintf("%v/%d", a.id, i), store: m.Store, state: s, err: err,
	}
	mem.retryAt = time.Now().Add(checkEvery)
	if !usable(s) {
		mem.failures, mem.retryAt = 1, time.Now().Add(firstRetry)
	}
	return mem
}

// place puts each member where its record says, and the others, which are new,
// came back empty or don't answer, where there is room.
func (a *Array) place(ctx context.Context, all []found) error {
	recorded := 0
	for _, f := range all {
		if f.rec != nil {
			recorded = max(recorded, int(f.rec.members))
			a.learnMarker(f.rec)
			a.moved = a.moved || f.rec.state == recordMoved
		}
	}
	switch n := len(all); {
	case recorded > n:
		return kind.Errorf(kind.Invalid, "the array has %d members, %d are given", recorded, n)
	case recorded < n && !a.Grows:
		return kind.Errorf(kind.Invalid, "the array has %d members, %d are given, and it can't grow", recorded, n)
	}
	places, rest := make([]*found, len(all)), []*found{}
	for i := range all {
		if f := &all[i]; f.rec != nil {
			places[f.rec.index] = f
		} else {
			rest = append(rest, f)
		}
	}
	for i := range places {
		if places[i] == nil {
			places[i], rest = rest[0], rest[1:]
		}
	}
	return a.settleIn(ctx, places, recorded)
}

// settleIn gives every member its state, and lets the array grow to them all.
func (a *Array) settleIn(ctx context.Context, places []*found, recorded int) error {
	var forgot []int
	for i, f := range places {
		state, err := blockstore.StateOK, error(nil)
		switch {
		case f.rec == nil && f.err == nil && f.held == holdsNothing && f.Forgets:
			forgot = append(forgot, i)
			if a.level != 0 {
				state = blockstore.StateRebuilding
			}
		case f.rec != nil && f.rec.state == recordRebuilding:
			state = blockstore.StateRebuilding
		case f.rec != nil, a.level == 0 && f.err == nil && f.held == holdsNothing && i >= recorded:
		case f.err == nil && a.level == 0 && f.held != holdsNothing:
			return kind.Errorf(kind.Conflict, "member %s holds blocks, but has no record of an array", f.Name)
		case f.err == nil:
			state, err = blockstore.StateBlank, errBlank(f.held)
		default:
			state, err = blockstore.StateDown, f.err
		}
		a.members = append(a.members, a.newMember(i, f.Member, state, err))
		if err != nil {
			a.log.Warn("a member of the array can't be used", "array", a.name(), "member", f.Name, "state", state, "error", err)
		}
	}
	if err := a.enough(); err != nil {
		return err
	}
	if recorded < len(places) {
		return a.grow(ctx, recorded)
	}
	for _, i := range forgot {
		a.log.Warn("a member of the array forgets what it held", "array", a.name(), "member", a.members[i].name)
		if err := a.writeRecord(ctx, i, a.recordState(i), a.marker, a.gen); err != nil {
			return err
		}
	}
	return nil
}

// grow tells all members that they are more than recorded. The new ones first:
// as soon as one of them has a record, the array is the larger one.
func (a *Array) grow(ctx context.Context, recorded int) error {
	a.log.Info("the array grows", "array", a.name(), "from", recorded, "to", len(a.members))
	a.moved = a.moved || a.level == 0
	for i := len(a.members) - 1; i >= 0; i-- {
		if !usable(a.members[i].state) {
			continue
		}
		if err := a.writeRecord(ctx, i, a.recordState(i), a.marker, a.gen); err != nil {
			return fmt.Errorf("add members: %w", err)
		}
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

// enough refuses an array of which too few members can be used.
func (a *Array) enough() error {
	var why []string
	var errs []error
	for _, m := range a.members {
		if state, err := m.look(); state != blockstore.StateOK {
			why = append(why, fmt.Sprintf("member %s is %s", m.name, state))
			errs = append(errs, err)
		}
	}
	if len(why) <= a.Spare(len(a.members)) {
		return nil
	}
	return fmt.Errorf("too few of the %d members can be used: %s: %w: %w", len(a.members), strings.Join(why, ", "), kind.Unavailable, because(errs...))
}
