package filestore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
)

// TestPatchesAgainstAByteSlice writes pages over one file through two gateways, in
// several handles, cuts, grows, copies, freezes and collects it at random, and
// compares it, and what was copied, with byte slices.
func TestPatchesAgainstAByteSlice(t *testing.T) {
	t.Parallel()
	for _, sd := range seeds(6) {
		t.Run(fmt.Sprint("seed=", sd), func(t *testing.T) {
			t.Parallel()
			m := newPatchModel(t, sd)
			for range 60 {
				m.step()
			}
			m.finish()
		})
	}
}

// patchModel is one file, of which each gateway has two handles open.
type patchModel struct {
	t      *testing.T
	rng    *rand.Rand
	s      *storage
	now    *atomic.Int64
	open   [2]func() *filestore.FS
	fs     [2]*filestore.FS
	b      [2]bucket
	trees  [2]tree
	files  [2][2]*filestore.File
	root   caps.Write
	want   []byte
	copies map[string][]byte
	dirty  [2]bool
	n      int
	log    []string
}

func newPatchModel(t *testing.T, sd uint64) *patchModel {
	m := &patchModel{t: t, rng: rand.New(rand.NewPCG(sd, 7)), copies: map[string][]byte{}}
	m.s, m.now = clocked(t)
	inline := []int{0, -1, 64 << 10}[m.rng.IntN(3)]
	for g := range m.open {
		chunk := 256 << 10 << m.rng.IntN(2)
		small := m.rng.IntN(2) == 0
		m.open[g] = func() *filestore.FS {
			return m.s.gateway(func(o *filestore.Options) {
				if o.ChunkSize, o.InlineBlock = chunk, inline; small {
					o.DraftBytes, o.CacheBytes = 64<<10, 256<<10
				}
			})
		}
		m.fs[g] = m.open[g]()
	}
	first := newMulti(t, m.fs[0])
	m.root = first.root
	size := 1 + m.rng.IntN(1_500_000)
	m.want = random(size, byte(sd))
	switch m.rng.IntN(3) {
	case 0: // a ragged file
		id := first.create("f")
		var parts []filestore.CompletePart
		for at := 0; at < size; {
			n := min(size-at, 70_000+m.rng.IntN(400_000))
			parts = append(parts, first.part("f", id, len(parts)+1, m.want[at:at+n]))
			at += n
		}
		if _, err := first.tryComplete("f", id, parts...); err != nil {
			first.tree.put("bucket/f", m.want) // parts are too small for an upload
		}
	case 1:
		first.tree.put("bucket/f", m.want)
	default: // a hole
		f := first.tree.open("bucket/f", toCreate)
		if err := f.Truncate(t.Context(), int64(size)); err != nil {
			t.Fatal(err)
		}
		closeFile(t, f)
		m.want = make([]byte, size)
	}
	for g := range m.fs {
		m.enter(g)
	}
	return m
}

// enter opens the file's handles of a gateway.
func (m *patchModel) enter(g int) {
	m.trees[g] = mount(m.t, m.fs[g], m.root)
	b, err := m.fs[g].Bucket(m.t.Context(), "bucket")
	if err != nil {
		m.t.Fatal(err)
	}
	m.b[g] = bucket{m.t, b}
	for h := range m.files[g] {
		m.files[g][h] = m.trees[g].open("bucket/f", forWriting)
	}
}

func (m *patchModel) leave(g int) {
	for _, f := range m.files[g] {
		closeFile(m.t, f)
	}
}

func (m *patchModel) say(format string, a ...any) { m.log = append(m.log, fmt.Sprintf(format, a...)) }

func (m *patchModel) file(g int) *filestore.File { return m.files[g][m.rng.IntN(2)] }

func (m *patchModel) step() {
	m.t.Helper()
	g, size := m.rng.IntN(2), len(m.want)
	switch k := m.rng.IntN(16); k {
	case 0, 1, 2, 3, 4, 5:
		for range 1 + m.rng.IntN(40)*m.rng.IntN(2) {
			m.write(g)
		}
	case 6, 7, 8:
		m.commit(g)
	case 9:
		m.truncate(g, 1+m.rng.IntN(size))
	case 10:
		m.truncate(g, size-m.rng.IntN(min(size, 9000)))
	case 11:
		m.truncate(g, size+m.rng.IntN(400_000))
	case 12:
		m.commitAll()
		m.n++
		m.copy(g, fmt.Sprint("copy", m.n))
	case 13:
		m.commitAll()
		m.leave(g)
		m.say("%d leaves", g)
		if m.rng.IntN(2) == 0 {
			m.fs[g] = m.open[g]()
		}
		m.enter(g)
	case 14:
		m.commitAll()
		m.say("collect")
		for g := range m.fs {
			m.leave(g)
		}
		m.now.Add(int64(time.Duration(1+m.rng.IntN(12)) * 24 * time.Hour))
		for g := range m.fs {
			m.beat(g)
		}
		collect(m.t, m.fs[g], filestore.CollectOptions{Yes: true, Grace: 48 * time.Hour})
		for g := range m.fs {
			m.enter(g)
		}
	case 15:
		m.commitAll()
		m.compareAll()
	}
}

