package dirtree

import (
	"fmt"
	"testing"
)

func benchEntries(n int) []*Entry {
	entries := make([]*Entry, n)
	for i := range entries {
		entries[i] = fileEntry(fmt.Sprintf("file-%06d.dat", i), uint64(i))
	}
	return entries
}

func BenchmarkPutSealIn10000(b *testing.B) {
	m := newMemory()
	d := mustBuild(b, m, writeKeys(testSlot(1)), NewNodeCache(1<<28), benchEntries(10_000)...)
	nodes, bytes := 0, 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := d.Edit()
		if err := e.Put(b.Context(), fileEntry(fmt.Sprintf("file-%06d.dau", i*7919%10_000), uint64(i))); err != nil {
			b.Fatal(err)
		}
		r, err := e.Seal(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		nodes += len(r.New)
		for _, n := range r.New {
			bytes += len(n.Data)
		}
	}
	b.ReportMetric(float64(nodes)/float64(b.N), "nodes/op")
	b.ReportMetric(float64(bytes)/float64(nodes), "B/node")
}

// BenchmarkSequentialCommits is 10,000 new names, a commit each.
func BenchmarkSequentialCommits(b *testing.B) {
	entries := benchEntries(10_000)
	for b.Loop() {
		m := newMemory()
		d := Open(writeKeys(testSlot(1)), Root{}, m, NewNodeCache(1<<28))
		for _, in := range entries {
			e := d.Edit()
			if err := e.Put(b.Context(), in); err != nil {
				b.Fatal(err)
			}
			d, _ = commitEdit(b, m, d, e)
		}
		b.ReportMetric(fillOf(m), "fill")
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(len(entries)), "µs/commit")
}

// BenchmarkBuildInOneEdit is 10,000 new names in one commit.
func BenchmarkBuildInOneEdit(b *testing.B) {
	entries := benchEntries(10_000)
	for b.Loop() {
		mustBuild(b, newMemory(), writeKeys(testSlot(1)), nil, entries...)
	}
}

func BenchmarkGetWarm(b *testing.B) {
	entries := benchEntries(10_000)
	d := mustBuild(b, newMemory(), writeKeys(testSlot(1)), NewNodeCache(1<<28), entries...)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := d.Get(b.Context(), entries[i*7919%10_000].Name); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan10000(b *testing.B) {
	m := newMemory()
	built := mustBuild(b, m, writeKeys(testSlot(1)), NewNodeCache(1<<28), benchEntries(10_000)...)
	for _, cold := range []bool{false, true} {
		b.Run(map[bool]string{false: "warm", true: "cold"}[cold], func(b *testing.B) {
			d := built
			for b.Loop() {
				if cold {
					d = Open(Keys{Read: testSlot(1).Read()}, built.root, m, NewNodeCache(1<<28))
				}
				n := 0
				for range d.Scan(b.Context(), "") {
					n++
				}
				if n != 10_000 {
					b.Fatal(n)
				}
			}
		})
	}
}

func BenchmarkSlot(b *testing.B) {
	w := testSlot(1)
	rec := mustSeal(b, w, sampleState())
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			mustSeal(b, w, sampleState())
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if _, err := OpenSlot(w.Read(), rec); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open trusted", func(b *testing.B) {
		for b.Loop() {
			if _, err := OpenTrusted(w.Read(), rec); err != nil {
				b.Fatal(err)
			}
		}
	})
}
