package metastoretest

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func sealedChecks() []Check {
	return []Check{
		on("Sealed", sealedRow),
		on("SealedSwap", sealedSwap),
		on("SealedAllOrNothing", sealedAllOrNothing),
		on("SealedInOneCall", sealedInOneCall),
		on("SealedOrder", sealedOrder),
		on("SealedState", sealedState),
		on("SealedInvalid", sealedInvalid),
		on("SealedConcurrently", func(f fixture) error { return sealedRace(f, f) }),
	}
}

// testKind is of rows that only one check uses.
const testKind = 7

func sealedKey(n byte) [32]byte { return [32]byte{n, 31: ^n} }

// seal changes one sealed row.
func (f fixture) seal(k uint8, key [32]byte, base uint64, data []byte) error {
	return f.commit(&metastore.Request{Sealed: []metastore.SealedChange{{Kind: k, Key: key, Base: base, Data: data}}})
}

// sealed reads the rows of a kind, and checks that their revs are commits.
func (f fixture) sealed(k uint8) ([]metastore.SealedRow, error) {
	rows, err := f.s.SealedRows(f.ctx, k, metastore.SealedPlace{}, 1000)
	if err != nil {
		return nil, fmt.Errorf("sealed rows: %w", err)
	}
	seq, err := f.s.Seq(f.ctx)
	for _, r := range rows {
		if err == nil && (r.Rev == 0 || r.Rev > seq || r.Kind != k || r.Data == nil) {
			err = fmt.Errorf("a sealed row of kind %d, rev %d, asked for kind %d at commit %d", r.Kind, r.Rev, k, seq)
		}
	}
	return rows, err
}

// oneSealed expects one row of a kind, with that key and data, and gives its rev.
func (f fixture) oneSealed(k uint8, key [32]byte, data string) (uint64, error) {
	rows, err := f.sealed(k)
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 || rows[0].Key != key || string(rows[0].Data) != data {
		return 0, fmt.Errorf("sealed rows are %v, want one of %q", rows, data)
	}
	return rows[0].Rev, nil
}

// sealedRow: a row is written, replaced and taken away; its rev is its commit's,
// rows of other kinds are others, and what is handed out is the caller's own.
func sealedRow(f fixture) error {
	key := sealedKey(1)
	if err := first(f.seal(testKind, key, 0, []byte("one")), f.seal(testKind+1, key, 0, []byte{})); err != nil {
		return err
	}
	rev, err := f.oneSealed(testKind, key, "one")
	if err != nil {
		return err
	}
	if err := f.seal(testKind, key, rev, []byte("two")); err != nil {
		return err
	}
	seq, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	now, err := f.oneSealed(testKind, key, "two")
	if err != nil || now <= rev || now != seq {
		return fmt.Errorf("a replaced row has rev %d after %d, by commit %d (%w)", now, rev, seq, err)
	}
	rows, err := f.sealed(testKind)
	if err != nil {
		return err
	}
	rows[0].Data[0] = 'x'
	if _, err := f.oneSealed(testKind, key, "two"); err != nil {
		return err
	}
	if _, err := f.oneSealed(testKind+1, key, ""); err != nil {
		return fmt.Errorf("an empty row of another kind: %w", err)
	}
	if err := f.seal(testKind, key, now, nil); err != nil {
		return err
	}
	rows, err = f.sealed(testKind)
	if err == nil && len(rows) > 0 {
		return fmt.Errorf("a row that was taken away is there: %v", rows)
	}
	return err
}

// sealedSwap: only who names the rev that is there changes a row.
func sealedSwap(f fixture) error {
	key := sealedKey(2)
	if err := first(wantKind("replacing an absent row", f.seal(testKind, key, 1, []byte("x")), kind.Conflict),
		wantKind("taking an absent row away", f.seal(testKind, key, 1, nil), kind.Conflict),
		f.seal(testKind, key, 0, []byte("a"))); err != nil {
		return err
	}
	rev, err := f.oneSealed(testKind, key, "a")
	if err := first(err, wantKind("making a row that is there", f.seal(testKind, key, 0, []byte("b")), kind.Conflict),
		wantKind("replacing by a later rev", f.seal(testKind, key, rev+1, []byte("b")), kind.Conflict),
		f.seal(testKind, key, rev, []byte("c")),
		wantKind("replacing by an old rev", f.seal(testKind, key, rev, []byte("d")), kind.Conflict),
		wantKind("taking away by an old rev", f.seal(testKind, key, rev, nil), kind.Conflict)); err != nil {
		return err
	}
	now, err := f.oneSealed(testKind, key, "c")
	if err := first(err, f.seal(testKind, key, now, nil), f.seal(testKind, key, 0, []byte("again"))); err != nil {
		return err
	}
	// A row that came back is another.
	return wantKind("replacing by the rev before it went", f.seal(testKind, key, now, []byte("e")), kind.Conflict)
}

