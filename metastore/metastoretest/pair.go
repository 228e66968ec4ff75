package metastoretest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// PairCheck is one property of two gateways' stores on one database.
type PairCheck struct {
	Name string
	Run  func(ctx context.Context, a, b metastore.Store) error
}

// PairChecks lists every check of two stores on one database.
func PairChecks() []PairCheck {
	both := func(name string, run func(a, b fixture) error) PairCheck {
		return PairCheck{Name: name, Run: func(ctx context.Context, a, b metastore.Store) error {
			return run(fixture{ctx, a}, fixture{ctx, b})
		}}
	}
	return []PairCheck{
		both("SeesTheOthers", seesTheOthers),
		both("SwapRace", pairSwapRace),
		both("RegisterRace", registerRace),
		both("ChargeRace", func(a, b fixture) error { return chargeRace(a, b) }),
		both("SealedRace", sealedRace),
		both("DirMoveRace", dirMoveRace),
		both("SeqBoundsReads", seqBoundsReads),
		both("ViewTime", viewTime),
		both("Leases", pairLeases),
		both("Lead", pairLead),
		both("Repairs", pairRepairs),
		both("Notify", pairNotify),
	}
}

// seesTheOthers: what one acknowledged, the other shows.
func seesTheOthers(a, b fixture) error {
	r, err := a.create()
	if err != nil {
		return err
	}
	for range 20 {
		a, b = b, a
		n := node(r.ID)
		if r, err = a.update(r, metastore.Request{Nodes: []metastore.NewNode{n}, Roots: []metastore.Root{{ID: r.ID}}}); err != nil {
			return err
		}
		seq, err := b.s.Seq(b.ctx)
		if err := first(err, b.unchanged(r), b.hasNode("a node that another gateway committed", n.ID), b.isRoot(r.ID, true)); err != nil {
			return err
		}
		if seq < r.Seq {
			return fmt.Errorf("seq is %d after another gateway's commit %d", seq, r.Seq)
		}
	}
	id, err := a.s.Identity(a.ctx)
	if err != nil {
		return err
	}
	if other, err := b.s.Identity(b.ctx); err != nil || other != id {
		return fmt.Errorf("two gateways see identities %x and %x (%w)", id, other, err)
	}
	return nil
}

