package metastoretest

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func viewChecks() []Check {
	return []Check{
		on("ViewStandsStill", viewStandsStill),
		on("ViewOrder", viewOrder),
		on("ViewBreak", viewBreak),
		on("ViewClosed", viewClosed),
		on("ViewUsage", viewUsage),
		on("ViewConcurrently", viewConcurrently),
		on("Pins", pins),
	}
}

func callChecks() []Check {
	closing := func(name string, run func(fixture) error) Check {
		c := on(name, run)
		c.Closes = true
		return c
	}
	return []Check{
		on("Canceled", canceled),
		on("NothingAsked", nothingAsked),
		on("ManyAtOnce", manyAtOnce),
		closing("CloseTwice", closeTwice),
		closing("UseAfterClose", useAfterClose),
	}
}

func viewStandsStill(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	seq, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	if v.Seq() != seq || v.Time().IsZero() {
		return fmt.Errorf("view has seq %d at %v, the store %d", v.Seq(), v.Time(), seq)
	}
	n := node(r.ID)
	if _, err := f.update(r, metastore.Request{Nodes: []metastore.NewNode{n}, Roots: []metastore.Root{{ID: r.ID, Source: "cli"}}}); err != nil {
		return err
	}
	b, err := f.live()
	if err != nil {
		return err
	}
	recs, err := v.Slots(f.ctx, []metastore.SlotID{r.ID})
	if err != nil {
		return err
	}
	data, err := v.Nodes(f.ctx, []metastore.ID{n.ID})
	if err != nil {
		return err
	}
	roots, err := v.IsRoot(f.ctx, []metastore.SlotID{r.ID})
	if err != nil {
		return err
	}
	if recs[0].Hash != r.Hash || data[0] != nil || roots[0] || v.Seq() != seq {
		return fmt.Errorf("a view shows what was committed after it was opened")
	}
	for got, err := range v.AllBlocks(f.ctx) {
		if err != nil || got.ID == b.ID {
			return fmt.Errorf("a view shows a younger block (%v)", err)
		}
	}
	for got, err := range v.AllSlots(f.ctx) {
		if err != nil || got.ID == r.ID && got.Hash != r.Hash {
			return fmt.Errorf("a view shows a younger record (%v)", err)
		}
	}
	return nil
}

// viewOrder: every row once, blocks in ascending order, other reads in between;
// more rows than a driver may read at a time.
func viewOrder(f fixture) error {
	const many = 600
	rows := make([]metastore.BlockRow, many)
	reqs := make([]*metastore.Request, many)
	for i := range rows {
		rows[i] = metastore.BlockRow{ID: random[metastore.ID](), Len: int64(i)}
		reqs[i] = &metastore.Request{Slots: []metastore.SlotChange{change(random[metastore.SlotID](), [32]byte{})}}
	}
	if err := f.s.Register(f.ctx, random[metastore.GatewayID](), random[metastore.DraftID](), rows); err != nil {
		return err
	}
	if err := first(f.s.Commit(f.ctx, reqs...)...); err != nil {
		return err
	}
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	seen := map[metastore.ID]int64{}
	var last metastore.ID
	for b, err := range v.AllBlocks(f.ctx) {
		if err != nil {
			return err
		}
		if len(seen) > 0 && bytes.Compare(last[:], b.ID[:]) >= 0 {
			return fmt.Errorf("allBlocks is not in ascending order")
		}
		last = b.ID
		seen[b.ID] = b.Len
		if _, err := v.Nodes(f.ctx, []metastore.ID{b.ID}); err != nil {
			return fmt.Errorf("reading during an iteration: %w", err)
		}
	}
	for _, r := range rows {
		if l, ok := seen[r.ID]; !ok || l != r.Len {
			return fmt.Errorf("allBlocks misses a row, or tells its length wrong")
		}
	}
	slots := map[metastore.SlotID]bool{}
	for r, err := range v.AllSlots(f.ctx) {
		if err != nil {
			return err
		}
		if slots[r.ID] {
			return fmt.Errorf("allSlots gives a slot twice")
		}
		slots[r.ID] = true
	}
	for _, r := range reqs {
		if !slots[r.Slots[0].ID] {
			return fmt.Errorf("allSlots misses a slot")
		}
	}
	return nil
}

func viewBreak(f fixture) error {
	for range 3 {
		if _, err := f.create(); err != nil {
			return err
		}
		if _, err := f.live(); err != nil {
			return err
		}
	}
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	for range v.AllSlots(f.ctx) {
		break
	}
	for range v.AllBlocks(f.ctx) {
		break
	}
	_, err = v.LiveDrafts(f.ctx)
	return err
}

func viewClosed(f fixture) error {
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	if err := first(v.Close(), v.Close()); err != nil {
		return fmt.Errorf("closing a view twice: %w", err)
	}
	_, err = v.Slots(f.ctx, []metastore.SlotID{random[metastore.SlotID]()})
	if err := wantKind("reading a closed view", err, kind.Closed); err != nil {
		return err
	}
	for _, err := range v.AllBlocks(f.ctx) {
		return wantKind("iterating a closed view", err, kind.Closed)
	}
	return fmt.Errorf("a closed view iterates without an error")
}

