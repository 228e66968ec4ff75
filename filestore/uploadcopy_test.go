package filestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// copyPart makes a part of a range of an object.
func (b multi) copyPart(key, id string, number int, from string, off, n int64) (filestore.PartInfo, error) {
	b.t.Helper()
	r, err := b.Open(b.t.Context(), from, filestore.VersionID{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	return b.CopyPart(b.t.Context(), key, id, number, filestore.ObjectRange{From: r, Off: off, N: n}, filestore.PartMeta{})
}

func TestCopiedPartsAreThoseRanges(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	b := newMulti(t, s.open(smallChunks))
	data := map[string][]byte{"tiny": random(40, 1), "chunk": random(70_000, 2), "tree": random(1_500_000, 3)}
	for name, d := range data {
		b.object(name, d)
	}
	// A ragged source: an object of parts.
	id := b.create("ragged")
	var parts []filestore.CompletePart
	for i, n := range []int{100_000, 3, 600_000, 262_144} {
		d := random(n, byte(10+i))
		parts = append(parts, b.part("ragged", id, i+1, d))
		data["ragged"] = append(data["ragged"], d...)
	}
	b.complete("ragged", id, parts...)
	// A sparse one.
	f := b.tree.open("bucket/sparse", toCreate)
	write(t, f, []byte("begin"), 0)
	write(t, f, []byte("end"), 1_200_000)
	closeFile(t, f)
	data["sparse"] = b.tree.get("bucket/sparse")
	rng := rand.New(rand.NewPCG(1, 2))
	for from, d := range data {
		size := int64(len(d))
		id := b.create("copy of " + from)
		var want []byte
		var parts []filestore.CompletePart
		ranges := [][2]int64{{0, size}, {0, 1}, {size - 1, 1}, {0, 0}, {0, min(size, 262_144)}}
		for range 8 {
			off := rng.Int64N(size)
			ranges = append(ranges, [2]int64{off, rng.Int64N(size-off) + 1})
		}
		for i, g := range ranges {
			p, err := b.copyPart("copy of "+from, id, i+1, from, g[0], g[1])
			if err != nil || p.Size != g[1] || p.HasMD5 || !strings.Contains(p.ETag, "-") {
				t.Fatalf("%s: %d bytes from %d: %+v, %v", from, g[1], g[0], p, err)
			}
			parts = append(parts, filestore.CompletePart{Number: p.Number, ETag: p.ETag})
			want = append(want, d[g[0]:g[0]+g[1]]...)
		}
		b.complete("copy of "+from, id, parts...)
		b.holds("copy of "+from, want)
	}
	expectWhole(t, b.fs, filestore.NamedTree{Name: "test", Cap: b.root})
}

func TestCopiedPartsRefuseWhatIsntThere(t *testing.T) {
	t.Parallel()
	b := newMulti(t, newStorage(t).open())
	b.object("from", random(1000, 1))
	id := b.create("k")
	for _, g := range [][3]int64{{1, -1, 10}, {1, 0, -1}, {1, 0, 1001}, {1, 1001, 0}, {1, 1 << 62, 1 << 62}, {0, 0, 1}, {10_001, 0, 1}} {
		if _, err := b.copyPart("k", id, int(g[0]), "from", g[1], g[2]); !errors.Is(err, kind.Invalid) {
			t.Errorf("%v: %v", g, err)
		}
	}
	if _, err := b.copyPart("l", id, 1, "from", 0, 1); !errors.Is(err, kind.NotExist) {
		t.Errorf("no upload: %v", err)
	}
}

// TestACopiedPartMovesNoData: what is stored anew for a range of a large object are
// its two ends, whatever lies between; and of a whole object nothing.
func TestACopiedPartMovesNoData(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	m := &meter{}
	s.blocks, s.meta = meteredBlocks{s.blocks, m}, meteredMeta{s.meta, m}
	b := newMulti(t, s.open(smallChunks))
	b.object("from", random(20<<20, 1))
	id := b.create("k")
	for _, tt := range []struct {
		name      string
		off, n    int64
		mostBytes int
	}{
		{"whole", 0, 20 << 20, 20_000},
		{"but its ends", 1, 20<<20 - 2, 2*(256<<10) + 60_000},
		{"aligned", 1 << 20, 10 << 20, 30_000},
	} {
		m.spent()
		p, err := b.copyPart("k", id, 1, "from", tt.off, tt.n)
		if err != nil {
			t.Fatal(err)
		}
		if c := m.spent(); c.bytes > tt.mostBytes {
			t.Errorf("%s: %+v", tt.name, c)
		}
		if p.Size != tt.n {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
}

// TestACopiedPartOutlivesItsSource: the source is replaced and collected, also
// between the opening and the copy.
func TestACopiedPartOutlivesItsSource(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	b := newMulti(t, s.open(smallChunks))
	for range 2 {
		must(t, b.fs.Beat(t.Context()))
	}
	briefly := func() (deleted int64) { // a lifetime, in which no lease lapses
		for range 3 {
			must(t, b.fs.Beat(t.Context()))
			clock.Add(int64(time.Second))
			deleted += collect(t, b.fs, filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true}).Deleted
		}
		return deleted
	}
	data := random(3<<20, 1)
	b.object("from", data)
	r, err := b.Open(t.Context(), "from", filestore.VersionID{})
	must(t, err)
	b.object("from", []byte("other"))
	if n := briefly(); n != 0 {
		t.Errorf("%d blocks that are open were deleted", n)
	}
	id := b.create("k")
	p, err := b.CopyPart(t.Context(), "k", id, 1, filestore.ObjectRange{From: r, Off: 100, N: 2 << 20}, filestore.PartMeta{})
	must(t, err)
	r.Close()
	if n := briefly(); n == 0 {
		t.Error("the rest of the source wasn't deleted")
	}
	b.complete("k", id, filestore.CompletePart{Number: 1, ETag: p.ETag})
	lifetime(t, b.fs, clock)
	b.holds("k", data[100:100+2<<20])
	expectWhole(t, b.fs, filestore.NamedTree{Name: "test", Cap: b.root})
}

func TestCopiesOfEqualRangesHaveETagsOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := newMulti(t, newStorage(t).open())
	b.object("from", bytes.Repeat([]byte("x"), 1000))
	id := b.create("k")
	seen := map[string]bool{}
	for i := range 3 {
		p, err := b.copyPart("k", id, i+1, "from", 0, 500)
		must(t, err)
		seen[p.ETag] = true
	}
	if len(seen) != 3 {
		t.Error(fmt.Sprint(seen))
	}
}
