package dirtree

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

func TestHistoryKey(t *testing.T) {
	tests := []struct {
		sortKey string
		v       uint64
		i       uint16
		key     string
	}{
		{"a", 1, 0, "a\x00\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff"},
		{"a/", 0, 0, "a/\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"", math.MaxUint64, math.MaxUint16, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
		{strings.Repeat("n", MaxName) + "/", 0x2f, 0x2f, strings.Repeat("n", MaxName) + "/\x00\xff\xff\xff\xff\xff\xff\xff\xd0\xff\xd0"},
	}
	for _, tt := range tests {
		key := HistoryKey(tt.sortKey, tt.v, tt.i)
		if key != tt.key || len(key) > maxKey || !strings.HasPrefix(key, HistoryPrefix(tt.sortKey)) {
			t.Errorf("key of %q, %d, %d is %q", tt.sortKey, tt.v, tt.i, key)
		}
		sortKey, v, i, ok := ParseHistoryKey(key)
		if !ok || sortKey != tt.sortKey || v != tt.v || i != tt.i {
			t.Errorf("%q parses as %q, %d, %d, %v", key, sortKey, v, i, ok)
		}
	}
	tail := "\x00" + strings.Repeat("\xff", 10)
	for _, bad := range []string{
		"", "a", tail[1:], "a" + tail + "x", "a" + tail[:10], "a/b" + tail, "a//" + tail, "\x00" + tail,
		strings.Repeat("n", MaxName+1) + tail,
	} {
		if _, _, _, ok := ParseHistoryKey(bad); ok {
			t.Errorf("%q parses", bad)
		}
	}
}

// The history tree of a directory: versions of a key together, newest first,
// whatever bytes their numbers have.
func TestHistoryTree(t *testing.T) {
	m, keys := newMemory(), writeKeys(testSlot(1))
	d := OpenHistory(keys, Root{}, m, NewNodeCache(1<<20))
	e := d.Edit()
	versions := []uint64{0, 1, 2, 0x2f, 0xff, 0x2f00, 1 << 40}
	for _, name := range []string{"a", "a-", "b"} {
		for _, v := range versions {
			if err := e.Put(t.Context(), fileEntry(HistoryKey(name, v, 1), v)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := e.Put(t.Context(), fileEntry("plain", 1)); kind.Of(err) != kind.NameInvalid {
		t.Errorf("a plain name: %v, want NameInvalid", err)
	}
	d, _ = commitEdit(t, m, d, e)
	var got []uint64
	for e, err := range d.ScanFrom(t.Context(), HistoryPrefix("a")) {
		if err != nil {
			t.Fatal(err)
		}
		key, v, i, _ := ParseHistoryKey(e.Name)
		if key != "a" {
			break
		}
		if i != 1 {
			t.Errorf("place %d, want 1", i)
		}
		got = append(got, v)
	}
	slices.Reverse(got)
	if !slices.Equal(got, versions) {
		t.Errorf("versions of a: %v", got)
	}
	// It is walked by the directory's own verify key.
	if children, _ := walkAll(t, m, testSlot(1), d.root); len(children) != 21 {
		t.Errorf("%d children", len(children))
	}
	// And a live directory does not pass for it.
	if _, err := Open(keys, d.root, m, nil).Get(t.Context(), "a"); kind.Of(err) != kind.Corrupt {
		t.Errorf("read as a directory: %v, want Corrupt", err)
	}
}
