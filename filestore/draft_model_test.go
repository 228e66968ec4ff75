package filestore_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
)

var seed = flag.Uint64("seed", 0, "replay a model test with this seed")

// seeds returns the seeds to run a model test with: the one of -seed, or n
// fixed ones and a random one. A failing test has its seed in its name.
func seeds(n int) []uint64 {
	if *seed != 0 {
		return []uint64{*seed}
	}
	var s []uint64
	for i := range n {
		s = append(s, uint64(i+1))
	}
	return append(s, rand.Uint64())
}

// TestDraftsAgainstAByteSlice writes, cuts, grows, appends, syncs and reopens
// one file at random and compares it with a byte slice after every step.
func TestDraftsAgainstAByteSlice(t *testing.T) {
	t.Parallel()
	for _, sd := range seeds(6) {
		t.Run(fmt.Sprint("seed=", sd), func(t *testing.T) {
			t.Parallel()
			m := newDraftModel(t, sd)
			for range 40 {
				m.step()
			}
			m.finish()
		})
	}
}

type draftModel struct {
	t    *testing.T
	rng  *rand.Rand
	fs   *filestore.FS
	tree tree
	f    *filestore.File
	want []byte
	log  []string
}

func newDraftModel(t *testing.T, sd uint64) *draftModel {
	s := newStorage(t)
	rng := rand.New(rand.NewPCG(sd, sd))
	fs := s.open(func(o *filestore.Options) {
		o.ChunkSize = 256 << 10
		switch rng.IntN(3) {
		case 0:
			o.DraftBytes = 128 << 10 // everything goes through the spool
		case 1:
			o.DirtyBytes, o.FlightBytes = 300<<10, 256<<10
		}
	})
	if rng.IntN(2) == 0 {
		fs.FoldAfter(2)
	}
	tr, _ := newTree(t, fs)
	m := &draftModel{t: t, rng: rng, fs: fs, tree: tr}
	m.f = tr.open("f", toCreate)
	return m
}

func (m *draftModel) step() {
	m.t.Helper()
	size := int64(len(m.want))
	switch m.rng.IntN(15) {
	case 0, 1, 2:
		m.write(m.rng.Int64N(size+100_000), m.length())
	case 3:
		m.write(size, m.length())
	case 4: // a stream
		off := m.rng.Int64N(size/(256<<10)+1) * (256 << 10)
		for range m.rng.IntN(6) {
			m.write(off, 128<<10)
			off += 128 << 10
		}
	case 5:
		m.truncate(m.rng.Int64N(size + 1))
	case 6:
		m.truncate(size + m.rng.Int64N(700_000))
	case 7:
		if m.rng.IntN(3) == 0 {
			m.truncate(0)
		}
	case 8:
		m.log = append(m.log, "sync")
		sync(m.t, m.f)
	case 9, 10:
		m.log = append(m.log, "reopen")
		closeFile(m.t, m.f)
		m.f = m.tree.open("f", forWriting)
	case 12: // here and there
		for range 20 + m.rng.IntN(60) {
			m.write(m.rng.Int64N(size+10_000), 1+m.rng.Int64N(6_000))
		}
	case 13, 14: // a database's pages
		for range 1 + m.rng.IntN(4) {
			for range 1 + m.rng.IntN(5) {
				if size > 5000 {
					m.write(m.rng.Int64N(size-4096)&^4095, 4096)
				}
			}
			m.log = append(m.log, "sync")
			sync(m.t, m.f)
		}
	case 11: // small
		m.truncate(m.rng.Int64N(80))
		m.write(0, 60)
	}
	m.check()
}

func (m *draftModel) length() int64 {
	switch m.rng.IntN(4) {
	case 0:
		return 1 + m.rng.Int64N(100)
	case 1:
		return 1 + m.rng.Int64N(600_000)
	}
	return 1 + m.rng.Int64N(20_000)
}

func (m *draftModel) write(off, n int64) {
	m.t.Helper()
	m.log = append(m.log, fmt.Sprintf("write %d+%d", off, n))
	data := random(int(n), byte(m.rng.Uint32()))
	write(m.t, m.f, data, off)
	if grow := off + n - int64(len(m.want)); grow > 0 {
		m.want = append(m.want, make([]byte, grow)...)
	}
	copy(m.want[off:], data)
}

func (m *draftModel) truncate(n int64) {
	m.t.Helper()
	m.log = append(m.log, fmt.Sprintf("truncate %d", n))
	if err := m.f.Truncate(m.t.Context(), n); err != nil {
		m.t.Fatal(err)
	}
	if grow := n - int64(len(m.want)); grow > 0 {
		m.want = append(m.want, make([]byte, grow)...)
	}
	m.want = m.want[:n:n]
}

func (m *draftModel) check() {
	m.t.Helper()
	m.compare(readAll(m.t, m.f))
}

func (m *draftModel) compare(got []byte) {
	m.t.Helper()
	if bytes.Equal(got, m.want) {
		return
	}
	at := 0
	for at < len(got) && at < len(m.want) && got[at] == m.want[at] {
		at++
	}
	m.t.Fatalf("%d bytes instead of %d, different from %d on, after %q", len(got), len(m.want), at, m.log)
}

func (m *draftModel) finish() {
	m.t.Helper()
	closeFile(m.t, m.f)
	m.compare(m.tree.get("f"))
	if got := m.tree.stat("f").Size; got != int64(len(m.want)) {
		m.t.Fatalf("stat says %d bytes, want %d", got, len(m.want))
	}
}
