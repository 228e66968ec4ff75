package filestore_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/blockstore/local"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

// onDisk is storage as a node has it by default.
func onDisk(b testing.TB) *storage {
	dir := b.TempDir()
	meta, err := sqlite.Open(filepath.Join(dir, "meta.db"))
	if err != nil {
		b.Fatal(err)
	}
	blocks, err := local.Open(filepath.Join(dir, "blocks"), local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { meta.Close(); blocks.Close() })
	return &storage{b, blocks, meta, newKey()}
}

func benchStores(b *testing.B, run func(b *testing.B, t tree)) {
	for name, open := range map[string]func(testing.TB) *storage{"memory": newStorage, "disk": onDisk} {
		b.Run(name, func(b *testing.B) {
			t, _ := newTree(b, open(b).open())
			b.ReportAllocs()
			run(b, t)
		})
	}
}

func BenchmarkMkdir(b *testing.B) {
	benchStores(b, func(b *testing.B, t tree) {
		for i := 0; b.Loop(); i++ {
			t.mkdir(fmt.Sprint("d", i))
		}
	})
}

func BenchmarkPutSmall(b *testing.B) {
	data := random(4096, 1)
	benchStores(b, func(b *testing.B, t tree) {
		for i := 0; b.Loop(); i++ {
			t.put(fmt.Sprint("f", i), data)
		}
	})
}

func BenchmarkPut100K(b *testing.B) {
	data := random(100_000, 1)
	benchStores(b, func(b *testing.B, t tree) {
		for i := 0; b.Loop(); i++ {
			t.put(fmt.Sprint("f", i), data)
		}
	})
}

func BenchmarkStat(b *testing.B) {
	benchStores(b, func(b *testing.B, t tree) {
		t.mkdir("a")
		t.mkdir("a/b")
		t.put("a/b/f", []byte("x"))
		p := path("a/b/f")
		for b.Loop() {
			if _, err := t.Stat(b.Context(), p); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGetSmall(b *testing.B) {
	benchStores(b, func(b *testing.B, t tree) {
		t.put("f", random(4096, 1))
		p, buf := path("f"), make([]byte, 8192)
		for b.Loop() {
			f, err := t.Open(b.Context(), p, forReading)
			if err != nil {
				b.Fatal(err)
			}
			if n, _ := f.ReadAt(b.Context(), buf, 0); n != 4096 {
				b.Fatal(n)
			}
			closeFile(b, f)
		}
	})
}

func BenchmarkStream(b *testing.B) {
	const size = 256 << 20
	part := random(255<<10, 1)
	benchStores(b, func(b *testing.B, t tree) {
		b.SetBytes(size)
		for b.Loop() {
			f := t.open("f", filestore.OpenOptions{Write: true, Create: true, Truncate: true})
			for off := int64(0); off < size; off += int64(len(part)) {
				if _, err := f.WriteAt(b.Context(), part, off); err != nil {
					b.Fatal(err)
				}
			}
			closeFile(b, f)
		}
	})
}

func BenchmarkReadStream(b *testing.B) {
	const size = 64 << 20
	benchStores(b, func(b *testing.B, t tree) {
		t.put("f", random(size, 1))
		b.SetBytes(size)
		buf := make([]byte, 255<<10)
		for b.Loop() {
			f := t.open("f", forReading)
			for off := int64(0); off < size; off += int64(len(buf)) {
				if n, _ := f.ReadAt(b.Context(), buf, off); n == 0 {
					b.Fatal("nothing read")
				}
			}
			closeFile(b, f)
		}
	})
}

func BenchmarkPutSmallFrom16(b *testing.B) {
	data := random(4096, 1)
	benchStores(b, func(b *testing.B, t tree) {
		var n atomic.Int64
		for i := range 16 {
			t.mkdir(fmt.Sprint("d", i))
		}
		b.SetParallelism(8) // times GOMAXPROCS
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				i := n.Add(1)
				p := path(fmt.Sprintf("d%d/f%d", i%16, i))
				if err := put(b.Context(), t.Tree, p, data); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
