package metastoretest

import (
	"fmt"
	"math"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func chargeChecks() []Check {
	return []Check{
		on("Charge", charge),
		on("ChargeLimit", chargeLimit),
		on("ChargeAllOrNothing", chargeAllOrNothing),
		on("ChargeBounds", chargeBounds),
		on("ChargesInOneCommit", chargesInOneCommit),
		on("ChargesConcurrently", chargesConcurrently),
		on("SetCharged", setCharged),
		on("ChargedOfView", chargedOfView),
	}
}

func (f fixture) charge(c ...metastore.Charge) error {
	return f.commit(&metastore.Request{Charges: c})
}

// charged checks a root's counters.
func (f fixture) charged(root metastore.SlotID, files, bytes int64) error {
	gotFiles, gotBytes, err := f.s.Charged(f.ctx, root)
	if err != nil {
		return fmt.Errorf("charged: %w", err)
	}
	if gotFiles != files || gotBytes != bytes {
		return fmt.Errorf("charged %d files, %d bytes; want %d, %d", gotFiles, gotBytes, files, bytes)
	}
	return nil
}

func charge(f fixture) error {
	a, b := random[metastore.SlotID](), random[metastore.SlotID]()
	before, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	if err := first(
		f.charged(a, 0, 0),
		f.charge(metastore.Charge{Root: a, Files: 2, Bytes: 100}), f.charged(a, 2, 100),
		f.charge(metastore.Charge{Root: a, Files: -1, Bytes: 50}, metastore.Charge{Root: b, Bytes: 7}),
		f.charged(a, 1, 150), f.charged(b, 0, 7),
	); err != nil {
		return err
	}
	after, err := f.s.Seq(f.ctx)
	if err == nil && after <= before {
		return fmt.Errorf("charges alone are no commit: seq stays %d", after)
	}
	return err
}

// chargeLimit: a limit may be reached, not exceeded; it stops what grows, nothing
// else, and each counter has its own.
func chargeLimit(f fixture) error {
	root := random[metastore.SlotID]()
	add := func(files, bytes int64) error {
		return f.charge(metastore.Charge{Root: root, Files: files, Bytes: bytes, MaxFiles: 3, MaxBytes: 100})
	}
	refused := func(files, bytes int64) error {
		return wantKind(fmt.Sprintf("charging %d files, %d bytes", files, bytes), add(files, bytes), kind.NoSpace)
	}
	return first(
		add(3, 100), f.charged(root, 3, 100),
		refused(1, 0), refused(0, 1), refused(-1, 1), refused(1, -50), f.charged(root, 3, 100),
		add(0, 0), add(-1, -10), add(0, 10), f.charged(root, 2, 100),
		// Above a limit that was lowered since, it may still shrink.
		f.charge(metastore.Charge{Root: root, Files: -1, Bytes: -1, MaxFiles: 1, MaxBytes: 10}), f.charged(root, 1, 99),
		wantKind("growing above a lowered limit", f.charge(metastore.Charge{Root: root, Bytes: 1, MaxBytes: 10}), kind.NoSpace),
		f.charge(metastore.Charge{Root: root, Files: 100, Bytes: 1000}), f.charged(root, 101, 1099),
	)
}

// chargeAllOrNothing: a refused charge leaves nothing of its request, and a
// refused request none of its charges.
func chargeAllOrNothing(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	a, b := random[metastore.SlotID](), random[metastore.SlotID]()
	n, row := inline()
	err = f.commit(&metastore.Request{
		Slots: []metastore.SlotChange{change(r.ID, r.Hash)}, Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row},
		Charges: []metastore.Charge{{Root: a, Files: 1}, {Root: b, Bytes: 11, MaxBytes: 10}},
	})
	stale := f.commit(&metastore.Request{
		Slots: []metastore.SlotChange{change(r.ID, [32]byte{1})}, Charges: []metastore.Charge{{Root: a, Files: 1}},
	})
	return first(wantKind("a charge above its limit", err, kind.NoSpace), wantKind("a stale slot", stale, kind.Conflict),
		f.charged(a, 0, 0), f.charged(b, 0, 0), f.unchanged(r), f.noNode(n.ID))
}