// sealedAllOrNothing: rows change together with slots, or neither does.
func sealedAllOrNothing(f fixture) error {
	r, err := f.create()
	if err != nil {
		return err
	}
	a, b := sealedKey(3), sealedKey(4)
	if err := f.seal(testKind, a, 0, []byte("a")); err != nil {
		return err
	}
	rev, err := f.oneSealed(testKind, a, "a")
	if err != nil {
		return err
	}
	stale := &metastore.Request{
		Slots:  []metastore.SlotChange{change(r.ID, [32]byte{9})},
		Sealed: []metastore.SealedChange{{Kind: testKind, Key: a, Base: rev, Data: []byte("new")}, {Kind: testKind, Key: b, Data: []byte("b")}},
	}
	late := &metastore.Request{
		Slots:  []metastore.SlotChange{change(r.ID, r.Hash)},
		Sealed: []metastore.SealedChange{{Kind: testKind, Key: b, Data: []byte("b")}, {Kind: testKind, Key: a, Base: rev + 1}},
	}
	if err := first(wantKind("sealed rows with a stale slot", f.commit(stale), kind.Conflict),
		wantKind("a slot with a stale sealed row", f.commit(late), kind.Conflict), f.unchanged(r)); err != nil {
		return err
	}
	if now, err := f.oneSealed(testKind, a, "a"); err != nil || now != rev {
		return fmt.Errorf("a refused request left rev %d of %d: %w", now, rev, err)
	}
	r, err = f.update(r, metastore.Request{Sealed: []metastore.SealedChange{{Kind: testKind, Key: a, Base: rev}, {Kind: testKind, Key: b, Data: []byte("b")}}})
	if err != nil {
		return err
	}
	now, err := f.oneSealed(testKind, b, "b")
	if err == nil && now != r.Seq {
		return fmt.Errorf("a sealed row of commit %d has rev %d", r.Seq, now)
	}
	return err
}

// sealedInOneCall: of requests in one call a later one finds what an earlier one did.
func sealedInOneCall(f fixture) error {
	key := sealedKey(5)
	req := func(base uint64, data []byte) *metastore.Request {
		return &metastore.Request{Sealed: []metastore.SealedChange{{Kind: testKind, Key: key, Base: base, Data: data}}}
	}
	errs := f.s.Commit(f.ctx, req(0, []byte("a")), req(0, []byte("b")))
	if err := first(errs[0], wantKind("the second to make a row", errs[1], kind.Conflict)); err != nil {
		return err
	}
	rev, err := f.oneSealed(testKind, key, "a")
	if err != nil {
		return err
	}
	errs = f.s.Commit(f.ctx, req(rev, nil), req(rev, []byte("c")), req(0, []byte("d")), req(0, []byte("e")))
	if err := first(errs[0], wantKind("replacing what went", errs[1], kind.Conflict), errs[2], wantKind("making it twice", errs[3], kind.Conflict)); err != nil {
		return err
	}
	now, err := f.oneSealed(testKind, key, "d")
	if err == nil && now <= rev {
		return fmt.Errorf("a row that went and came back has rev %d after %d", now, rev)
	}
	return err
}

// sealedOrder: rows come by their revs, then by their keys, in pages that hold all
// and none twice.
func sealedOrder(f fixture) error {
	const each = 5
	for i := range byte(3) {
		var r metastore.Request
		for j := range byte(each) {
			r.Sealed = append(r.Sealed, metastore.SealedChange{Kind: testKind, Key: sealedKey(7*(each-j) + 50*(2-i)), Data: []byte{i, j}})
		}
		if err := f.commit(&r); err != nil {
			return err
		}
	}
	all, err := f.sealed(testKind)
	if err != nil || len(all) != 3*each {
		return fmt.Errorf("%d sealed rows of %d (%w)", len(all), 3*each, err)
	}
	for i := 1; i < len(all); i++ {
		a, b := all[i-1], all[i]
		if a.Rev > b.Rev || a.Rev == b.Rev && bytes.Compare(a.Key[:], b.Key[:]) >= 0 || int(b.Data[0]) != i/each {
			return fmt.Errorf("sealed rows out of order: %v", all)
		}
	}
	for limit := 1; limit < 5; limit++ {
		var at metastore.SealedPlace
		for n := 0; ; {
			page, err := f.s.SealedRows(f.ctx, testKind, at, limit)
			if err != nil {
				return err
			}
			for _, r := range page {
				if n >= len(all) || r.Key != all[n].Key || r.Rev != all[n].Rev || !bytes.Equal(r.Data, all[n].Data) {
					return fmt.Errorf("row %d by pages of %d is another", n, limit)
				}
				n++
				at = metastore.SealedPlace{Rev: r.Rev, Key: r.Key}
			}
			if len(page) < limit {
				if n != len(all) {
					return fmt.Errorf("pages of %d hold %d of %d rows", limit, n, len(all))
				}
				break
			}
		}
	}
	last := all[len(all)-1]
	rows, err := f.s.SealedRows(f.ctx, testKind, metastore.SealedPlace{Rev: last.Rev + 1}, 9)
	if err == nil && len(rows) > 0 {
		return fmt.Errorf("%d rows after the last", len(rows))
	}
	return err
}

