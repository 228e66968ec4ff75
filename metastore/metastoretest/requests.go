package metastoretest

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func requestChecks() []Check {
	return []Check{
		on("Invalid", invalid),
		on("AllOrNothing", allOrNothing),
		on("EachAlone", eachAlone),
		on("InOrder", inOrder),
		on("CheckReads", checkReads),
		on("CheckSeesEarlierRequests", checkSeesEarlierRequests),
		on("CheckError", checkError),
		on("DirMove", dirMove),
		on("OnlyConditions", onlyConditions),
	}
}

func invalid(f fixture) error {
	id := random[metastore.SlotID]()
	n, row := inline()
	short := row
	short.Len--
	dir := node(id)
	r, err := f.create()
	if err != nil {
		return err
	}
	cases := map[string]metastore.Request{
		"slot twice":         {Slots: []metastore.SlotChange{change(id, [32]byte{}), change(id, [32]byte{})}},
		"no seal":            {Slots: []metastore.SlotChange{{ID: id}}},
		"node without row":   {Nodes: []metastore.NewNode{n}},
		"row without node":   {Live: []metastore.BlockRow{row}},
		"row of other size":  {Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{short}},
		"row of a directory": {Nodes: []metastore.NewNode{dir}, Live: []metastore.BlockRow{{ID: dir.ID, Len: int64(len(dir.Data))}}},
		"node twice":         {Nodes: []metastore.NewNode{dir, dir}},
		"live twice":         {Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row, row}},
		"root twice":         {Roots: []metastore.Root{{ID: r.ID}}, ForgetRoots: []metastore.SlotID{r.ID}},
		"forgotten twice":    {ForgetRoots: []metastore.SlotID{id, id}},
		"charged twice":      {Charges: []metastore.Charge{{Root: id}, {Root: id}}},
		"charge of no root":  {Charges: []metastore.Charge{{Files: 1}}},
		"limit below zero":   {Charges: []metastore.Charge{{Root: id, MaxBytes: -1}}},
		"empty node":         {Nodes: []metastore.NewNode{{ID: dir.ID, Slot: id}}},
	}
	for name, r := range cases {
		err := first(wantKind(name, f.commit(&r), kind.Invalid), f.noNode(n.ID), f.noNode(dir.ID), f.charged(id, 0, 0))
		if err != nil {
			return err
		}
	}
	return nil
}

// allOrNothing: a request with one stale slot changes nothing at all.
func allOrNothing(f fixture) error {
	a, err := f.create()
	if err != nil {
		return err
	}
	b, err := f.create()
	if err != nil {
		return err
	}
	stale := b
	if b, err = f.update(b, metastore.Request{}); err != nil {
		return err
	}
	n := node(a.ID)
	in, row := inline()
	fresh := random[metastore.SlotID]()
	err = f.commit(&metastore.Request{
		Slots: []metastore.SlotChange{change(a.ID, a.Hash), change(fresh, [32]byte{}), change(b.ID, stale.Hash)},
		Nodes: []metastore.NewNode{n, in}, Live: []metastore.BlockRow{row},
		Roots: []metastore.Root{{ID: a.ID, Source: "cli"}},
	})
	_, there, e := f.block(row.ID)
	if e == nil && there {
		e = errors.New("a refused request left a block row")
	}
	return first(wantKind("one stale slot of three", err, kind.Conflict), f.unchanged(a), f.unchanged(b),
		f.unchanged(metastore.Record{ID: fresh}), f.noNode(n.ID), f.noNode(in.ID), e, f.isRoot(a.ID, false))
}

func (f fixture) isRoot(id metastore.SlotID, want bool) error {
	is, err := f.s.IsRoot(f.ctx, []metastore.SlotID{id})
	if err != nil {
		return fmt.Errorf("isRoot: %w", err)
	}
	if len(is) != 1 || is[0] != want {
		return fmt.Errorf("isRoot gives %v, want %t", is, want)
	}
	return nil
}

