package sqlite_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

// directory is one slot with the nodes that a benchmark replaces.
type directory struct {
	id    metastore.SlotID
	hash  [32]byte
	nodes []metastore.ID
}

func record(version uint64) []byte {
	b := make([]byte, metastore.RecordSize)
	rand.Read(b[200:])
	binary.BigEndian.PutUint64(b[40:], version)
	return b
}

// replace adds to r a new version of d, with n nodes of 3 KiB in place of those before.
func (d *directory) replace(r *metastore.Request, n int) {
	var sealed [32]byte
	r.Slots = append(r.Slots, metastore.SlotChange{ID: d.id, Base: d.hash, Seal: func(old metastore.Record) (metastore.Sealed, error) {
		b := record(old.Version + 1)
		sealed = sha256.Sum256(b)
		d.hash = sealed
		return metastore.Sealed{Version: old.Version + 1, Bytes: b}, nil
	}})
	r.Dead = append(r.Dead, d.nodes...)
	d.nodes = d.nodes[:0]
	for range n {
		data := make([]byte, 3<<10)
		rand.Read(data[:64])
		id := metastore.ID(sha256.Sum256(data[:64]))
		r.Nodes = append(r.Nodes, metastore.NewNode{ID: id, Data: data, Slot: d.id})
		d.nodes = append(d.nodes, id)
	}
}

func newDirectories(b testing.TB, s *sqlite.Store, n int) []*directory {
	dirs := make([]*directory, n)
	for i := range dirs {
		dirs[i] = &directory{}
		rand.Read(dirs[i].id[:])
		var r metastore.Request
		dirs[i].replace(&r, 2)
		if err := s.Commit(context.Background(), &r)[0]; err != nil {
			b.Fatal(err)
		}
	}
	return dirs
}

// cpuTime reports what the process computed for an operation: what a busy
// machine does not change.
func cpuTime(b *testing.B) {
	spent := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := spent()
	b.Cleanup(func() {
		b.ReportMetric(float64(spent()-before)/float64(b.N)/1e3, "cpu-µs/op")
	})
}

// medians reports the middle of an operation's times: on a shared disk the mean
// is its neighbours'.
type medians []time.Duration

func (m *medians) time(fn func()) {
	start := time.Now()
	fn()
	*m = append(*m, time.Since(start))
}

func (m medians) report(b *testing.B) {
	slices.Sort(m)
	b.ReportMetric(float64(m[len(m)/2])/1e3, "p50-µs")
	b.ReportMetric(float64(m[len(m)*99/100])/1e3, "p99-µs")
}

func benchStore(b *testing.B) *sqlite.Store {
	s := open(b, filepath.Join(b.TempDir(), "meta.db"))
	b.Cleanup(func() { s.Close() })
	return s
}

// BenchmarkLoneCommit is one client's mkdir or rename: 2 slots, 3 nodes, 3 dead.
func BenchmarkLoneCommit(b *testing.B) {
	s := benchStore(b)
	dirs := newDirectories(b, s, 200)
	cpuTime(b)
	var m medians
	for i := 0; b.Loop(); i++ {
		var r metastore.Request
		dirs[i%len(dirs)].replace(&r, 2)
		dirs[(i+1)%len(dirs)].replace(&r, 1)
		m.time(func() {
			if err := s.Commit(b.Context(), &r)[0]; err != nil {
				b.Fatal(err)
			}
		})
	}
	m.report(b)
}

// BenchmarkCommits is many clients' small commits: a slot, a node of 3 KiB, a dead one.
func BenchmarkCommits(b *testing.B) {
	for _, writers := range []int{1, 8, 32, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := benchStore(b)
			dirs := newDirectories(b, s, writers)
			var left atomic.Int64
			left.Store(int64(b.N))
			cpuTime(b)
			b.ResetTimer()
			var wg sync.WaitGroup
			for _, d := range dirs {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						var r metastore.Request
						d.replace(&r, 1)
						if err := s.Commit(b.Context(), &r)[0]; err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

func BenchmarkRegister16(b *testing.B) {
	s := benchStore(b)
	rows := make([]metastore.BlockRow, 16)
	cpuTime(b)
	var m medians
	for b.Loop() {
		for i := range rows {
			rand.Read(rows[i].ID[:])
			rows[i].Len = 1 << 20
		}
		m.time(func() {
			if err := s.Register(b.Context(), metastore.GatewayID{1}, metastore.DraftID{1}, rows); err != nil {
				b.Fatal(err)
			}
		})
	}
	m.report(b)
}

func BenchmarkReads(b *testing.B) {
	s := benchStore(b)
	dirs := newDirectories(b, s, 1000)
	read := func(b *testing.B) {
		var m medians
		for i := 0; b.Loop(); i++ {
			m.time(func() {
				if _, err := s.Slots(b.Context(), []metastore.SlotID{dirs[i%len(dirs)].id}); err != nil {
					b.Fatal(err)
				}
			})
		}
		m.report(b)
	}
	b.Run("slot", read)
	b.Run("node", func(b *testing.B) {
		var m medians
		for i := 0; b.Loop(); i++ {
			m.time(func() {
				if _, err := s.Nodes(b.Context(), dirs[i%len(dirs)].nodes[:1]); err != nil {
					b.Fatal(err)
				}
			})
		}
		m.report(b)
	})
	b.Run("slot/while-writing", func(b *testing.B) {
		stop := make(chan bool)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				var r metastore.Request
				dirs[i%len(dirs)].replace(&r, 2)
				if err := s.Commit(context.Background(), &r)[0]; err != nil {
					b.Error(err)
					return
				}
			}
		})
		read(b)
		close(stop)
		wg.Wait()
	})
}

// BenchmarkFsync is the floor: 80 KiB overwritten and synced.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 80<<10)
	for range 64 {
		f.Write(buf)
	}
	f.Sync()
	var m medians
	for i := 0; b.Loop(); i++ {
		m.time(func() {
			f.WriteAt(buf, int64(i%64)*int64(len(buf)))
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		})
	}
	m.report(b)
}