// sealedState: it changes with each change of a row, and with no other.
func sealedState(f fixture) error {
	seen := map[metastore.SealedState]string{}
	state := func(after string) error {
		st, err := f.s.SealedState(f.ctx, testKind)
		if before, known := seen[st]; err == nil && known {
			return fmt.Errorf("the state after %s is the one after %s: %+v", after, before, st)
		}
		seen[st] = after
		return err
	}
	a, b := sealedKey(6), sealedKey(7)
	if err := first(state("nothing"), f.seal(testKind, a, 0, []byte("a")), state("a row"), f.seal(testKind, b, 0, []byte("b")), state("two")); err != nil {
		return err
	}
	rows, err := f.sealed(testKind)
	if err != nil || len(rows) != 2 {
		return fmt.Errorf("%d sealed rows of 2 (%w)", len(rows), err)
	}
	if err := first(f.seal(testKind, a, rows[0].Rev, []byte("A")), state("a change")); err != nil {
		return err
	}
	still, err := f.s.SealedState(f.ctx, testKind)
	if err != nil || still.Rows != 2 {
		return fmt.Errorf("two rows have state %+v (%w)", still, err)
	}
	_, err = f.create()
	if err := first(err, f.seal(testKind+1, a, 0, []byte("other"))); err != nil {
		return err
	}
	if now, err := f.s.SealedState(f.ctx, testKind); err != nil || now != still {
		return fmt.Errorf("the state is %+v after changes of others, was %+v (%w)", now, still, err)
	}
	rows, err = f.sealed(testKind)
	if err != nil {
		return err
	}
	// The older one goes: the newest stays.
	return first(f.seal(testKind, rows[0].Key, rows[0].Rev, nil), state("a row's end"))
}

func sealedInvalid(f fixture) error {
	c := metastore.SealedChange{Kind: testKind, Key: sealedKey(8), Data: []byte("x")}
	cases := map[string][]metastore.SealedChange{
		"twice":       {c, c},
		"no rev":      {{Kind: testKind, Key: c.Key}},
		"a large row": {{Kind: testKind, Key: c.Key, Data: make([]byte, metastore.MaxSealed+1)}},
	}
	for name, changes := range cases {
		if err := wantKind(name, f.commit(&metastore.Request{Sealed: changes}), kind.Invalid); err != nil {
			return err
		}
	}
	_, err := f.s.SealedRows(f.ctx, testKind, metastore.SealedPlace{}, 0)
	if err := wantKind("no rows asked for", err, kind.Invalid); err != nil {
		return err
	}
	c.Data = make([]byte, metastore.MaxSealed)
	if err := f.commit(&metastore.Request{Sealed: []metastore.SealedChange{c}}); err != nil {
		return fmt.Errorf("the longest row: %w", err)
	}
	_, err = f.oneSealed(testKind, c.Key, string(c.Data))
	return err
}

// sealedRace: of those who make a row one does, and none of their updates is lost.
func sealedRace(a, b fixture) error {
	const writers, rounds = 6, 5
	key := sealedKey(9)
	errs := make([]error, writers)
	var mu sync.Mutex
	made := 0
	var wg sync.WaitGroup
	for i := range writers {
		f := []fixture{a, b}[i%2]
		wg.Go(func() {
			switch err := f.seal(testKind, key, 0, []byte{0}); kind.Of(err) {
			case 0:
				mu.Lock()
				made++
				mu.Unlock()
			case kind.Conflict:
			default:
				errs[i] = err
				return
			}
			for range rounds {
				if errs[i] = f.count(key); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := first(errs...); err != nil {
		return err
	}
	if made != 1 {
		return fmt.Errorf("%d of %d made one row", made, writers)
	}
	_, err := b.oneSealed(testKind, key, string([]byte{writers * rounds}))
	return err
}

// count adds one to a row, however often others are faster.
func (f fixture) count(key [32]byte) error {
	for range 1000 {
		// Not by sealed: amid others' commits a row may be seen before Seq tells its commit.
		rows, err := f.s.SealedRows(f.ctx, testKind, metastore.SealedPlace{}, 1000)
		if err != nil || len(rows) != 1 {
			return fmt.Errorf("%d sealed rows of 1 (%w)", len(rows), err)
		}
		err = f.seal(testKind, key, rows[0].Rev, []byte{rows[0].Data[0] + 1})
		if kind.Of(err) != kind.Conflict {
			return err
		}
	}
	return fmt.Errorf("always others are faster")
}