// pairSwapRace: no update is lost.
func pairSwapRace(a, b fixture) error {
	const writers, rounds = 6, 8
	r, err := a.create()
	if err != nil {
		return err
	}
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		f := []fixture{a, b}[i%2]
		wg.Go(func() {
			for range rounds {
				if errs[i] = f.swapUntilDone(r.ID); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := first(errs...); err != nil {
		return err
	}
	got, err := b.slot(r.ID)
	if err == nil && got.Version != 1+writers*rounds {
		return fmt.Errorf("%d updates of version 1 make version %d", writers*rounds, got.Version)
	}
	log, err2 := a.s.Log(a.ctx, r.ID, 0)
	if len(log) != 1+writers*rounds {
		return fmt.Errorf("the log has %d of %d versions (%w)", len(log), 1+writers*rounds, err2)
	}
	return err
}

// registerRace: an id that both register gets one row, of one draft.
func registerRace(a, b fixture) error {
	for range 10 {
		shared := metastore.BlockRow{ID: random[metastore.ID](), Len: 1}
		errs := make([]error, 4)
		own := make([]metastore.BlockRow, len(errs))
		var wg sync.WaitGroup
		for i := range errs {
			f := []fixture{a, b}[i%2]
			own[i] = metastore.BlockRow{ID: random[metastore.ID](), Len: 1}
			wg.Go(func() {
				rows := []metastore.BlockRow{own[i], shared}
				errs[i] = f.s.Register(f.ctx, random[metastore.GatewayID](), random[metastore.DraftID](), rows)
			})
		}
		wg.Wait()
		won := 0
		for i, err := range errs {
			switch kind.Of(err) {
			case 0:
				won++
			case kind.Conflict:
				if err := b.noBlock(own[i].ID); err != nil {
					return err
				}
			default:
				return err
			}
		}
		if won != 1 {
			return fmt.Errorf("%d of %d registered one id", won, len(errs))
		}
	}
	return nil
}

// dirMoveRace: requests with DirMove see each other: of two that each forbid the
// other by what they read of another slot, one wins.
func dirMoveRace(a, b fixture) error {
	for range 10 {
		x, err := a.create()
		if err != nil {
			return err
		}
		y, err := a.create()
		if err != nil {
			return err
		}
		move := func(f fixture, from, to metastore.Record) error {
			return f.commit(&metastore.Request{
				DirMove: true, Slots: []metastore.SlotChange{change(from.ID, from.Hash)},
				Check: func(ctx context.Context, r metastore.Reader) error {
					recs, err := r.Slots(ctx, []metastore.SlotID{to.ID})
					if err == nil && recs[0].Hash != to.Hash {
						return kind.Conflict
					}
					return err
				},
			})
		}
		var wg sync.WaitGroup
		var one, two error
		wg.Go(func() { one = move(a, x, y) })
		wg.Go(func() { two = move(b, y, x) })
		wg.Wait()
		if (one == nil) == (two == nil) || kind.Of(first(one, two)) != kind.Conflict {
			return fmt.Errorf("of two moves that exclude each other: %v, and %v", one, two)
		}
	}
	return nil
}

// pairLeases: what one gateway reads, another does not reap.
func pairLeases(a, b fixture) error {
	opened, err := a.s.Seq(a.ctx)
	if err != nil {
		return err
	}
	g := random[metastore.GatewayID]()
	_, dead, _, err := b.replaced()
	if err != nil {
		return err
	}
	d := random[metastore.DraftID]()
	blk, err := a.register(d)
	return first(err,
		a.s.Heartbeat(a.ctx, g, opened, time.Hour), b.reaped(), a.hasNode("a node that another gateway reads", dead.ID),
		b.draftLives(d, true),
		wantKind("linking a block of another's draft", b.commit(&metastore.Request{Links: []metastore.ID{blk.ID}}), kind.Conflict),
		a.s.Heartbeat(a.ctx, g, 0, time.Hour), b.reaped(), a.noNode(dead.ID))
}

func pairLead(a, b fixture) error {
	one, two := random[metastore.GatewayID](), random[metastore.GatewayID]()
	return first(
		a.leads(one, time.Hour, true), b.leads(two, time.Hour, false), a.leads(one, 0, true), b.leads(two, time.Hour, true),
		a.leads(one, time.Hour, false), b.s.Collector().SetNonce(b.ctx, [16]byte{}, [16]byte{1}),
		wantKind("SetNonce after another's", a.s.Collector().SetNonce(a.ctx, [16]byte{}, [16]byte{2}), kind.Conflict), a.hasNonce([16]byte{1}))
}

func pairRepairs(a, b fixture) error {
	ra, err := metastore.AsRepairer(a.s)
	if err != nil {
		return err
	}
	rb, err := metastore.AsRepairer(b.s)
	if err != nil {
		return err
	}
	ids, err := a.lives(2)
	return first(err, ra.AddRepairs(a.ctx, "0", ids), rb.AddRepairs(b.ctx, "0", ids), b.owed(rb, "0", metastore.ID{}, 5, ids...),
		rb.EndRepairs(b.ctx, "0", ids[:1]), a.owed(ra, "0", metastore.ID{}, 5, ids[1]))
}

// pairNotify: a commit of one is hinted to the other before long, and the hints
// end with their context.
func pairNotify(a, b fixture) error {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	hints, err := metastore.Notify(ctx, b.s)
	if err != nil {
		return err
	}
	r, err := a.create()
	if err != nil {
		return err
	}
	patience, end := context.WithTimeout(b.ctx, time.Minute)
	defer end()
	for hinted := false; !hinted; {
		select {
		case ids, open := <-hints:
			if !open {
				return fmt.Errorf("the hints ended before their context")
			}
			hinted = ids == nil
			for _, id := range ids {
				hinted = hinted || id == r.ID
			}
			if !hinted { // of something else
				if r, err = a.update(r, metastore.Request{}); err != nil {
					return err
				}
			}
		case <-patience.Done():
			return fmt.Errorf("no hint of another gateway's commit")
		}
	}
	cancel()
	for {
		select {
		case _, open := <-hints:
			if !open {
				return nil
			}
		case <-patience.Done():
			return fmt.Errorf("the hints don't end with their context")
		}
	}
}
