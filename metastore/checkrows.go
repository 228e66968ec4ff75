package metastore

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"iter"
	"math"

	"github.com/truckee-fs/truckee/internal/kind"
)

// CheckRows passes rows on as long as each by itself, and its place, are as Row
// says; else it ends with an error of kind Invalid. Importers read through it.
func CheckRows(rows iter.Seq2[Row, error]) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var c rowCheck
		for row, err := range rows {
			if err == nil {
				err = c.check(row)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if c.last == nil {
			yield(nil, fmt.Errorf("metastore: no rows, not even the first: %w", kind.Invalid))
		}
	}
}

// rowCheck knows the row before.
type rowCheck struct {
	last Row
	seq  uint64 // Meta's
}

func (c *rowCheck) check(row Row) error {
	place, ok := placeOf(row)
	if !ok {
		return fmt.Errorf("metastore: a row of type %T: %w", row, kind.Invalid)
	}
	if c.last == nil {
		meta, first := row.(Meta)
		if !first {
			return fmt.Errorf("metastore: the first row is a %T: %w", row, kind.Invalid)
		}
		c.seq = meta.Seq
	} else {
		before, _ := placeOf(c.last)
		if place < before || place == before && !follows(row, c.last) {
			return fmt.Errorf("metastore: a %T is out of order: %w", row, kind.Invalid)
		}
	}
	if !c.fits(row) {
		return fmt.Errorf("metastore: a %T has an impossible field: %w", row, kind.Invalid)
	}
	c.last = row
	return nil
}

// placeOf gives the place of a row's type in the order of all.
func placeOf(row Row) (place int, ok bool) {
	switch row.(type) {
	case Meta:
		return 0, true
	case SlotRow:
		return 1, true
	case LogRow:
		return 2, true
	case NodeRow:
		return 3, true
	case DeadRow:
		return 4, true
	case Block:
		return 5, true
	case Root:
		return 6, true
	case Pin:
		return 7, true
	case ChargeRow:
		return 8, true
	case RepairRow:
		return 9, true
	case SealedRow:
		return 10, true
	}
	return 0, false
}

// follows tells whether a row may come after last, which is of its type.
func follows(row, last Row) bool {
	switch r := row.(type) {
	case SlotRow:
		return above(r.ID, last.(SlotRow).ID)
	case LogRow:
		l := last.(LogRow)
		return r.Seq > l.Seq || r.Seq == l.Seq && above(r.ID, l.ID)
	case NodeRow:
		return true
	case DeadRow:
		return r.Died >= last.(DeadRow).Died
	case Block:
		return above(r.ID, last.(Block).ID)
	case Root:
		return above(r.ID, last.(Root).ID)
	case Pin:
		return r.Seq > last.(Pin).Seq
	case ChargeRow:
		return above(r.Root, last.(ChargeRow).Root)
	case RepairRow:
		l := last.(RepairRow)
		return cmp.Or(cmp.Compare(r.Member, l.Member), bytes.Compare(r.ID[:], l.ID[:])) > 0
	case SealedRow:
		l := last.(SealedRow)
		return cmp.Or(cmp.Compare(r.Kind, l.Kind), bytes.Compare(r.Key[:], l.Key[:])) > 0
	}
	return false // a second Meta
}

func above[T ~[32]byte](a, b T) bool {
	x, y := [32]byte(a), [32]byte(b)
	return bytes.Compare(x[:], y[:]) > 0
}

// The most that numbers may be: room is left to go on counting from them.
const (
	maxNumber   = math.MaxInt64 / 2
	maxBlockLen = 1 << 40
)

// fits checks a row's fields.
func (c *rowCheck) fits(row Row) bool {
	committed := func(seq uint64) bool { return seq > 0 && seq <= c.seq }
	record := func(r *Record) bool {
		return len(r.Bytes) == RecordSize && r.Hash == sha256.Sum256(r.Bytes) &&
			r.Version > 0 && r.Version <= maxNumber && committed(r.Seq)
	}
	switch r := row.(type) {
	case Meta:
		return r.Seq > 0 && r.Seq <= maxNumber && r.Identity.UUID != [16]byte{}
	case SlotRow:
		return record(&r.Record)
	case LogRow:
		return record(&r.Record) && r.Prev < r.Seq && r.Owner == SlotID{}
	case NodeRow:
		return len(r.Data) > 0 && committed(r.Born)
	case DeadRow:
		return committed(r.Died)
	case Block:
		return r.State >= BlockNew && r.State <= BlockDeleted && r.Len >= 0 && r.Len <= maxBlockLen &&
			r.CondemnedSeq <= c.seq && r.CondemnedAt.IsZero() == (r.CondemnedSeq == 0)
	case Pin:
		return committed(r.Seq)
	case ChargeRow:
		return r.Files >= 0 && r.Bytes >= 0
	case RepairRow:
		return CheckMember(r.Member) == nil
	case SealedRow:
		return committed(r.Rev) && r.Data != nil && len(r.Data) <= MaxSealed
	}
	return true
}
