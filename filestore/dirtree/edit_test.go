package dirtree

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// checkTree walks d's tree beside the library and checks its invariants:
// levels, separators, order, hints, sizes, and that the source holds its nodes
// and no others. It returns the number of nodes.
func checkTree(t testing.TB, m *memory, d *Dir) int {
	t.Helper()
	seen := make(map[[32]byte]bool)
	bare := *d
	bare.cache = nil // read what is stored, not what is cached
	var below func(id [32]byte, level uint8, at span) uint32
	below = func(id [32]byte, level uint8, at span) uint32 {
		n, err := bare.load(t.Context(), id, level, at)
		if err != nil {
			t.Fatal(err)
		}
		if seen[id] {
			t.Fatal("a node stands in the tree twice")
		}
		seen[id] = true
		if got := len(m.nodes[id]); got != n.size() {
			t.Fatalf("node of %d bytes counts as %d", got, n.size())
		}
		if n.len() > 1 && n.size() > targetNode {
			t.Fatalf("node of %d items has %d bytes", n.len(), n.size())
		}
		count := uint32(len(n.entries))
		for i, k := range n.kids {
			got := below(k.id, level-1, at.child(n, i))
			if got != k.count {
				t.Fatalf("%d entries below a kid that says %d", got, k.count)
			}
			count += got
		}
		return count
	}
	if !d.root.IsZero() {
		below(d.root.ID, d.root.Level, everything)
		if root, _ := bare.load(t.Context(), d.root.ID, d.root.Level, everything); root.level > 0 && root.len() < 2 {
			t.Fatal("the root has one child")
		}
	}
	if len(seen) != len(m.nodes) {
		t.Fatalf("the tree has %d nodes, the source %d", len(seen), len(m.nodes))
	}
	return len(seen)
}

// compare checks that d holds exactly what the model does: the same keys, and
// of every step-th entry the same fields.
func compare(t testing.TB, d *Dir, model map[string]*Entry, step int) {
	t.Helper()
	got, keys := collect(t, d), slices.Sorted(maps.Keys(model))
	if len(got) != len(keys) {
		t.Fatalf("%d entries, want %d", len(got), len(keys))
	}
	for i, key := range keys {
		if got[i].SortKey() != key || i%step == 0 && !bytes.Equal(reencode(got[i]), reencode(model[key])) {
			t.Fatalf("entry %d is %q, want %q", i, got[i].SortKey(), key)
		}
	}
}

// randomName prefers few stems, so that prefixes are shared, and is long at
// times.
func randomName(r *rand.Rand) string {
	switch r.IntN(10) {
	case 0:
		return strings.Repeat(string(rune('a'+r.IntN(4))), r.IntN(MaxName)+1)
	case 1:
		return string([]byte{byte(1 + r.IntN(46))}) + fmt.Sprint(r.IntN(50))
	default:
		return fmt.Sprintf("stem%d-%04d", r.IntN(3), r.IntN(2000))
	}
}

func randomEntry(r *rand.Rand, samples []*Entry) *Entry {
	if r.IntN(4) > 0 {
		return fileEntry(randomName(r), r.Uint64N(1<<40))
	}
	e := *samples[r.IntN(len(samples))]
	e.Name = randomName(r)
	e.Mtime = r.Int64()
	switch r.IntN(20) {
	case 0:
		e.Attrs = []Attr{{Type: 500, Value: make([]byte, r.IntN(12_000))}}
	case 1:
		e.Attrs = []Attr{{Type: 500, Value: make([]byte, r.IntN(2_000))}}
	}
	return &e
}

// Random operations over many commits agree with a sorted map; the tree stays
// well formed; Dead is exactly what the new tree lacks; what an abandoned edit
// did is gone.
func TestEditAgreesWithASortedMap(t *testing.T) {
	t.Parallel()
	for _, cacheBytes := range []int64{0, 40_000 * cacheShards, 1 << 30} {
		t.Run(fmt.Sprint("cache ", cacheBytes), func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			var cache *NodeCache
			if cacheBytes > 0 {
				cache = NewNodeCache(cacheBytes)
			}
			runModel(t, rand.New(rand.NewPCG(seed, 1)), cache)
		})
	}
}

