package metastore_test

import (
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func TestIsTombstone(t *testing.T) {
	record := func(flags byte) []byte {
		b := make([]byte, metastore.RecordSize)
		b[7] = flags
		return b
	}
	tests := []struct {
		name   string
		record []byte
		want   bool
	}{
		{"living", record(0), false},
		{"tombstone", record(1), true},
		{"another flag", record(2), false},
		{"absent", nil, false},
		{"short", record(1)[:100], false},
	}
	for _, tt := range tests {
		if got := metastore.IsTombstone(tt.record); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

func TestFollows(t *testing.T) {
	old := metastore.Record{Version: 4, Epoch: 2, Bytes: make([]byte, metastore.RecordSize)}
	tests := []struct {
		name   string
		sealed metastore.Sealed
		want   kind.Kind
	}{
		{"next", metastore.Sealed{Version: 5, Epoch: 2, Bytes: make([]byte, metastore.RecordSize)}, 0},
		{"higher epoch", metastore.Sealed{Version: 5, Epoch: 3, Bytes: make([]byte, metastore.RecordSize)}, 0},
		{"lower epoch", metastore.Sealed{Version: 5, Epoch: 1, Bytes: make([]byte, metastore.RecordSize)}, kind.Invalid},
		{"same version", metastore.Sealed{Version: 4, Epoch: 2, Bytes: make([]byte, metastore.RecordSize)}, kind.Invalid},
		{"no bytes", metastore.Sealed{Version: 5, Epoch: 2}, kind.Invalid},
	}
	for _, tt := range tests {
		if got := kind.Of(tt.sealed.Follows(old)); got != tt.want {
			t.Errorf("%s: kind %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCheckBase(t *testing.T) {
	dead := make([]byte, metastore.RecordSize)
	dead[7] = 1
	there := metastore.Record{Hash: [32]byte{1}, Bytes: make([]byte, metastore.RecordSize)}
	tests := []struct {
		name    string
		base    [32]byte
		current metastore.Record
		want    kind.Kind
	}{
		{"new", [32]byte{}, metastore.Record{}, 0},
		{"built on it", [32]byte{1}, there, 0},
		{"built on another", [32]byte{2}, there, kind.Conflict},
		{"new but there", [32]byte{}, there, kind.Conflict},
		{"gone", [32]byte{1}, metastore.Record{}, kind.Conflict},
		{"tombstone", [32]byte{1}, metastore.Record{Hash: [32]byte{1}, Bytes: dead}, kind.Conflict},
	}
	for _, tt := range tests {
		c := metastore.SlotChange{Base: tt.base}
		if got := kind.Of(c.CheckBase(tt.current)); got != tt.want {
			t.Errorf("%s: kind %v, want %v", tt.name, got, tt.want)
		}
	}
}
