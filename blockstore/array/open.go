package array

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

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
		f := &all[i]
		switch {
		case f.rec == nil:
			rest = append(rest, f)
		case places[f.rec.index] != nil:
			return kind.Errorf(kind.Conflict, "members %s and %s are the same one of the array, number %d: one is a copy, or was given twice",
				places[f.rec.index].Name, f.Name, f.rec.index)
		default:
			places[f.rec.index] = f
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