func chargeBounds(f fixture) error {
	root := random[metastore.SlotID]()
	return first(
		f.charge(metastore.Charge{Root: root, Files: 1, Bytes: math.MaxInt64 - 1}),
		f.charge(metastore.Charge{Root: root, Bytes: math.MaxInt64}), f.charged(root, 1, math.MaxInt64),
		wantKind("charging beyond what can be counted", f.charge(metastore.Charge{Root: root, Files: math.MaxInt64, MaxFiles: math.MaxInt64 - 1}), kind.NoSpace),
		f.charge(metastore.Charge{Root: root, Files: -5, Bytes: math.MinInt64}), f.charged(root, 0, 0),
	)
}

// chargesInOneCommit: requests of one transaction see each other's charges.
func chargesInOneCommit(f fixture) error {
	root := random[metastore.SlotID]()
	reqs := make([]*metastore.Request, 4)
	for i := range reqs {
		reqs[i] = &metastore.Request{Charges: []metastore.Charge{{Root: root, Bytes: 4, MaxBytes: 10}}}
	}
	errs := f.s.Commit(f.ctx, reqs...)
	return first(errs[0], errs[1], wantKind("the third of 4 bytes of 10", errs[2], kind.NoSpace),
		wantKind("the fourth of 4 bytes of 10", errs[3], kind.NoSpace), f.charged(root, 0, 8))
}

// chargesConcurrently: writers at once end exactly at the limit.
func chargesConcurrently(f fixture) error { return chargeRace(f, f) }

// chargeRace charges one root from many writers, over the stores in turn.
func chargeRace(fs ...fixture) error {
	const writers, each, limit = 8, 10, 57
	root := random[metastore.SlotID]()
	errs := make([]error, writers)
	won := make([]int, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			f := fs[w%len(fs)]
			for range each {
				err := f.charge(metastore.Charge{Root: root, Files: 1, Bytes: 3, MaxFiles: limit})
				switch kind.Of(err) {
				case 0:
					won[w]++
				case kind.NoSpace:
				default:
					errs[w] = err
					return
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range won {
		total += n
	}
	if err := first(errs...); err != nil {
		return err
	}
	if total != limit {
		return fmt.Errorf("%d charges of a limit of %d were accepted", total, limit)
	}
	return fs[0].charged(root, limit, 3*limit)
}

func setCharged(f fixture) error {
	a, b := random[metastore.SlotID](), random[metastore.SlotID]()
	set := func(files, bytes int64) error { return f.s.SetCharged(f.ctx, a, files, bytes) }
	return first(
		f.charge(metastore.Charge{Root: b, Files: 1}), set(5, 500), f.charged(a, 5, 500), set(4, 40), f.charged(a, 4, 40),
		wantKind("files below zero", set(-1, 0), kind.Invalid), wantKind("bytes below zero", set(0, -1), kind.Invalid),
		f.charge(metastore.Charge{Root: a, Files: 1, Bytes: 1}), f.charged(a, 5, 41), set(0, 0), f.charged(a, 0, 0), f.charged(b, 1, 0),
	)
}

// chargedOfView: a recount reads the counters of the tree that it counts.
func chargedOfView(f fixture) error {
	root := random[metastore.SlotID]()
	if err := f.charge(metastore.Charge{Root: root, Files: 1, Bytes: 10}); err != nil {
		return err
	}
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	if err := f.charge(metastore.Charge{Root: root, Files: 1, Bytes: 10}); err != nil {
		return err
	}
	files, bytes, err := v.Charged(f.ctx, root)
	if err == nil && (files != 1 || bytes != 10) {
		return fmt.Errorf("a view says %d files, %d bytes are charged; want 1, 10", files, bytes)
	}
	none, _, err2 := v.Charged(f.ctx, random[metastore.SlotID]())
	if none != 0 {
		return fmt.Errorf("a view charges a root that was never charged")
	}
	return first(err, err2, f.charged(root, 2, 20))
}
