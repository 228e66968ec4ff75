package metastoretest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func slotChecks() []Check {
	return []Check{
		on("SlotAbsent", slotAbsent),
		on("Create", create),
		on("CreateTwice", createTwice),
		on("Swap", swap),
		on("SwapStale", swapStale),
		on("SwapAbsent", swapAbsent),
		on("SwapRace", swapRace),
		on("SlotsInOrder", slotsInOrder),
		on("SlotIsACopy", slotIsACopy),
		on("SealSeesCurrent", sealSeesCurrent),
		on("SealError", sealError),
		on("SealWrong", sealWrong),
		on("EpochRises", epochRises),
		on("TombstoneIsTerminal", tombstoneIsTerminal),
		on("SeqGrows", seqGrows),
		on("Log", logOfSlot),
	}
}

func slotAbsent(f fixture) error {
	r, err := f.slot(random[metastore.SlotID]())
	if err == nil && (r.Bytes != nil || r.Version != 0) {
		return fmt.Errorf("an absent slot has a record")
	}
	return err
}

func create(f fixture) error {
	before, err := f.s.Seq(f.ctx)
	if err != nil {
		return fmt.Errorf("seq: %w", err)
	}
	r, err := f.create()
	if err != nil {
		return err
	}
	if r.Version != 1 || len(r.Bytes) != metastore.RecordSize || r.Seq <= before {
		return fmt.Errorf("created slot has version %d, %d bytes, seq %d after %d", r.Version, len(r.Bytes), r.Seq, before)
	}
	return nil
}

func createTwice(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	err = f.commit(&metastore.Request{Slots: []metastore.SlotChange{change(r.ID, [32]byte{})}})
	return first(wantKind("creating a slot that is there", err, kind.Conflict), f.unchanged(r))
}

// unchanged checks that a slot still has the record.
func (f fixture) unchanged(r metastore.Record) error {
	now, err := f.slot(r.ID)
	if err == nil && !bytes.Equal(now.Bytes, r.Bytes) {
		return fmt.Errorf("a refused request changed a slot: version %d, was %d", now.Version, r.Version)
	}
	return err
}

func swap(f fixture) error {
	r, err := f.create()
	for want := uint64(2); err == nil && want < 5; want++ {
		if r, err = f.update(r, metastore.Request{}); err == nil && r.Version != want {
			return fmt.Errorf("version %d after swap, want %d", r.Version, want)
		}
	}
	return err
}

func swapStale(f fixture) error {
	old, err := f.create()
	if err != nil {
		return err
	}
	now, err := f.update(old, metastore.Request{})
	if err != nil {
		return err
	}
	err = f.commit(&metastore.Request{Slots: []metastore.SlotChange{change(old.ID, old.Hash)}})
	return first(wantKind("swap on a stale base", err, kind.Conflict), f.unchanged(now))
}

func swapAbsent(f fixture) error {
	id := random[metastore.SlotID]()
	err := f.commit(&metastore.Request{Slots: []metastore.SlotChange{change(id, [32]byte{1})}})
	return first(wantKind("swap of an absent slot", err, kind.Conflict), f.unchanged(metastore.Record{ID: id}))
}

// swapRace: of 32 that build on one record, one wins; then all that retry get through.
func swapRace(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	const racers = 32
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			errs[i] = f.commit(&metastore.Request{Slots: []metastore.SlotChange{change(r.ID, r.Hash)}})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if e := wantKind("a lost race", err, kind.Conflict); e != nil {
			return e
		}
	}
	if won != 1 {
		return fmt.Errorf("%d of %d swaps on one base won", won, racers)
	}
	for i := range racers {
		wg.Go(func() { errs[i] = f.swapUntilDone(r.ID) })
	}
	wg.Wait()
	now, err := f.slot(r.ID)
	if err := first(append(errs, err)...); err != nil {
		return err
	}
	if now.Version != r.Version+1+racers {
		return fmt.Errorf("version %d after %d swaps that each succeeded once, want %d", now.Version, racers, r.Version+1+racers)
	}
	return nil
}

func (f fixture) swapUntilDone(id metastore.SlotID) error {
	for {
		r, err := f.slot(id)
		if err != nil {
			return err
		}
		err = f.commit(&metastore.Request{Slots: []metastore.SlotChange{change(id, r.Hash)}})
		if kind.Of(err) != kind.Conflict {
			return err
		}
	}
}

func slotsInOrder(f fixture) error {
	a, err := f.create()
	if err != nil {
		return err
	}
	b, err := f.create()
	if err != nil {
		return err
	}
	absent := random[metastore.SlotID]()
	recs, err := f.s.Slots(f.ctx, []metastore.SlotID{b.ID, absent, a.ID, b.ID})
	if err != nil {
		return err
	}
	if len(recs) != 4 || recs[0].Hash != b.Hash || recs[1].Bytes != nil || recs[2].Hash != a.Hash || recs[3].Hash != b.Hash {
		return fmt.Errorf("slots did not answer in the order asked")
	}
	return nil
}

func slotIsACopy(f fixture) error {
	var kept []byte
	id := random[metastore.SlotID]()
	err := f.commit(&metastore.Request{Slots: []metastore.SlotChange{{ID: id, Seal: func(old metastore.Record) (metastore.Sealed, error) {
		s := sealed(old, false)
		kept = s.Bytes
		return s, nil
	}}}})
	if err != nil {
		return err
	}
	want, err := f.slot(id)
	if err != nil {
		return err
	}
	kept[200] ^= 1 // the caller's own after the call
	r, err := f.slot(id)
	if err != nil {
		return err
	}
	r.Bytes[201] ^= 1
	return f.unchanged(want)
}

