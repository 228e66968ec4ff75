package metastoretest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
)

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

// everyCall makes each call of the interface once, and gives their errors.
func (f fixture) everyCall() map[string]error {
	errs := map[string]error{}
	c := f.s.Collector()
	slot, id, g := random[metastore.SlotID](), random[metastore.ID](), random[metastore.GatewayID]()
	ids := []metastore.ID{id}
	_, errs["Slots"] = f.s.Slots(f.ctx, []metastore.SlotID{slot})
	_, errs["Nodes"] = f.s.Nodes(f.ctx, ids)
	_, errs["IsRoot"] = f.s.IsRoot(f.ctx, []metastore.SlotID{slot})
	_, errs["Seq"] = f.s.Seq(f.ctx)
	_, errs["Log"] = f.s.Log(f.ctx, slot, 0)
	_, errs["Blocks"] = f.s.Blocks(f.ctx, ids)
	_, _, errs["Charged"] = f.s.Charged(f.ctx, slot)
	_, errs["SealedRows"] = f.s.SealedRows(f.ctx, testKind, metastore.SealedPlace{}, 1)
	_, errs["SealedState"] = f.s.SealedState(f.ctx, testKind)
	_, errs["Identity"] = f.s.Identity(f.ctx)
	errs["Commit"] = f.commit(&metastore.Request{Slots: []metastore.SlotChange{change(slot, [32]byte{})}})
	errs["Register"] = f.s.Register(f.ctx, g, random[metastore.DraftID](), []metastore.BlockRow{{ID: id, Len: 1}})
	errs["EndDraft"] = f.s.EndDraft(f.ctx, random[metastore.DraftID]())
	errs["Heartbeat"] = f.s.Heartbeat(f.ctx, g, 0, time.Hour)
	errs["SetCharged"] = f.s.SetCharged(f.ctx, slot, 1, 1)
	_, errs["Snapshot"] = c.Snapshot(f.ctx)
	errs["Absolve"] = c.Absolve(f.ctx, ids)
	_, errs["BeginDelete"] = c.BeginDelete(f.ctx, ids, far())
	errs["EndDelete"] = c.EndDelete(f.ctx, ids)
	_, errs["Pin"] = c.Pin(f.ctx, far(), "test")
	errs["PinAt"] = c.PinAt(f.ctx, 1, far(), "test")
	errs["Unpin"] = c.Unpin(f.ctx, 1)
	errs["Share"] = c.Share(f.ctx, ids, nil)
	errs["SetNonce"] = c.SetNonce(f.ctx, [16]byte{}, [16]byte{1})
	_, errs["Lead"] = c.Lead(f.ctx, g, time.Hour)
	_, errs["Reap"] = c.Reap(f.ctx, 0, false)
	if r, err := metastore.AsRepairer(f.s); err == nil {
		errs["AddRepairs"] = r.AddRepairs(f.ctx, "0", ids)
		_, errs["Repairs"] = r.Repairs(f.ctx, "0", metastore.ID{}, 1)
		errs["EndRepairs"] = r.EndRepairs(f.ctx, "0", ids)
		_, errs["CountRepairs"] = r.CountRepairs(f.ctx)
	}
	if e, err := metastore.AsExporter(f.s); err == nil {
		_, errs["Export"] = allRows(e.Export(f.ctx))
		errs["Import"] = e.Import(f.ctx, memory.New().Export(context.WithoutCancel(f.ctx)))
	}
	return errs
}

func (f fixture) everyCallFails(want kind.Kind) error {
	for name, err := range f.everyCall() {
		if err := wantKind(name, err, want); err != nil {
			return err
		}
	}
	return nil
}

// canceled: a context that has ended stops each call before it does anything.
func canceled(f fixture) error {
	before, err := f.rows()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	if err := (fixture{ctx, f.s}).everyCallFails(kind.Canceled); err != nil {
		return err
	}
	return f.sameRows(before)
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

// useAfterClose: every call says so, and closing again says nothing.
func useAfterClose(f fixture) error {
	return first(f.s.Close(), f.everyCallFails(kind.Closed), f.s.Close())
}
