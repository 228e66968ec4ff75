package metastoretest

import (
	"bytes"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func nodeChecks() []Check {
	return []Check{
		on("Nodes", nodes),
		on("NodeIsACopy", nodeIsACopy),
		on("NodeTwice", nodeTwice),
		on("InlineBlock", inlineBlock),
		on("LiveTwice", liveTwice),
		on("LargeNode", largeNode),
	}
}

func rootChecks() []Check {
	return []Check{
		on("Root", root),
		on("RootNeedsSlot", rootNeedsSlot),
		on("RootRefusesTombstone", rootRefusesTombstone),
		on("RootTwice", rootTwice),
		on("RootState", rootState),
	}
}

func nodes(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	a, b := node(r.ID), node(r.ID)
	if _, err := f.update(r, metastore.Request{Nodes: []metastore.NewNode{a, b}}); err != nil {
		return err
	}
	got, err := f.s.Nodes(f.ctx, []metastore.ID{b.ID, random[metastore.ID](), a.ID, b.ID})
	if err != nil {
		return err
	}
	if len(got) != 4 || !bytes.Equal(got[0], b.Data) || got[1] != nil || !bytes.Equal(got[2], a.Data) || !bytes.Equal(got[3], b.Data) {
		return fmt.Errorf("nodes did not give what was stored, in the order asked")
	}
	// An id that shares its first half with a stored one is another id.
	near := a.ID
	near[31] ^= 1
	return f.noNode(near)
}

func nodeIsACopy(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	n := node(r.ID)
	want := bytes.Clone(n.Data)
	if _, err := f.update(r, metastore.Request{Nodes: []metastore.NewNode{n}}); err != nil {
		return err
	}
	n.Data[0] ^= 1
	got, err := f.node(n.ID)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the store kept the caller's slice")
	}
	got[0] ^= 1
	if again, err := f.node(n.ID); err != nil || !bytes.Equal(again, want) {
		return fmt.Errorf("the store handed out its own slice (%v)", err)
	}
	return nil
}

func nodeTwice(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	n := node(r.ID)
	for range 2 {
		if r, err = f.update(r, metastore.Request{Nodes: []metastore.NewNode{n}}); err != nil {
			return fmt.Errorf("adding a node that may be there: %w", err)
		}
	}
	got, err := f.node(n.ID)
	if err == nil && !bytes.Equal(got, n.Data) {
		return fmt.Errorf("a node added twice reads wrong")
	}
	return err
}

func inlineBlock(f fixture) error {
	n, row := inline()
	row.Owner = random[metastore.SlotID]()
	r := &metastore.Request{Owner: row.Owner, Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row}}
	if err := f.commit(r); err != nil {
		return err
	}
	b, there, err := f.block(n.ID)
	if err != nil {
		return err
	}
	if !there || b.State != metastore.BlockLive || !b.Inline || b.BlockRow != row || b.Seen.IsZero() {
		return fmt.Errorf("row of an inline block: %+v", b)
	}
	got, err := f.node(n.ID)
	if err == nil && !bytes.Equal(got, n.Data) {
		return fmt.Errorf("an inline block reads wrong")
	}
	return err
}

func liveTwice(f fixture) error {
	n, row := inline()
	r := &metastore.Request{Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row}}
	if err := f.commit(r); err != nil {
		return err
	}
	return wantKind("making a block live that has a row", f.commit(r), kind.Conflict)
}

func largeNode(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	n := node(r.ID)
	n.Data = bytes.Repeat(n.Data, 200)
	if _, err := f.update(r, metastore.Request{Nodes: []metastore.NewNode{n}}); err != nil {
		return err
	}
	got, err := f.node(n.ID)
	if err == nil && !bytes.Equal(got, n.Data) {
		return fmt.Errorf("a node of %d bytes reads wrong", len(n.Data))
	}
	return err
}

func root(f fixture) error {
	id := random[metastore.SlotID]()
	err := f.commit(&metastore.Request{
		Slots: []metastore.SlotChange{change(id, [32]byte{})},
		Roots: []metastore.Root{{ID: id, Sealed: []byte("sealed"), Source: "account"}},
	})
	if err != nil {
		return fmt.Errorf("a root with its new slot: %w", err)
	}
	return first(f.isRoot(id, true), f.isRoot(random[metastore.SlotID](), false))
}

func rootNeedsSlot(f fixture) error {
	id := random[metastore.SlotID]()
	err := f.commit(&metastore.Request{Roots: []metastore.Root{{ID: id, Source: "cli"}}})
	return first(wantKind("a root without slot", err, kind.Conflict), f.isRoot(id, false))
}

func rootRefusesTombstone(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	err = f.commit(&metastore.Request{Slots: []metastore.SlotChange{bury(r)}, Roots: []metastore.Root{{ID: r.ID, Source: "cli"}}})
	if err := first(wantKind("a root buried by its own request", err, kind.Conflict), f.unchanged(r)); err != nil {
		return err
	}
	if err := f.commit(&metastore.Request{Slots: []metastore.SlotChange{bury(r)}}); err != nil {
		return err
	}
	err = f.commit(&metastore.Request{Roots: []metastore.Root{{ID: r.ID, Source: "cli"}}})
	return first(wantKind("a tombstone as root", err, kind.Conflict), f.isRoot(r.ID, false))
}

func rootTwice(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	for _, text := range []string{"first", "second"} {
		err := f.commit(&metastore.Request{Roots: []metastore.Root{{ID: r.ID, Sealed: []byte(text), Source: text}}})
		if err != nil {
			return err
		}
	}
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	found := 0
	for root, err := range v.AllRoots(f.ctx) {
		if err != nil {
			return err
		}
		if root.ID != r.ID {
			continue
		}
		found++
		if string(root.Sealed) != "first" || root.Source != "first" || root.Seen.IsZero() {
			return fmt.Errorf("a root entered twice is %q by %q seen %v", root.Sealed, root.Source, root.Seen)
		}
	}
	if found != 1 {
		return fmt.Errorf("a root entered twice has %d rows", found)
	}
	return nil
}

func rootState(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	with := func(want bool) error {
		_, err := f.update(r, metastore.Request{RootState: map[metastore.SlotID]bool{r.ID: want}})
		return err
	}
	if err := first(wantKind("is no root", with(true), kind.Conflict), f.unchanged(r)); err != nil {
		return err
	}
	if err := f.commit(&metastore.Request{Roots: []metastore.Root{{ID: r.ID, Source: "cli"}}}); err != nil {
		return err
	}
	return first(wantKind("is a root", with(false), kind.Conflict), f.unchanged(r), with(true))
}
