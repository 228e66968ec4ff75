package node

import (
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/metastore"
)

// TestSameTrees: a database is taken for a backup's only if no directory, root or
// secret of the two differs.
func TestSameTrees(t *testing.T) {
	t.Parallel()
	meta := func(uuid byte, seq uint64) metastore.Row {
		return metastore.Meta{Identity: metastore.Identity{UUID: [16]byte{uuid}, Nonce: [16]byte{byte(seq)}}, Seq: seq}
	}
	slot := func(id, record byte) metastore.Row {
		return metastore.SlotRow{Record: metastore.Record{ID: metastore.SlotID{id}, Bytes: []byte{record}}}
	}
	root := func(id byte) metastore.Row { return metastore.Root{ID: metastore.SlotID{id}} }
	sealed := func(key, data byte) metastore.Row {
		return metastore.SealedRow{Kind: 1, Key: [32]byte{key}, Data: []byte{data}}
	}
	pin := metastore.Pin{Seq: 9}
	backup := []metastore.Row{meta(1, 5), slot(1, 1), slot(2, 1), root(2), pin, sealed(1, 1)}
	tests := []struct {
		name     string
		database []metastore.Row
		same     bool
	}{
		{"the same", backup, true},
		{"pinned, adopted, with a root more", []metastore.Row{meta(1, 7), slot(1, 1), slot(2, 1), root(1), root(2), root(3), sealed(1, 1)}, true},
		{"another metastore", []metastore.Row{meta(2, 5), slot(1, 1), slot(2, 1), root(2), sealed(1, 1)}, false},
		{"an older commit", []metastore.Row{meta(1, 4), slot(1, 1), slot(2, 1), root(2), sealed(1, 1)}, false},
		{"a directory changed", []metastore.Row{meta(1, 7), slot(1, 1), slot(2, 2), root(2), sealed(1, 1)}, false},
		{"a directory more", []metastore.Row{meta(1, 7), slot(1, 1), slot(2, 1), slot(3, 1), root(2), sealed(1, 1)}, false},
		{"a directory less", []metastore.Row{meta(1, 7), slot(1, 1), root(2), sealed(1, 1)}, false},
		{"a root less", []metastore.Row{meta(1, 7), slot(1, 1), slot(2, 1), sealed(1, 1)}, false},
		{"a secret changed", []metastore.Row{meta(1, 7), slot(1, 1), slot(2, 1), root(2), sealed(1, 2)}, false},
		{"a secret more", []metastore.Row{meta(1, 7), slot(1, 1), slot(2, 1), root(2), sealed(1, 1), sealed(2, 1)}, false},
		{"nothing", nil, false},
	}
	for _, tt := range tests {
		if same, err := sameTrees(rowsOf(tt.database, nil), rowsOf(backup, nil)); err != nil || same != tt.same {
			t.Errorf("%s: %v, %v", tt.name, same, err)
		}
	}
	cut := errors.New("cut off")
	if same, err := sameTrees(rowsOf(backup, nil), rowsOf(backup, cut)); same || !errors.Is(err, cut) {
		t.Errorf("a backup that is cut off: %v, %v", same, err)
	}
	if same, err := sameTrees(rowsOf(backup, cut), rowsOf(backup, nil)); same || !errors.Is(err, cut) {
		t.Errorf("a database that can't be read: %v, %v", same, err)
	}
}

// rowsOf yields rows, and after them an error.
func rowsOf(rows []metastore.Row, err error) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for row := range slices.Values(rows) {
			if !yield(row, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}