// eachAlone: in one call, losers do not pull down winners.
func eachAlone(f fixture) error {
	a, err := f.create()
	if err != nil {
		return err
	}
	b, err := f.create()
	if err != nil {
		return err
	}
	mine := errors.New("mine")
	errs := f.s.Commit(f.ctx,
		&metastore.Request{Slots: []metastore.SlotChange{change(a.ID, [32]byte{9})}},
		&metastore.Request{Slots: []metastore.SlotChange{change(a.ID, a.Hash)}},
		&metastore.Request{Slots: []metastore.SlotChange{{ID: a.ID}}},
		&metastore.Request{Check: func(context.Context, metastore.Reader) error { return mine }},
		&metastore.Request{Slots: []metastore.SlotChange{change(b.ID, b.Hash)}},
	)
	if len(errs) != 5 {
		return fmt.Errorf("commit of 5 requests gave %d errors", len(errs))
	}
	if err := first(wantKind("request 0", errs[0], kind.Conflict), errs[1],
		wantKind("request 2", errs[2], kind.Invalid), errs[4]); err != nil {
		return err
	}
	if !errors.Is(errs[3], mine) {
		return fmt.Errorf("request 3: %v, want its Check's own error", errs[3])
	}
	for _, r := range []metastore.Record{a, b} {
		now, err := f.slot(r.ID)
		if err != nil {
			return err
		}
		if now.Version != r.Version+1 {
			return fmt.Errorf("slot has version %d after one winner, want %d", now.Version, r.Version+1)
		}
	}
	return nil
}

// inOrder: of requests in one call on one base the first wins, and a later one
// may build on what an earlier one did.
func inOrder(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	n := node(r.ID)
	errs := f.s.Commit(f.ctx,
		&metastore.Request{Slots: []metastore.SlotChange{change(r.ID, r.Hash)}, Nodes: []metastore.NewNode{n}},
		&metastore.Request{Slots: []metastore.SlotChange{change(r.ID, r.Hash)}},
	)
	if errs[0] != nil {
		return errs[0]
	}
	return wantKind("second on one base", errs[1], kind.Conflict)
}

func checkReads(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	n := node(r.ID)
	if r, err = f.update(r, metastore.Request{Nodes: []metastore.NewNode{n}}); err != nil {
		return err
	}
	called := false
	added := node(r.ID)
	check := func(ctx context.Context, tx metastore.Reader) error {
		called = true
		recs, err := tx.Slots(ctx, []metastore.SlotID{r.ID, random[metastore.SlotID]()})
		if err != nil {
			return err
		}
		data, err := tx.Nodes(ctx, []metastore.ID{n.ID, added.ID})
		if err != nil {
			return err
		}
		roots, err := tx.IsRoot(ctx, []metastore.SlotID{r.ID})
		if err != nil {
			return err
		}
		if recs[0].Hash != r.Hash || recs[1].Bytes != nil || string(data[0]) != string(n.Data) || data[1] != nil || roots[0] {
			return errors.New("check reads something else than what is stored before the request")
		}
		return nil
	}
	_, err = f.update(r, metastore.Request{
		Nodes: []metastore.NewNode{added}, Roots: []metastore.Root{{ID: r.ID, Source: "cli"}}, Check: check,
	})
	if err == nil && !called {
		return errors.New("check was not called")
	}
	return err
}

func checkSeesEarlierRequests(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	var version uint64
	errs := f.s.Commit(f.ctx,
		&metastore.Request{Slots: []metastore.SlotChange{change(r.ID, r.Hash)}},
		&metastore.Request{Check: func(ctx context.Context, tx metastore.Reader) error {
			recs, err := tx.Slots(ctx, []metastore.SlotID{r.ID})
			if err == nil {
				version = recs[0].Version
			}
			return err
		}})
	if err := first(errs...); err != nil {
		return err
	}
	if version != r.Version+1 {
		return fmt.Errorf("check saw version %d, the request before it made %d", version, r.Version+1)
	}
	return nil
}

func checkError(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	mine := errors.New("not empty")
	err = f.commit(&metastore.Request{
		Slots: []metastore.SlotChange{change(r.ID, r.Hash)},
		Check: func(context.Context, metastore.Reader) error { return mine },
	})
	if !errors.Is(err, mine) {
		return fmt.Errorf("check's error came back as %v", err)
	}
	return f.unchanged(r)
}

func dirMove(f fixture) error {
	a, err := f.create()
	if err != nil {
		return err
	}
	_, err = f.update(a, metastore.Request{DirMove: true})
	return err
}

// onlyConditions: a request that changes nothing is no commit.
func onlyConditions(f fixture) error {
	before, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	id := random[metastore.SlotID]()
	if err := f.commit(&metastore.Request{RootState: map[metastore.SlotID]bool{id: false}}); err != nil {
		return fmt.Errorf("a condition that holds: %w", err)
	}
	err = f.commit(&metastore.Request{RootState: map[metastore.SlotID]bool{id: true}})
	if err := wantKind("a condition that does not hold", err, kind.Conflict); err != nil {
		return err
	}
	after, err := f.s.Seq(f.ctx)
	if err == nil && after != before {
		return fmt.Errorf("seq went from %d to %d without a change", before, after)
	}
	return err
}
