package dirtree

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

func scanKeys(t *testing.T, d *Dir, after string, limit int) []string {
	t.Helper()
	var keys []string
	for e, err := range d.Scan(t.Context(), after) {
		if err != nil {
			t.Fatal(err)
		}
		if keys = append(keys, e.SortKey()); len(keys) == limit {
			break
		}
	}
	return keys
}

// The order is that of whole paths: a directory sorts by its name and "/".
func TestScanIsInSortKeyOrder(t *testing.T) {
	child := testSlot(9)
	dir := func(name string) *Entry { return &Entry{Name: name, Kind: Directory, Dir: child.Read()} }
	m := newMemory()
	d := mustBuild(t, m, writeKeys(testSlot(1)), nil,
		fileEntry("a0", 1), dir("a"), fileEntry("a", 1), fileEntry("a-b", 1), fileEntry("", 1), dir(""))
	for _, tt := range []struct {
		after string
		want  []string
	}{
		{"", []string{"", "/", "a", "a-b", "a/", "a0"}},
		{"\x00", []string{"/", "a", "a-b", "a/", "a0"}},
		{"a", []string{"a-b", "a/", "a0"}},
		{"a-b", []string{"a/", "a0"}},
		{"a-", []string{"a-b", "a/", "a0"}},
		{"a0", nil},
		{"zzz", nil},
	} {
		if got := scanKeys(t, d, tt.after, -1); !slices.Equal(got, tt.want) {
			t.Errorf("after %q: %q, want %q", tt.after, got, tt.want)
		}
	}
	if got := mustGet(t, d, "a/"); got.Kind != Directory || got.Name != "a" {
		t.Errorf("a/ is %v", got)
	}
}

// Paging by the last key of each page sees every entry once, wherever the pages
// meet the leaves.
func TestScanPages(t *testing.T) {
	m := newMemory()
	var entries []*Entry
	for i := range 500 {
		entries = append(entries, fileEntry(fmt.Sprintf("f%04d", i), uint64(i)))
	}
	d := mustBuild(t, m, writeKeys(testSlot(1)), NewNodeCache(1<<24), entries...)
	for _, page := range []int{1, 7, 64, 499, 500} {
		var got []string
		after := ""
		for {
			keys := scanKeys(t, d, after, page)
			if len(keys) == 0 {
				break
			}
			got, after = append(got, keys...), keys[len(keys)-1]
		}
		if len(got) != 500 || !slices.IsSorted(got) || len(slices.Compact(got)) != 500 {
			t.Errorf("pages of %d: %d entries", page, len(got))
		}
	}
	first := 0
	for e, err := range d.ScanFrom(t.Context(), "f0123") {
		if err != nil || first == 0 && e.Name != "f0123" {
			t.Fatalf("scan from f0123 begins with %v, %v", e, err)
		}
		first++
	}
	if first != 500-123 {
		t.Errorf("%d entries from f0123", first)
	}
}

// A version that is being scanned doesn't change, whatever is committed
// meanwhile.
func TestScanOfAnOldVersion(t *testing.T) {
	m := newMemory()
	d := mustBuild(t, m, writeKeys(testSlot(1)), NewNodeCache(1<<24), fileEntry("a", 1), fileEntry("b", 1), fileEntry("c", 1))
	var seen []string
	for e, err := range d.Scan(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, e.Name)
		edit := d.Edit()
		if err := edit.Delete(t.Context(), e.Name); err != nil {
			t.Fatal(err)
		}
		if _, err := edit.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(seen, []string{"a", "b", "c"}) {
		t.Errorf("saw %q", seen)
	}
}

func TestScanReadsInBatchesAndStops(t *testing.T) {
	m := newMemory()
	var entries []*Entry
	for i := range 2000 {
		entries = append(entries, fileEntry(fmt.Sprintf("f%05d", i), uint64(i)))
	}
	d := mustBuild(t, m, writeKeys(testSlot(1)), nil, entries...)
	cold := func() *Dir {
		m.reads, m.batches = 0, 0
		return Open(writeKeys(testSlot(1)), d.root, m, NewNodeCache(1<<24))
	}

	if n := len(collect(t, cold())); n != 2000 || m.reads > 10 || m.batches > 10 {
		t.Errorf("%d entries by %d reads and %d batches of %d nodes", n, m.reads, m.batches, len(m.nodes))
	}
	if scanKeys(t, cold(), "", 1); m.reads > 3 || m.batches > 0 {
		t.Errorf("one entry by %d reads and %d batches", m.reads, m.batches)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range cold().Scan(ctx, "") {
		if cancel(); err == nil {
			n++
		}
		last = err
	}
	if kind.Of(last) != kind.Canceled || n > 100 {
		t.Errorf("canceled after the first entry: %d entries, then %v", n, last)
	}
}

// A batch with a bad node in it: the error comes in its place, nothing before
// is lost.
func TestScanMeetsABadNodeInABatch(t *testing.T) {
	m := newMemory()
	d, root := twoLevels(t, m, testSlot(1))
	m.nodes[root.kids[2].id] = []byte("garbage")
	n := 0
	for _, err := range Open(writeKeys(testSlot(1)), d.root, m, NewNodeCache(1<<24)).Scan(t.Context(), "") {
		if err == nil {
			n++
		} else if kind.Of(err) != kind.Corrupt {
			t.Errorf("%v", err)
		}
	}
	if want := int(root.kids[0].count + root.kids[1].count); n != want {
		t.Errorf("%d entries before the bad node, want %d", n, want)
	}
}
