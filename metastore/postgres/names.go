package postgres

import (
	"bytes"
	"slices"

	"github.com/truckee-fs/truckee/metastore"
)

// ids gathers the distinct ids of a kind that a batch names, in order.
type ids[T ~[32]byte | ~[16]byte] map[T]bool

func (s ids[T]) add(list ...T) {
	for _, id := range list {
		s[id] = true
	}
}

// sorted gives them as a parameter: in the order in which everybody locks.
func (s ids[T]) sorted() [][]byte {
	list := make([]T, 0, len(s))
	for id := range s {
		list = append(list, id)
	}
	array := idArray(list)
	slices.SortFunc(array, bytes.Compare)
	return array
}

// named is what the requests of a batch name.
type named struct {
	dirMove bool
	slots   ids[metastore.SlotID]
	roots   ids[metastore.SlotID]
	blocks  ids[metastore.ID]
	drafts  ids[metastore.DraftID]
	charges ids[metastore.SlotID]
	nodes   ids[metastore.ID]
	sealed  map[sealedName]bool
}

func nameAll(ops []*op, careful bool) named {
	n := named{
		slots: ids[metastore.SlotID]{}, roots: ids[metastore.SlotID]{}, blocks: ids[metastore.ID]{},
		drafts: ids[metastore.DraftID]{}, charges: ids[metastore.SlotID]{}, nodes: ids[metastore.ID]{},
		sealed: map[sealedName]bool{},
	}
	for _, o := range ops {
		n.add(o.r, careful)
	}
	return n
}

func (n *named) add(r *metastore.Request, careful bool) {
	n.dirMove = n.dirMove || r.DirMove
	for i := range r.Slots {
		n.slots.add(r.Slots[i].ID)
	}
	for i := range r.Roots {
		n.roots.add(r.Roots[i].ID)
	}
	n.roots.add(r.ForgetRoots...)
	for id := range r.RootState {
		n.roots.add(id)
	}
	n.blocks.add(r.Links...)
	if len(r.Links) > 0 && r.Draft != (metastore.DraftID{}) {
		n.drafts.add(r.Draft)
	}
	for _, c := range r.Charges {
		n.charges.add(c.Root)
	}
	for i := range r.Sealed {
		n.sealed[nameOf(&r.Sealed[i])] = true
	}
	if !careful {
		return
	}
	for _, b := range r.Live {
		n.blocks.add(b.ID)
	}
	for i := range r.Nodes {
		n.nodes.add(r.Nodes[i].ID)
	}
}