func (m *patchModel) beat(g int) {
	if err := m.fs[g].Beat(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

// write is of a page or so, in bytes that the other gateway hasn't written to since
// its last commit: by turns of 16 KiB.
func (m *patchModel) write(g int) {
	n := 1 + m.rng.IntN(8192)
	at := m.rng.IntN(len(m.want)+1)/32768*32768 + g*16384 + m.rng.IntN(16384-n)
	if at+n > len(m.want) {
		return
	}
	p := random(n, byte(m.rng.Uint32()))
	m.say("%d writes %d+%d", g, at, n)
	write(m.t, m.file(g), p, int64(at))
	copy(m.want[at:], p)
	m.dirty[g] = true
}

func (m *patchModel) commit(g int) {
	m.say("%d commits", g)
	sync(m.t, m.file(g))
	m.dirty[g] = false
}

func (m *patchModel) commitAll() {
	for g := range m.fs {
		if m.dirty[g] {
			m.commit(g)
		}
	}
}

// truncate cuts or grows while nobody else has anything to commit; never to zero,
// after which a file's commits replace what others write (formats 8).
func (m *patchModel) truncate(g, n int) {
	m.t.Helper()
	m.commitAll()
	m.leave(g) // what the other committed is read at once by who opens the file
	m.enter(g)
	if got := readAll(m.t, m.file(g)); !bytes.Equal(got, m.want) {
		m.differ("a handle that was just opened", got)
	}
	m.setSize(g, n)
	for range m.rng.IntN(4) { // in the same draft
		for range m.rng.IntN(4) {
			m.write(g)
		}
		m.setSize(g, max(1, len(m.want)+m.rng.IntN(400_000)-200_000))
	}
	m.commit(g) // what the other writes next lies in the file
}

func (m *patchModel) setSize(g, n int) {
	m.t.Helper()
	m.say("%d truncates to %d", g, n)
	if err := m.file(g).Truncate(m.t.Context(), int64(n)); err != nil {
		m.t.Fatal(err)
	}
	if n > len(m.want) {
		m.want = append(m.want, make([]byte, n-len(m.want))...)
	}
	m.want = m.want[:n:n]
	m.dirty[g] = true
	if got := readAll(m.t, m.file(g)); !bytes.Equal(got, m.want) {
		m.differ("a handle", got)
	}
}

// copy keeps what the file holds in one of several ways.
func (m *patchModel) copy(g int, name string) {
	m.t.Helper()
	tr := m.trees[g]
	switch m.rng.IntN(4) {
	case 0:
		m.say("%d links %s", g, name)
		if err := tr.Link(m.t.Context(), path("bucket/f"), path(name)); err != nil {
			m.t.Fatal(err)
		}
		m.copies[name] = bytes.Clone(m.want)
	case 1:
		m.say("%d copies %s", g, name)
		r, err := m.b[g].Open(m.t.Context(), "f", filestore.VersionID{})
		if err != nil {
			m.t.Fatal(err)
		}
		m.b[g].copy(r, name, filestore.ObjectMeta{})
		r.Close()
		m.copies["bucket/"+name] = bytes.Clone(m.want)
	case 2:
		if len(m.want) == 0 {
			return
		}
		off := m.rng.IntN(len(m.want))
		n := 1 + m.rng.IntN(len(m.want)-off)
		m.say("%d copies %d+%d to %s", g, off, n, name)
		b := multi{m.t, m.b[g].Bucket, m.fs[g], tr, m.root}
		id := b.create(name)
		p, err := b.copyPart(name, id, 1, "f", int64(off), int64(n))
		if err != nil {
			m.t.Fatal(err)
		}
		b.complete(name, id, filestore.CompletePart{Number: p.Number, ETag: p.ETag})
		m.copies["bucket/"+name] = bytes.Clone(m.want[off : off+n])
	case 3:
		m.say("%d freezes %s", g, name)
		tr.freeze("bucket", name)
		m.copies[name+"/f"] = bytes.Clone(m.want)
	}
}

func (m *patchModel) compareAll() {
	m.t.Helper()
	for g := range m.fs {
		if got := m.trees[g].get("bucket/f"); !bytes.Equal(got, m.want) {
			m.differ(fmt.Sprint("gateway ", g), got)
		}
	}
	tr := mount(m.t, m.s.gateway(), m.root)
	if got := tr.get("bucket/f"); !bytes.Equal(got, m.want) {
		m.differ("a new gateway", got)
	}
	for name, want := range m.copies {
		if !bytes.Equal(tr.get(name), want) {
			m.t.Fatalf("%s has changed, after %q", name, m.log)
		}
	}
	expectWhole(m.t, m.fs[0], filestore.NamedTree{Name: "test", Cap: m.root})
}

func (m *patchModel) differ(what string, got []byte) {
	m.t.Helper()
	at := 0
	for at < len(got) && at < len(m.want) && got[at] == m.want[at] {
		at++
	}
	end := at
	for i := at; i < len(got) && i < len(m.want); i++ {
		if got[i] != m.want[i] {
			end = i + 1
		}
	}
	m.t.Fatalf("%s: %d bytes instead of %d, different from %d to %d, after %q", what, len(got), len(m.want), at, end, m.log)
}

func (m *patchModel) finish() {
	m.t.Helper()
	m.commitAll()
	for g := range m.fs {
		m.leave(g)
	}
	m.compareAll()
}
