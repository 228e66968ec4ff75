package metastoretest

import (
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func ownerChecks() []Check {
	return []Check{
		on("OwnerStays", ownerStays),
		on("OwnerOfOther", ownerOfOther),
		on("LinkShares", linkShares),
		on("ReplaceShares", replaceShares),
		on("Share", share),
		on("ForgetRoots", forgetRoots),
		on("ForgetRootsAllOrNothing", forgetRootsAllOrNothing),
	}
}

// owned makes a slot, a block of a draft that is linked, and an inline block, all
// through one root.
type owned struct {
	slot          metastore.Record
	block, inline metastore.ID
}

func (f fixture) owned(root metastore.SlotID) (o owned, err error) {
	d, id := random[metastore.DraftID](), random[metastore.SlotID]()
	b := metastore.BlockRow{ID: random[metastore.ID](), Len: 4096, Owner: root}
	if err = f.s.Register(f.ctx, random[metastore.GatewayID](), d, []metastore.BlockRow{b}); err != nil {
		return o, err
	}
	n, row := inline()
	row.Owner = root
	c := change(id, [32]byte{})
	c.Owner = root
	err = f.commit(&metastore.Request{
		Owner: root, Slots: []metastore.SlotChange{c}, Nodes: []metastore.NewNode{n},
		Live: []metastore.BlockRow{row}, Links: []metastore.ID{b.ID}, Draft: d,
	})
	if err != nil {
		return o, err
	}
	o.block, o.inline = b.ID, n.ID
	o.slot, err = f.slot(id)
	return o, first(err, f.owners(o, root, root, root))
}

// owners checks the owners of what owned made.
func (f fixture) owners(o owned, slot, block, inline metastore.SlotID) error {
	r, err := f.slot(o.slot.ID)
	if err != nil {
		return err
	}
	if r.Owner != slot {
		return fmt.Errorf("the owner of a slot is %v, want %v", r.Owner, slot)
	}
	for id, want := range map[metastore.ID]metastore.SlotID{o.block: block, o.inline: inline} {
		b, there, err := f.block(id)
		if err != nil {
			return err
		}
		if !there || b.Owner != want {
			return fmt.Errorf("the owner of a block (there: %t) is %v, want %v", there, b.Owner, want)
		}
	}
	return nil
}

// ownerStays: through the root that made it, nothing becomes shared.
func ownerStays(f fixture) error {
	root := random[metastore.SlotID]()
	o, err := f.owned(root)
	if err != nil {
		return err
	}
	_, err = f.update(o.slot, metastore.Request{Owner: root, Links: []metastore.ID{o.block, o.inline}})
	return first(err, f.owners(o, root, root, root))
}

// ownerOfOther: what a request makes in another root's name, or without saying
// through which root it came, is shared from the start.
func ownerOfOther(f fixture) error {
	other := random[metastore.SlotID]()
	for _, through := range []metastore.SlotID{{}, random[metastore.SlotID]()} {
		n, row := inline()
		row.Owner = other
		c := change(random[metastore.SlotID](), [32]byte{})
		c.Owner = other
		r := &metastore.Request{
			Owner: through, Slots: []metastore.SlotChange{c}, Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row},
		}
		if err := f.commit(r); err != nil {
			return err
		}
		o := owned{slot: metastore.Record{ID: c.ID}, block: n.ID, inline: n.ID}
		if err := f.owners(o, metastore.SlotID{}, metastore.SlotID{}, metastore.SlotID{}); err != nil {
			return err
		}
	}
	return nil
}

// linkShares: a block that another root links is shared, and stays so.
func linkShares(f fixture) error {
	root := random[metastore.SlotID]()
	o, err := f.owned(root)
	if err != nil {
		return err
	}
	link := func(through metastore.SlotID, id metastore.ID) error {
		return f.commit(&metastore.Request{Owner: through, Links: []metastore.ID{id}})
	}
	return first(
		link(random[metastore.SlotID](), o.block), f.owners(o, root, metastore.SlotID{}, root),
		link(metastore.SlotID{}, o.inline), f.owners(o, root, metastore.SlotID{}, metastore.SlotID{}),
		link(root, o.block), link(root, o.inline), f.owners(o, root, metastore.SlotID{}, metastore.SlotID{}),
	)
}

// replaceShares: a slot that is written through another root is shared, and
// stays so; its log says the same.
func replaceShares(f fixture) error {
	root := random[metastore.SlotID]()
	o, err := f.owned(root)
	if err != nil {
		return err
	}
	r, err := f.update(o.slot, metastore.Request{Owner: random[metastore.SlotID]()})
	if err := first(err, f.owners(o, metastore.SlotID{}, root, root)); err != nil {
		return err
	}
	if _, err = f.update(r, metastore.Request{Owner: root}); err != nil {
		return err
	}
	log, err := f.s.Log(f.ctx, o.slot.ID, 0)
	if err != nil {
		return err
	}
	for _, r := range log {
		if r.Owner != (metastore.SlotID{}) {
			return fmt.Errorf("version %d in the log of a shared slot has an owner", r.Version)
		}
	}
	return f.owners(o, metastore.SlotID{}, root, root)
}

func share(f fixture) error {
	root := random[metastore.SlotID]()
	o, err := f.owned(root)
	if err != nil {
		return err
	}
	rest, err := f.owned(root)
	if err != nil {
		return err
	}
	shared := func() error { return f.owners(o, metastore.SlotID{}, metastore.SlotID{}, metastore.SlotID{}) }
	err = f.s.Collector().Share(f.ctx, []metastore.ID{o.block, o.inline, random[metastore.ID]()},
		[]metastore.SlotID{o.slot.ID, random[metastore.SlotID]()})
	return first(err, shared(), f.unchanged(o.slot), f.owners(rest, root, root, root),
		f.s.Collector().Share(f.ctx, nil, nil), shared())
}

func forgetRoots(f fixture) error {
	a, err := f.create()
	if err != nil {
		return err
	}
	b, err := f.create()
	if err != nil {
		return err
	}
	forget := func(ids ...metastore.SlotID) error { return f.commit(&metastore.Request{ForgetRoots: ids}) }
	return first(
		f.commit(&metastore.Request{Roots: []metastore.Root{{ID: a.ID}, {ID: b.ID}}}),
		forget(a.ID), f.isRoot(a.ID, false), f.isRoot(b.ID, true),
		wantKind("forgetting a root twice", forget(a.ID), kind.Conflict),
		// A request that enters one that another forgot starts it anew.
		f.commit(&metastore.Request{Roots: []metastore.Root{{ID: a.ID, Source: "again"}}}), f.isRoot(a.ID, true),
	)
}

func forgetRootsAllOrNothing(f fixture) error {
	a, err := f.create()
	if err != nil {
		return err
	}
	absent, root := random[metastore.SlotID](), random[metastore.SlotID]()
	enter := f.commit(&metastore.Request{Roots: []metastore.Root{{ID: a.ID}}})
	err = f.commit(&metastore.Request{
		Slots: []metastore.SlotChange{change(a.ID, a.Hash)}, ForgetRoots: []metastore.SlotID{a.ID, absent},
		Charges: []metastore.Charge{{Root: root, Files: 1}},
	})
	return first(enter, wantKind("forgetting a root that is none", err, kind.Conflict),
		f.isRoot(a.ID, true), f.unchanged(a), f.charged(root, 0, 0))
}
