package metastoretest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Repair queues: a store that has none fails these.
func repairChecks() []Check {
	return []Check{
		on("Repairs", repairs),
		on("RepairsInOrder", repairsInOrder),
		on("RepairsOfTheLiving", repairsOfTheLiving),
		on("RepairsByMember", repairsByMember),
		on("RepairsInvalid", repairsInvalid),
	}
}

// lives makes blocks in state live, ascending by id.
func (f fixture) lives(n int) ([]metastore.ID, error) {
	ids := make([]metastore.ID, n)
	for i := range ids {
		b, err := f.live()
		if err != nil {
			return nil, err
		}
		ids[i] = b.ID
	}
	slices.SortFunc(ids, func(a, b metastore.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids, nil
}

// owed checks what Repairs gives.
func (f fixture) owed(r metastore.Repairer, member string, after metastore.ID, limit int, want ...metastore.ID) error {
	got, err := r.Repairs(f.ctx, member, after, limit)
	if err == nil && !slices.Equal(got, want) {
		return fmt.Errorf("repairs of %q after %v, %d at most: %v; want %v", member, after, limit, got, want)
	}
	return err
}

func (f fixture) counts(r metastore.Repairer, want map[string]int64) error {
	got, err := r.CountRepairs(f.ctx)
	if err == nil && !maps.Equal(got, want) {
		return fmt.Errorf("countRepairs: %v, want %v", got, want)
	}
	return err
}

func repairs(f fixture) error {
	r, err := metastore.AsRepairer(f.s)
	if err != nil {
		return err
	}
	ids, err := f.lives(3)
	if err != nil {
		return err
	}
	none := metastore.ID{}
	return first(
		f.owed(r, "1", none, 10), f.counts(r, nil), r.EndRepairs(f.ctx, "1", ids),
		r.AddRepairs(f.ctx, "1", ids[1:]), r.AddRepairs(f.ctx, "1", nil), r.AddRepairs(f.ctx, "1", ids), f.owed(r, "1", none, 10, ids...),
		f.counts(r, map[string]int64{"1": 3}),
		r.EndRepairs(f.ctx, "1", []metastore.ID{ids[1], random[metastore.ID]()}), f.owed(r, "1", none, 10, ids[0], ids[2]),
		r.EndRepairs(f.ctx, "1", ids), f.owed(r, "1", none, 10), f.counts(r, nil),
	)
}

// repairsInOrder: any page size walks the queue once, in order.
func repairsInOrder(f fixture) error {
	r, err := metastore.AsRepairer(f.s)
	if err != nil {
		return err
	}
	ids, err := f.lives(7)
	if err != nil {
		return err
	}
	if err := r.AddRepairs(f.ctx, "m", ids); err != nil {
		return err
	}
	for limit := 1; limit <= 8; limit++ {
		var all []metastore.ID
		for after := (metastore.ID{}); ; {
			page, err := r.Repairs(f.ctx, "m", after, limit)
			if err != nil {
				return err
			}
			all = append(all, page...)
			if len(page) < limit {
				break
			}
			after = page[len(page)-1]
		}
		if !slices.Equal(all, ids) {
			return fmt.Errorf("in pages of %d the queue of %d gives %d ids, or in another order", limit, len(ids), len(all))
		}
	}
	return f.owed(r, "m", ids[6], 1)
}

// repairsOfTheLiving: what is new or live is owed; what collection took, and what
// has no row, is dropped from the queue, and the page is full all the same.
func repairsOfTheLiving(f fixture) error {
	r, err := metastore.AsRepairer(f.s)
	if err != nil {
		return err
	}
	fresh, err := f.register(random[metastore.DraftID]())
	if err != nil {
		return err
	}
	ids, err := f.lives(5)
	if err != nil {
		return err
	}
	// The two lowest are on their way out, or gone; one in the middle is condemned only.
	c := f.s.Collector()
	if err := first(f.beginDelete(ids[0]), f.beginDelete(ids[1]), c.EndDelete(f.ctx, ids[1:2]), f.condemn(ids[3])); err != nil {
		return err
	}
	all := append([]metastore.ID{fresh.ID, random[metastore.ID]()}, ids...)
	owed := append([]metastore.ID{fresh.ID}, ids[2:]...)
	slices.SortFunc(owed, func(a, b metastore.ID) int { return bytes.Compare(a[:], b[:]) })
	return first(
		r.AddRepairs(f.ctx, "0", all), f.owed(r, "0", metastore.ID{}, 2, owed[:2]...),
		f.owed(r, "0", metastore.ID{}, 100, owed...), f.counts(r, map[string]int64{"0": int64(len(owed))}),
	)
}

func repairsByMember(f fixture) error {
	r, err := metastore.AsRepairer(f.s)
	if err != nil {
		return err
	}
	ids, err := f.lives(2)
	if err != nil {
		return err
	}
	none, long := metastore.ID{}, strings.Repeat("ü", 127)
	return first(
		r.AddRepairs(f.ctx, "0", ids), r.AddRepairs(f.ctx, "0.1", ids[:1]), r.AddRepairs(f.ctx, long, ids[1:]),
		f.owed(r, "0", none, 9, ids...), f.owed(r, "0.1", none, 9, ids[0]), f.owed(r, long, none, 9, ids[1]), f.owed(r, "1", none, 9),
		r.EndRepairs(f.ctx, "0", ids[:1]), f.owed(r, "0", none, 9, ids[1]), f.owed(r, "0.1", none, 9, ids[0]),
		f.counts(r, map[string]int64{"0": 1, "0.1": 1, long: 1}),
	)
}

func repairsInvalid(f fixture) error {
	r, err := metastore.AsRepairer(f.s)
	if err != nil {
		return err
	}
	ids := []metastore.ID{random[metastore.ID]()}
	for _, member := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 256)} {
		_, repairs := r.Repairs(f.ctx, member, metastore.ID{}, 1)
		err := first(wantKind("AddRepairs", r.AddRepairs(f.ctx, member, ids), kind.Invalid),
			wantKind("EndRepairs", r.EndRepairs(f.ctx, member, ids), kind.Invalid), wantKind("Repairs", repairs, kind.Invalid))
		if err != nil {
			return fmt.Errorf("member %q: %w", member, err)
		}
	}
	_, zero := r.Repairs(f.ctx, "0", metastore.ID{}, 0)
	_, below := r.Repairs(f.ctx, "0", metastore.ID{}, -1)
	return first(wantKind("no repairs asked for", zero, kind.Invalid), wantKind("less than none", below, kind.Invalid), f.counts(r, nil))
}
