package metastore_test

import (
	"crypto/sha256"
	"errors"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func yield(rows ...metastore.Row) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// passed gives how many rows CheckRows passes on before it ends, and its error.
func passed(rows iter.Seq2[metastore.Row, error]) (n int, err error) {
	for _, e := range metastore.CheckRows(rows) {
		if e != nil {
			return n, e
		}
		n++
	}
	return n, nil
}

func rowRecord(id byte, seq uint64) metastore.Record {
	b := make([]byte, metastore.RecordSize)
	return metastore.Record{ID: metastore.SlotID{id}, Seq: seq, Version: 1, Bytes: b, Hash: sha256.Sum256(b)}
}

// orderedRows are two of each type that may come twice, in order.
func orderedRows() []metastore.Row {
	block := func(id byte) metastore.Block {
		return metastore.Block{BlockRow: metastore.BlockRow{ID: metastore.ID{id}}, State: metastore.BlockLive}
	}
	return []metastore.Row{
		metastore.Meta{Identity: metastore.Identity{UUID: [16]byte{1}}, Seq: 9},
		metastore.SlotRow{Record: rowRecord(1, 2)},
		metastore.SlotRow{Record: rowRecord(2, 9)},
		metastore.LogRow{Record: rowRecord(1, 2)},
		metastore.LogRow{Record: rowRecord(2, 2)},
		metastore.LogRow{Record: rowRecord(2, 9), Prev: 2},
		metastore.NodeRow{ID: metastore.ID{2}, Data: []byte{0}, Born: 2},
		metastore.NodeRow{ID: metastore.ID{1}, Data: []byte{0}, Born: 9},
		metastore.DeadRow{ID: metastore.ID{2}, Died: 9},
		metastore.DeadRow{ID: metastore.ID{1}, Died: 9},
		block(1), block(2),
		metastore.Root{ID: metastore.SlotID{1}},
		metastore.Root{ID: metastore.SlotID{2}},
		metastore.Pin{Seq: 3},
		metastore.Pin{Seq: 4},
		metastore.ChargeRow{Root: metastore.SlotID{1}},
		metastore.ChargeRow{Root: metastore.SlotID{2}, Bytes: math.MaxInt64},
		metastore.RepairRow{Member: "0", ID: metastore.ID{2}},
		metastore.RepairRow{Member: "0.1", ID: metastore.ID{1}},
		metastore.RepairRow{Member: "0.1", ID: metastore.ID{2}},
		metastore.SealedRow{Kind: 0, Key: [32]byte{9}, Rev: 1, Data: []byte{}},
		metastore.SealedRow{Kind: 1, Key: [32]byte{1}, Rev: 1, Data: []byte("x")},
		metastore.SealedRow{Kind: 1, Key: [32]byte{2}, Rev: 1, Data: []byte("x")},
	}
}

func TestCheckRowsOrder(t *testing.T) {
	rows := orderedRows()
	if n, err := passed(yield(rows...)); err != nil || n != len(rows) {
		t.Fatalf("%d of %d rows in order: %v", n, len(rows), err)
	}
	for i := 1; i < len(rows); i++ {
		if n, err := passed(yield(slices.Delete(slices.Clone(rows), i, i+1)...)); err != nil || n != len(rows)-1 {
			t.Errorf("without row %d: %d rows, %v", i, n, err)
		}
		_, isNode := rows[i].(metastore.NodeRow)
		_, isDead := rows[i].(metastore.DeadRow)
		if _, err := passed(yield(slices.Insert(slices.Clone(rows), i, rows[i])...)); kind.Of(err) != kind.Invalid && !isNode && !isDead {
			t.Errorf("row %d twice: %v", i, err)
		}
		if i+1 == len(rows) {
			continue
		}
		swapped := slices.Clone(rows)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		free := i == 6 || i == 8 // nodes in any order, deaths of one commit too
		if _, err := passed(yield(swapped...)); kind.Of(err) != kind.Invalid && !free {
			t.Errorf("rows %d and %d swapped: %v", i, i+1, err)
		}
	}
	if _, err := passed(yield()); kind.Of(err) != kind.Invalid {
		t.Errorf("no rows: %v", err)
	}
	if _, err := passed(yield(rows[1:]...)); kind.Of(err) != kind.Invalid {
		t.Errorf("no meta: %v", err)
	}
	if _, err := passed(yield(rows[0], nil)); kind.Of(err) != kind.Invalid {
		t.Errorf("a row that is none: %v", err)
	}
}

func TestCheckRowsFields(t *testing.T) {
	meta := orderedRows()[0]
	slot := func(change func(*metastore.SlotRow)) metastore.Row {
		r := metastore.SlotRow{Record: rowRecord(1, 2)}
		change(&r)
		return r
	}
	logRow := func(change func(*metastore.LogRow)) metastore.Row {
		r := metastore.LogRow{Record: rowRecord(1, 2)}
		change(&r)
		return r
	}
	block := func(change func(*metastore.Block)) metastore.Row {
		b := metastore.Block{BlockRow: metastore.BlockRow{ID: metastore.ID{1}}, State: metastore.BlockLive}
		change(&b)
		return b
	}
	bad := map[string]metastore.Row{
		"short record":        slot(func(r *metastore.SlotRow) { r.Bytes = r.Bytes[1:] }),
		"another's hash":      slot(func(r *metastore.SlotRow) { r.Hash[0]++ }),
		"version zero":        slot(func(r *metastore.SlotRow) { r.Version = 0 }),
		"version beyond":      slot(func(r *metastore.SlotRow) { r.Version = 1 << 62 }),
		"seq zero":            slot(func(r *metastore.SlotRow) { r.Seq = 0 }),
		"seq beyond":          slot(func(r *metastore.SlotRow) { r.Seq = 10 }),
		"log after itself":    logRow(func(r *metastore.LogRow) { r.Prev = 2 }),
		"log with an owner":   logRow(func(r *metastore.LogRow) { r.Owner[0] = 1 }),
		"node without bytes":  metastore.NodeRow{Born: 1},
		"node never born":     metastore.NodeRow{Data: []byte{1}},
		"node of the future":  metastore.NodeRow{Data: []byte{1}, Born: 10},
		"death of the future": metastore.DeadRow{Died: 10},
		"no state":            block(func(b *metastore.Block) { b.State = 0 }),
		"another state":       block(func(b *metastore.Block) { b.State = 5 }),
		"less than no bytes":  block(func(b *metastore.Block) { b.Len = -1 }),
		"beyond any block":    block(func(b *metastore.Block) { b.Len = 1<<40 + 1 }),
		"condemned, no time":  block(func(b *metastore.Block) { b.CondemnedSeq = 1 }),
		"condemned, no seq":   block(func(b *metastore.Block) { b.CondemnedAt = time.Unix(1, 0) }),
		"condemned ahead":     block(func(b *metastore.Block) { b.CondemnedAt, b.CondemnedSeq = time.Unix(1, 0), 10 }),
		"pin of the future":   metastore.Pin{Seq: 10},
		"charge below zero":   metastore.ChargeRow{Bytes: -1},
		"files below zero":    metastore.ChargeRow{Files: -1},
		"repair of nobody":    metastore.RepairRow{},
		"sealed by no commit": metastore.SealedRow{Data: []byte{}},
		"sealed to be":        metastore.SealedRow{Rev: 1000, Data: []byte{}},
		"sealed nothing":      metastore.SealedRow{Rev: 1},
		"sealed too much":     metastore.SealedRow{Rev: 1, Data: make([]byte, metastore.MaxSealed+1)},
		"repair of too much":  metastore.RepairRow{Member: strings.Repeat("x", 256)},
	}
	for name, row := range bad {
		if n, err := passed(yield(meta, row)); kind.Of(err) != kind.Invalid || n != 1 {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
	}
	for name, m := range map[string]metastore.Meta{
		"no uuid": {Seq: 1}, "no seq": {Identity: metastore.Identity{UUID: [16]byte{1}}},
		"seq beyond": {Identity: metastore.Identity{UUID: [16]byte{1}}, Seq: 1 << 62},
	} {
		if _, err := passed(yield(m)); kind.Of(err) != kind.Invalid {
			t.Errorf("meta with %s: %v", name, err)
		}
	}
}

// TestCheckRowsPasses: errors pass as they are and end it; whoever stops is heard.
func TestCheckRowsPasses(t *testing.T) {
	broken := errors.New("broken")
	rows := func(yield func(metastore.Row, error) bool) {
		if yield(orderedRows()[0], nil) {
			yield(nil, broken)
		}
	}
	if n, err := passed(rows); n != 1 || !errors.Is(err, broken) {
		t.Errorf("%d rows, %v", n, err)
	}
	n := 0
	for range metastore.CheckRows(yield(orderedRows()...)) {
		if n++; n == 3 {
			break
		}
	}
}
