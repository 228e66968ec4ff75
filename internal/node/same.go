package node

import (
	"bytes"
	"iter"

	"github.com/truckee-fs/truckee/metastore"
)

// sameTrees reports whether a database has the very directories of a backup: it is
// the same metastore, each slot has the same newest record, what is sealed is the
// same, and every root of the backup is there. Commits since, of which a restore
// makes some itself, have changed none of that then. Both are read to their ends, so that a
// damaged backup is none.
func sameTrees(database, backup iter.Seq2[metastore.Row, error]) (bool, error) {
	next, stop := iter.Pull2(telling(database))
	defer stop()
	same := true
	for want, err := range telling(backup) {
		if err != nil {
			return false, err
		}
		if same {
			if same, err = comesNext(next, want); err != nil {
				return false, err
			}
		}
	}
	for same {
		got, err, more := next()
		if err != nil || !more {
			return err == nil, err
		}
		_, same = got.(metastore.Root)
	}
	return same, nil
}

// comesNext looks for a row of the backup in the database, past roots that came
// later, as an account's does at its first use.
func comesNext(next func() (metastore.Row, error, bool), want metastore.Row) (bool, error) {
	for {
		got, err, more := next()
		if err != nil || !more {
			return false, err
		}
		if sameRow(got, want) {
			return true, nil
		}
		if extra, is := got.(metastore.Root); !is || !before(extra, want) {
			return false, nil
		}
	}
}

// telling leaves the rows that sameTrees compares.
func telling(rows iter.Seq2[metastore.Row, error]) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for row, err := range rows {
			switch row.(type) {
			case metastore.Meta, metastore.SlotRow, metastore.Root, metastore.SealedRow:
			default:
				if err == nil {
					continue
				}
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func sameRow(a, b metastore.Row) bool {
	switch a := a.(type) {
	case metastore.Meta:
		b, ok := b.(metastore.Meta)
		return ok && a.Identity.UUID == b.Identity.UUID && a.Seq >= b.Seq
	case metastore.SlotRow:
		b, ok := b.(metastore.SlotRow)
		return ok && a.ID == b.ID && bytes.Equal(a.Bytes, b.Bytes)
	case metastore.Root:
		b, ok := b.(metastore.Root)
		return ok && a.ID == b.ID
	case metastore.SealedRow:
		b, ok := b.(metastore.SealedRow)
		return ok && a.Kind == b.Kind && a.Key == b.Key && bytes.Equal(a.Data, b.Data)
	}
	return false
}

// before: a root comes before a row in the order of an export.
func before(r metastore.Root, row metastore.Row) bool {
	switch row := row.(type) {
	case metastore.Root:
		return bytes.Compare(r.ID[:], row.ID[:]) < 0
	case metastore.SealedRow:
		return true
	}
	return false
}