func viewUsage(f fixture) error {
	before, err := f.usage()
	if err != nil {
		return err
	}
	if _, err := f.live(); err != nil {
		return err
	}
	if _, err := f.register(random[metastore.DraftID]()); err != nil {
		return err
	}
	n, row := inline()
	if err := f.commit(&metastore.Request{Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row}}); err != nil {
		return err
	}
	after, err := f.usage()
	want := usage{before.blocks + 3, before.bytes + 2*4096 + row.Len}
	if err == nil && after != want {
		return fmt.Errorf("usage is %v after three blocks, want %v", after, want)
	}
	return err
}

func viewConcurrently(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for range 20 {
				recs, err := v.Slots(f.ctx, []metastore.SlotID{r.ID})
				if err != nil || recs[0].Hash != r.Hash {
					errs[i] = fmt.Errorf("reading a view from several goroutines: %w", err)
					return
				}
			}
		})
	}
	wg.Wait()
	return first(errs...)
}

func pins(f fixture) error {
	if _, err := f.create(); err != nil {
		return err
	}
	c := f.s.Collector()
	until := far()
	a, err := c.Pin(f.ctx, until, "one")
	if err != nil {
		return err
	}
	if _, err := c.Pin(f.ctx, until.Add(-1), "shorter"); err != nil {
		return err
	}
	if _, err := f.create(); err != nil {
		return err
	}
	b, err := c.Pin(f.ctx, until, "two")
	if err != nil {
		return err
	}
	v, err := c.Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	got, err := v.Pins(f.ctx)
	if err != nil {
		return err
	}
	if a >= b || len(got) != 2 || got[0].Seq != a || got[1].Seq != b || got[0].Why != "one" || !got[0].Until.Equal(until) {
		return fmt.Errorf("two commits pinned give %v", got)
	}
	return first(c.Unpin(f.ctx, a), c.Unpin(f.ctx, a))
}

func canceled(f fixture) error {
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	gone := fixture{ctx, f.s}
	id := random[metastore.SlotID]()
	_, slots := f.s.Slots(ctx, []metastore.SlotID{id})
	_, nodes := f.s.Nodes(ctx, []metastore.ID{random[metastore.ID]()})
	_, snapshot := f.s.Collector().Snapshot(ctx)
	commit := gone.commit(&metastore.Request{Slots: []metastore.SlotChange{change(id, [32]byte{})}})
	_, register := gone.register(random[metastore.DraftID]())
	return first(wantKind("Slots", slots, kind.Canceled), wantKind("Nodes", nodes, kind.Canceled),
		wantKind("Snapshot", snapshot, kind.Canceled), wantKind("Commit", commit, kind.Canceled),
		wantKind("Register", register, kind.Canceled), f.unchanged(metastore.Record{ID: id}))
}

func nothingAsked(f fixture) error {
	recs, err := f.s.Slots(f.ctx, nil)
	if err != nil || len(recs) != 0 {
		return fmt.Errorf("slots of nothing: %d, %v", len(recs), err)
	}
	if errs := f.s.Commit(f.ctx); len(errs) != 0 {
		return fmt.Errorf("commit of nothing gave %d errors", len(errs))
	}
	_, err = f.s.Collector().BeginDelete(f.ctx, nil, far())
	return first(err, f.commit(&metastore.Request{}), f.s.Collector().EndDelete(f.ctx, nil))
}

// manyAtOnce: writers and readers side by side; every acknowledged commit is seen.
func manyAtOnce(f fixture) error {
	const writers, rounds = 8, 10
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { errs[i] = f.writeAndRead(rounds) })
	}
	wg.Wait()
	return first(errs...)
}

func (f fixture) writeAndRead(rounds int) error {
	r, err := f.create()
	for range rounds {
		if err != nil {
			return err
		}
		n := node(r.ID)
		want := r.Version + 1
		if r, err = f.update(r, metastore.Request{Nodes: []metastore.NewNode{n}}); err != nil {
			return err
		}
		if r.Version != want {
			return fmt.Errorf("an acknowledged commit is not seen: version %d, want %d", r.Version, want)
		}
		err = f.hasNode("a committed node", n.ID)
	}
	return err
}

func closeTwice(f fixture) error {
	return first(f.s.Close(), f.s.Close())
}

func useAfterClose(f fixture) error {
	if err := f.s.Close(); err != nil {
		return err
	}
	_, slots := f.s.Slots(f.ctx, []metastore.SlotID{random[metastore.SlotID]()})
	_, seq := f.s.Seq(f.ctx)
	_, log := f.s.Log(f.ctx, random[metastore.SlotID](), 0)
	_, snapshot := f.s.Collector().Snapshot(f.ctx)
	commit := f.commit(&metastore.Request{Slots: []metastore.SlotChange{change(random[metastore.SlotID](), [32]byte{})}})
	return first(wantKind("Slots", slots, kind.Closed), wantKind("Seq", seq, kind.Closed), wantKind("Log", log, kind.Closed),
		wantKind("Snapshot", snapshot, kind.Closed), wantKind("Commit", commit, kind.Closed),
		wantKind("EndDraft", f.s.EndDraft(f.ctx, random[metastore.DraftID]()), kind.Closed))
}
