package array

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

// The layout, byte by byte; docs/formats.md 15 has this vector.
func TestRecordVector(t *testing.T) {
	t.Parallel()
	r := record{level: 5, members: 3, index: 1, state: recordRebuilding, array: ID(bytes.Repeat([]byte{0xab}, 16)), gen: 7, marker: []byte("marker")}
	const want = "546b4d31" + "05030101" + "abababababababababababababababab" + "0000000000000007" +
		"b3d5a04622fc6512fcc9a83b0717edfdf861b6ef063111f34c182128e0ba0a59" + "6d61726b6572"
	if got := hex.EncodeToString(r.encode()); got != want {
		t.Errorf("record is\n%s, want\n%s", got, want)
	}
}

func records() []record {
	return []record{
		{level: 0, members: 2, array: ID{1}},
		{level: 0, members: 64, index: 63, state: recordMoved, array: ID{1}, gen: 1 << 63, marker: make([]byte, 3000)},
		{level: 1, members: 2, index: 1, array: ID{2}, gen: 1, marker: []byte{0}},
		{level: 5, members: 3, index: 2, state: recordRebuilding, array: ID{3}, gen: 2, marker: []byte("x")},
	}
}

func TestRecordsReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for _, r := range records() {
		got, err := parseRecord(r.encode())
		if err != nil {
			t.Errorf("%+v: %v", r, err)
			continue
		}
		if !bytes.Equal(got.encode(), r.encode()) || got.gen != r.gen || got.index != r.index || !bytes.Equal(got.marker, r.marker) {
			t.Errorf("%+v reads as %+v", r, got)
		}
	}
}

func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	r := records()[3]
	good := r.encode()
	for bit := range 8 * len(good) {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		want := kind.Corrupt
		if bit < 8*len(recordMagic) {
			want = kind.Conflict
		}
		if got, err := parseRecord(b); kind.Of(err) != want {
			t.Errorf("bit %d flipped: %+v, %v, want %v", bit, got, err, want)
		}
	}
	for n := range len(good) {
		if got, err := parseRecord(good[:n]); err == nil {
			t.Errorf("cut to %d bytes: %+v", n, got)
		}
	}
}

// What a later version may write is refused, not misread.
func TestRecordsOfLaterVersions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *record){
		"a level": func(r *record) { r.level = 6 }, "a state": func(r *record) { r.state = 3 }, "an index": func(r *record) { r.index = 3 },
		"many members": func(r *record) { r.members = 65 }, "a moved raid5": func(r *record) { r.state = recordMoved },
	} {
		r := records()[3]
		change(&r)
		if got, err := parseRecord(r.encode()); kind.Of(err) != kind.Unsupported {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// Of two markers that were set at the same time one wins, whoever is asked.
func TestNewerMarkers(t *testing.T) {
	t.Parallel()
	a, b := record{gen: 5, marker: []byte("a")}, record{gen: 5, marker: []byte("b")}
	if a.newer(b.gen, b.marker) == b.newer(a.gen, a.marker) {
		t.Error("neither of two markers wins, or both")
	}
	if c := (record{gen: 6}); !c.newer(b.gen, b.marker) || a.newer(c.gen, c.marker) {
		t.Error("an older marker wins")
	}
	if a.newer(a.gen, a.marker) {
		t.Error("a marker replaces itself")
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, r := range records() {
		f.Add(r.encode())
	}
	f.Add([]byte(recordMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			if k := kind.Of(err); k != kind.Corrupt && k != kind.Conflict && k != kind.Unsupported {
				t.Errorf("%v", err)
			}
			return
		}
		if !bytes.Equal(r.encode(), b) {
			t.Errorf("%x reads as %+v, which writes %x", b, r, r.encode())
		}
	})
}