func sealSeesCurrent(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	var seen metastore.Record
	c := change(r.ID, r.Hash)
	c.Seal = func(old metastore.Record) (metastore.Sealed, error) {
		seen = old
		return sealed(old, false), nil
	}
	if err := f.commit(&metastore.Request{Slots: []metastore.SlotChange{c}}); err != nil {
		return err
	}
	if seen.ID != r.ID || seen.Hash != r.Hash || !bytes.Equal(seen.Bytes, r.Bytes) || seen.Version != r.Version || seen.Seq != r.Seq {
		return fmt.Errorf("seal was not given the current record")
	}
	return nil
}

func sealError(f fixture) error {
	a, err := f.create()
	if err != nil {
		return err
	}
	b, err := f.create()
	if err != nil {
		return err
	}
	mine := errors.New("no")
	c := change(b.ID, b.Hash)
	c.Seal = func(metastore.Record) (metastore.Sealed, error) { return metastore.Sealed{}, mine }
	n := node(a.ID)
	err = f.commit(&metastore.Request{Slots: []metastore.SlotChange{change(a.ID, a.Hash), c}, Nodes: []metastore.NewNode{n}})
	if !errors.Is(err, mine) {
		return fmt.Errorf("seal's error came back as %v", err)
	}
	return first(f.unchanged(a), f.unchanged(b), f.noNode(n.ID))
}

func (f fixture) noNode(id metastore.ID) error {
	data, err := f.node(id)
	if err == nil && data != nil {
		return fmt.Errorf("a refused request left a node")
	}
	return err
}

func sealWrong(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	wrong := map[string]func(s *metastore.Sealed){
		"short":          func(s *metastore.Sealed) { s.Bytes = s.Bytes[:metastore.RecordSize-1] },
		"same version":   func(s *metastore.Sealed) { s.Version-- },
		"version jumped": func(s *metastore.Sealed) { s.Version++ },
	}
	for name, spoil := range wrong {
		c := change(r.ID, r.Hash)
		c.Seal = func(old metastore.Record) (metastore.Sealed, error) {
			s := sealed(old, false)
			spoil(&s)
			return s, nil
		}
		err := f.commit(&metastore.Request{Slots: []metastore.SlotChange{c}})
		if err := first(wantKind("sealed wrong: "+name, err, kind.Invalid), f.unchanged(r)); err != nil {
			return err
		}
	}
	return nil
}

func epochRises(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	to := func(epoch uint32) error {
		c := change(r.ID, r.Hash)
		c.Seal = func(old metastore.Record) (metastore.Sealed, error) {
			s := sealed(old, false)
			s.Epoch = epoch
			return s, nil
		}
		return f.commit(&metastore.Request{Slots: []metastore.SlotChange{c}})
	}
	if err := to(7); err != nil {
		return fmt.Errorf("a higher epoch: %w", err)
	}
	if r, err = f.slot(r.ID); err != nil {
		return err
	}
	if r.Epoch != 7 {
		return fmt.Errorf("epoch %d after one sealed as 7", r.Epoch)
	}
	return first(wantKind("a lower epoch", to(6), kind.Invalid), f.unchanged(r))
}

func tombstoneIsTerminal(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	if err := f.commit(&metastore.Request{Slots: []metastore.SlotChange{bury(r)}}); err != nil {
		return fmt.Errorf("burying a slot: %w", err)
	}
	dead, err := f.slot(r.ID)
	if err != nil {
		return err
	}
	err = f.commit(&metastore.Request{Slots: []metastore.SlotChange{change(r.ID, dead.Hash)}})
	return first(wantKind("replacing a tombstone", err, kind.Conflict), f.unchanged(dead))
}

// seqGrows: each commit has a seq of its own, and Seq follows.
func seqGrows(f fixture) error {
	r, err := f.create()
	for range 3 {
		if err != nil {
			return err
		}
		last := r.Seq
		if r, err = f.update(r, metastore.Request{}); err != nil {
			return err
		}
		seq, err := f.s.Seq(f.ctx)
		if err != nil {
			return err
		}
		if r.Seq <= last || seq < r.Seq {
			return fmt.Errorf("seq %d after %d, Seq says %d", r.Seq, last, seq)
		}
	}
	return err
}

func logOfSlot(f fixture) error {
	id := random[metastore.SlotID]()
	if recs, err := f.s.Log(f.ctx, id, 0); err != nil || len(recs) != 0 {
		return fmt.Errorf("log of an absent slot: %d records, %v", len(recs), err)
	}
	r, err := f.create()
	if err != nil {
		return err
	}
	want := []metastore.Record{r}
	for range 4 {
		if r, err = f.update(r, metastore.Request{}); err != nil {
			return err
		}
		want = append(want, r)
	}
	for after := range uint64(7) {
		got, err := f.s.Log(f.ctx, r.ID, after)
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		expect := want[min(int(after), len(want)):]
		if len(got) != len(expect) {
			return fmt.Errorf("log after %d gave %d records, want %d", after, len(got), len(expect))
		}
		for i, g := range got {
			e := expect[i]
			if g.ID != e.ID || g.Version != e.Version || g.Seq != e.Seq || g.Hash != e.Hash || !bytes.Equal(g.Bytes, e.Bytes) {
				return fmt.Errorf("log after %d: record %d is version %d seq %d, want version %d seq %d",
					after, i, g.Version, g.Seq, e.Version, e.Seq)
			}
		}
	}
	return nil
}