// checkFirst looks for the first entry from random places on.
func checkFirst(t *testing.T, r *rand.Rand, e *Edit, next map[string]*Entry, keys []string) {
	t.Helper()
	now := slices.Sorted(maps.Keys(next))
	for range 8 {
		from := ""
		if len(keys) > 0 {
			from = keys[r.IntN(len(keys))] + string(rune(r.IntN(2)))
		}
		i, _ := slices.BinarySearch(now, from)
		got, err := e.First(t.Context(), from)
		if i == len(now) {
			if kind.Of(err) != kind.NotExist {
				t.Fatalf("first from %q: %v, %v, want NotExist", from, got, err)
			}
		} else if err != nil || got.SortKey() != now[i] {
			t.Fatalf("first from %q: %v, %v, want %q", from, got, err, now[i])
		}
	}
}

func runModel(t *testing.T, r *rand.Rand, cache *NodeCache) {
	m, samples := newMemory(), sampleEntries(t)
	d := Open(writeKeys(testSlot(1)), Root{}, m, cache)
	model := make(map[string]*Entry)
	for cycle := range 90 {
		shrink := cycle/15%3 == 2 // phases that only delete
		keys := slices.Sorted(maps.Keys(model))
		next := maps.Clone(model)
		before := m.clone()
		e := d.Edit()
		seals := 1 + r.IntN(2)
		var res Result
		for range seals {
			for range r.IntN(50) {
				randomOp(t, r, e, next, keys, samples, shrink)
			}
			checkFirst(t, r, e, next, keys)
			var err error
			if res, err = e.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if r.IntN(5) == 0 {
			continue // abandoned
		}
		checkCounts(t, e, model, next)
		m.commit(res)
		checkExact(t, before, m, res)
		d = &Dir{keys: d.keys, root: res.Root, src: m, cache: cache}
		model = next
		checkTree(t, m, d)
		compare(t, d, model, 1+cycle%10)
	}
	emptyOut(t, m, d, model)
}

// randomOp does one thing to e and to its model. keys are some that were there.
func randomOp(t *testing.T, r *rand.Rand, e *Edit, model map[string]*Entry, keys []string, samples []*Entry, shrink bool) {
	t.Helper()
	in := randomEntry(r, samples)
	key := in.SortKey()
	if shrink || r.IntN(5) == 0 {
		if len(keys) > 0 && r.IntN(8) > 0 { // mostly one that is there
			key = keys[r.IntN(len(keys))]
		}
		_, there := model[key]
		if err := e.Delete(t.Context(), key); there != (err == nil) || err != nil && kind.Of(err) != kind.NotExist {
			t.Fatalf("delete %q: %v, there: %v", key, err, there)
		}
		delete(model, key)
		return
	}
	if err := e.Put(t.Context(), in); err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	model[key] = in
	got, err := e.Get(t.Context(), key)
	if err != nil || !bytes.Equal(reencode(got), reencode(in)) {
		t.Fatalf("get %q from the edit: %v", key, err)
	}
}

func checkCounts(t *testing.T, e *Edit, before, after map[string]*Entry) {
	t.Helper()
	var size int64
	for _, in := range after {
		size += in.ownBytes()
	}
	for _, in := range before {
		size -= in.ownBytes()
	}
	if e.Count() != int64(len(after)-len(before)) || e.Bytes() != size || e.IsEmpty() != (len(after) == 0) {
		t.Fatalf("count %d, bytes %d, empty %v; want %d, %d", e.Count(), e.Bytes(), e.IsEmpty(), len(after)-len(before), size)
	}
}

// checkExact checks New and Dead against the sets of nodes before and after.
func checkExact(t *testing.T, before, after *memory, r Result) {
	t.Helper()
	for _, n := range r.New {
		if _, there := before.nodes[n.ID]; there {
			t.Fatal("New has a node of the old tree")
		}
	}
	for _, id := range r.Dead {
		if _, there := before.nodes[id]; !there {
			t.Fatal("Dead has a node that the old tree hadn't")
		}
	}
	if len(after.nodes) != len(before.nodes)+len(r.New)-len(r.Dead) {
		t.Fatal("New or Dead names a node twice")
	}
}

func emptyOut(t *testing.T, m *memory, d *Dir, model map[string]*Entry) {
	e := d.Edit()
	for key := range model {
		if err := e.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	d, _ = commitEdit(t, m, d, e)
	if d.root != (Root{}) || len(m.nodes) != 0 {
		t.Fatalf("an emptied directory has root %x, %d nodes", d.root.ID, len(m.nodes))
	}
}

// Names that come in order leave full leaves behind, at the end of a directory
// and between other names, in one commit or one commit each.
func TestSequentialInsertsFillLeaves(t *testing.T) {
	t.Parallel()
	for _, perCommit := range []int{1, 1000} {
		for _, tail := range []string{"", "zzz"} {
			m := newMemory()
			d := mustBuild(t, m, writeKeys(testSlot(1)), NewNodeCache(1<<30), fileEntry("aaa", 1))
			if tail != "" {
				e := d.Edit()
				for i := range 20 {
					if err := e.Put(t.Context(), fileEntry(fmt.Sprint(tail, i), 1)); err != nil {
						t.Fatal(err)
					}
				}
				d, _ = commitEdit(t, m, d, e)
			}
			e := d.Edit()
			for i := range 1500 {
				if err := e.Put(t.Context(), fileEntry(fmt.Sprintf("img-%06d.jpg", i), uint64(i))); err != nil {
					t.Fatal(err)
				}
				if (i+1)%perCommit == 0 {
					d, _ = commitEdit(t, m, d, e)
					e = d.Edit()
				}
			}
			checkTree(t, m, d)
			if fill := fillOf(m); fill < 0.8 {
				t.Errorf("%d a commit, tail %q: nodes are %.0f%% full", perCommit, tail, 100*fill)
			}
		}
	}
}

func fillOf(m *memory) float64 {
	sum := 0
	for _, b := range m.nodes {
		sum += len(b)
	}
	return float64(sum) / float64(len(m.nodes)*targetNode)
}

// After most entries are gone, in random order, the nodes are not left sparse.
func TestDeletesKeepNodesDense(t *testing.T) {
	t.Parallel()
	m, r := newMemory(), rand.New(rand.NewPCG(1, 2))
	var entries []*Entry
	for i := range 2500 {
		entries = append(entries, fileEntry(fmt.Sprintf("f%05d", i), uint64(i)))
	}
	d := mustBuild(t, m, writeKeys(testSlot(1)), NewNodeCache(1<<30), entries...)
	r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	for _, gone := range entries[:2250] {
		e := d.Edit()
		if err := e.Delete(t.Context(), gone.Name); err != nil {
			t.Fatal(err)
		}
		d, _ = commitEdit(t, m, d, e)
	}
	if n := checkTree(t, m, d); fillOf(m) < 0.45 {
		t.Errorf("250 entries lie in %d nodes, %.0f%% full", n, 100*fillOf(m))
	}
}

// Law 7: one new name in a large directory costs a path, and everything else is
// shared.
func TestOneChangeCostsAPath(t *testing.T) {
	m := newMemory()
	var entries []*Entry
	for i := range 10_000 {
		entries = append(entries, fileEntry(fmt.Sprintf("file-%05d", i), uint64(i)))
	}
	d := mustBuild(t, m, writeKeys(testSlot(1)), nil, entries...)
	m.reads = 0
	e := d.Edit()
	if err := e.Put(t.Context(), fileEntry("file-05000a", 1)); err != nil {
		t.Fatal(err)
	}
	_, r := commitEdit(t, m, d, e)
	if m.reads > 3 || len(r.New) > 4 || len(r.Dead) > 3 {
		t.Errorf("%d nodes read, %d written, %d dead", m.reads, len(r.New), len(r.Dead))
	}
}

func TestEditNeedsWriteAuthority(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	d := mustBuild(t, m, writeKeys(w), nil, fileEntry("a", 1))
	ro := Open(Keys{Read: w.Read()}, d.root, m, nil)
	e := ro.Edit()
	_, err := e.Seal(t.Context())
	for name, err := range map[string]error{
		"put": e.Put(t.Context(), fileEntry("b", 1)), "delete": e.Delete(t.Context(), "a"), "seal": err,
	} {
		if kind.Of(err) != kind.ReadOnly {
			t.Errorf("%s: %v, want ReadOnly", name, err)
		}
	}
	if _, err := e.Get(t.Context(), "a"); err != nil || !ro.ReadOnly() || d.ReadOnly() {
		t.Errorf("get: %v, read-only: %v, %v", err, ro.ReadOnly(), d.ReadOnly())
	}
}

// Law 5: who opens without W never sees a write capability, not even one that
// another opener of the same cache decoded.
func TestReadOnlyOpensYieldNoWriteCaps(t *testing.T) {
	m, w, cache := newMemory(), testSlot(1), NewNodeCache(1<<20)
	d := mustBuild(t, m, writeKeys(w), cache, sampleEntries(t)...)
	if mustGet(t, d, "dir/").DirWrite == nil {
		t.Fatal("the writer sees no write capability: the test can't fail")
	}
	m.reads = 0
	for name, ro := range map[string]*Dir{
		"cache of the writer": Open(Keys{Read: w.Read()}, d.root, m, cache),
		"the same again":      Open(Keys{Read: w.Read()}, d.root, m, cache),
		"no cache":            Open(Keys{Read: w.Read()}, d.root, m, nil),
	} {
		entries := collect(t, ro)
		if len(entries) != len(sampleEntries(t)) {
			t.Errorf("%s: %d entries", name, len(entries))
		}
		for _, e := range entries {
			if e.DirWrite != nil || e.Foreign.Write != nil {
				t.Errorf("%s: %q shows a write capability", name, e.Name)
			}
			if name != "no cache" {
				mustGet(t, ro, e.SortKey())
			}
		}
	}
	if m.reads != 1 { // by the one without cache
		t.Errorf("%d nodes read: what the writer decoded is not used", m.reads)
	}
	if mustGet(t, d, "dir/").DirWrite == nil {
		t.Error("the reader took the write capability from the writer")
	}
}

// A cache gives nothing to somebody with another key, who could open nothing
// himself.
func TestCacheKeepsKeysApart(t *testing.T) {
	m, w, cache := newMemory(), testSlot(1), NewNodeCache(1<<20)
	d := mustBuild(t, m, writeKeys(w), cache, fileEntry("a", 1))
	mustGet(t, d, "a")
	wrong := caps.NewSlotRead(caps.SlotDirectory, testKey(77), w.ID())
	if _, err := Open(Keys{Read: wrong}, d.root, m, cache).Get(t.Context(), "a"); kind.Of(err) != kind.Corrupt {
		t.Errorf("with another rk: %v, want Corrupt", err)
	}
	if _, err := OpenHistory(writeKeys(w), d.root, m, cache).Get(t.Context(), "a"); kind.Of(err) != kind.Corrupt {
		t.Errorf("as a history tree: %v, want Corrupt", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	m, cache := newMemory(), NewNodeCache(1<<20)
	var entries []*Entry
	for i := range 10_000 {
		entries = append(entries, fileEntry(fmt.Sprintf("f%05d", i), uint64(i)))
	}
	d := mustBuild(t, m, writeKeys(testSlot(1)), cache, entries...)
	for range 2 {
		if n := len(collect(t, d)); n != len(entries) {
			t.Fatalf("%d entries", n)
		}
		if b := cache.Bytes(); b > 1<<20 || b < 1<<19 {
			t.Errorf("%d bytes in a cache of 1 MiB", b)
		}
	}
}

func TestKeysOfDifferentSlotsAreRefused(t *testing.T) {
	a, b := testSlot(1), testSlot(2)
	d := Open(Keys{Read: a.Read(), Write: &b}, Root{}, newMemory(), nil)
	if _, err := d.Get(t.Context(), "x"); kind.Of(err) != kind.Invalid {
		t.Errorf("get: %v, want Invalid", err)
	}
	if err := d.Edit().Put(t.Context(), fileEntry("x", 1)); kind.Of(err) != kind.Invalid {
		t.Errorf("put: %v, want Invalid", err)
	}
}
