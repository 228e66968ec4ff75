package metastoretest

import (
	"bytes"
	"fmt"
	"iter"
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

// viewOrder: every row once, in ascending order, other reads in between; more
// rows than a driver may read at a time.
func viewOrder(f fixture) error {
	const many = 600
	rows := make([]metastore.BlockRow, many)
	reqs := make([]*metastore.Request, many)
	blocks, slots := map[[32]byte]bool{}, map[[32]byte]bool{}
	for i := range rows {
		id := random[metastore.SlotID]()
		rows[i] = metastore.BlockRow{ID: random[metastore.ID](), Len: int64(i)}
		reqs[i] = &metastore.Request{Slots: []metastore.SlotChange{change(id, [32]byte{})}, Roots: []metastore.Root{{ID: id}}}
		blocks[rows[i].ID], slots[id] = true, true
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
	between := func() error {
		_, err := v.Nodes(f.ctx, []metastore.ID{random[metastore.ID]()})
		return err
	}
	ofSlot := func(r metastore.Record) [32]byte { return r.ID }
	return first(
		ascending("allBlocks", v.AllBlocks(f.ctx), func(b metastore.Block) [32]byte { return b.ID }, blocks, between),
		ascending("allSlots", v.AllSlots(f.ctx), ofSlot, slots, between),
		ascending("slotsAt", v.SlotsAt(f.ctx, v.Seq()), ofSlot, slots, between),
		ascending("allRoots", v.AllRoots(f.ctx), func(r metastore.Root) [32]byte { return r.ID }, slots, between),
	)
}

// ascending checks that an iteration gives what is wanted, among others, in order.
func ascending[R any](name string, rows iter.Seq2[R, error], id func(R) [32]byte, want map[[32]byte]bool, between func() error) error {
	var last [32]byte
	met := 0
	for r, err := range rows {
		if err := first(err, between()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		this := id(r)
		if bytes.Compare(last[:], this[:]) >= 0 {
			return fmt.Errorf("%s is not in ascending order", name)
		}
		last = this
		if want[this] {
			met++
		}
	}
	if met != len(want) {
		return fmt.Errorf("%s gives %d of %d rows", name, met, len(want))
	}
	return nil
}

// viewBreak: an iteration that is broken off leaves the view usable.
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
	n := 0
	for _, e := range v.AllBlocks(f.ctx) {
		err, n = first(err, e), n+1
	}
	if err == nil && n != 3 {
		return fmt.Errorf("an iteration after one that was broken off gives %d of 3 rows", n)
	}
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
