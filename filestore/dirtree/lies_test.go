package dirtree

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Every way in which a source, or somebody who has the directory's own keys,
// may lie about a node.

// readAll uses every door by which a tree is read, and returns what they say.
func readAll(t *testing.T, d *Dir, key string) map[string]error {
	t.Helper()
	out := make(map[string]error)
	_, out["get"] = d.Get(t.Context(), key)
	for _, err := range d.Scan(t.Context(), "") {
		if err != nil {
			out["scan"] = err
		}
	}
	e := d.Edit()
	_, out["edit.get"] = e.Get(t.Context(), key)
	out["put"] = e.Put(t.Context(), fileEntry(key, 99))
	out["delete"] = d.Edit().Delete(t.Context(), key)
	return out
}

func wantFault(t *testing.T, what string, errs map[string]error, want Fault) {
	t.Helper()
	for door, err := range errs {
		var fault *NodeError
		if !errors.As(err, &fault) || fault.Fault != want || kind.Of(err) != kind.Corrupt {
			t.Errorf("%s: %s: %v, want fault %q of kind Corrupt", what, door, err, want)
		}
	}
	if len(errs) != 5 {
		t.Errorf("%s: not every door gave an answer: %v", what, errs)
	}
}

const twoLevelEntries = 200

// twoLevels is a directory with a root and leaves, and the ids of these.
func twoLevels(t *testing.T, m *memory, w caps.SlotWrite) (*Dir, *node) {
	t.Helper()
	var entries []*Entry
	for i := range twoLevelEntries {
		entries = append(entries, fileEntry(fmt.Sprintf("f%03d", i), uint64(i)))
	}
	d := mustBuild(t, m, writeKeys(w), nil, entries...)
	root, err := d.load(t.Context(), d.root.ID, d.root.Level, everything)
	if err != nil || d.root.Level != 1 || len(root.kids) < 4 {
		t.Fatalf("no tree of two levels: %v", err)
	}
	return d, root
}

func TestASourceThatLies(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	d, root := twoLevels(t, m, w)
	first, second := root.kids[0].id, root.kids[1].id
	old := m.nodes[first]
	e := d.Edit()
	if err := e.Put(t.Context(), fileEntry("f000", 7)); err != nil {
		t.Fatal(err)
	}
	d, _ = commitEdit(t, m, d, e)
	root, _ = d.load(t.Context(), d.root.ID, 1, everything)
	first = root.kids[0].id

	flip := func(id [32]byte, i int) []byte { b := slices.Clone(m.nodes[id]); b[i] ^= 1; return b }
	tests := []struct {
		name  string
		bytes []byte
		want  Fault
	}{
		{"a node withheld", nil, Missing},
		{"an empty node", []byte{}, WrongID},
		{"a flipped header", flip(first, 3), WrongID},
		{"a flipped section", flip(first, 100), WrongID},
		{"a node cut short", m.nodes[first][:1000], WrongID},
		{"a node with a tail", append(slices.Clone(m.nodes[first]), 0), WrongID},
		{"another node of the directory", m.nodes[second], WrongID},
		{"an older version of the node", old, WrongID},
		{"an enormous node", make([]byte, maxNode+1), WrongID},
	}
	for _, tt := range tests {
		lying := m.clone()
		if lying.nodes[first] = tt.bytes; tt.bytes == nil {
			delete(lying.nodes, first)
		}
		for _, cache := range []*NodeCache{nil, NewNodeCache(1 << 20)} {
			wantFault(t, tt.name, readAll(t, Open(writeKeys(w), d.root, lying, cache), "f000"), tt.want)
		}
	}
}

// A byte that is flipped in a node whose hash is right for its bytes: the keys
// notice.
func TestEveryByteOfANodeIsAuthenticated(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	d := mustBuild(t, m, writeKeys(w), nil, sampleEntries(t)...)
	block := m.nodes[d.root.ID]
	for i := range block {
		flipped := slices.Clone(block)
		flipped[i] ^= 0x10
		if _, err := d.keys.open(sha256.Sum256(flipped), 0, flipped); kind.Of(err) != kind.Corrupt {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
	}
	for i := range len(block) {
		if _, err := d.keys.open(sha256.Sum256(block[:i]), 0, block[:i]); kind.Of(err) != kind.Corrupt {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
}

// Nodes that somebody with the keys sealed, but put in the wrong place.
func TestNodesInTheWrongPlace(t *testing.T) {
	w, other := testSlot(1), testSlot(2)
	m := newMemory()
	d, root := twoLevels(t, m, w)
	foreignDir, foreignRoot := twoLevels(t, m, other)
	_ = foreignDir

	store := func(n *node) Root {
		sealed := d.keys.seal(n)
		m.nodes[sealed.ID] = sealed.Data
		return Root{ID: sealed.ID, Level: n.level}
	}
	with := func(change func(n *node)) Root { n := root.clone(); change(n); return store(n) }
	leaf, err := d.load(t.Context(), root.kids[0].id, 0, everything)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		root Root
		key  string
		want Fault
	}{
		{"children swapped", with(func(n *node) { n.kids[0].id, n.kids[1].id = n.kids[1].id, n.kids[0].id }), "f000", Malformed},
		{"a child twice", with(func(n *node) { n.kids[1].id = n.kids[0].id }), root.kids[1].sep, Malformed},
		{"a separator too high", with(func(n *node) { n.kids[1].sep += "5" }), root.kids[1].sep + "5", Malformed},
		{"a separator too low", with(func(n *node) { n.kids[1].sep = "a" }), "0", Malformed},
		{"separators out of order", with(func(n *node) { n.kids[1].sep = "z" }), "f000", Malformed},
		{"a subtree twice", store(&node{level: 2, kids: []kid{{id: d.root.ID}, {sep: "a", id: d.root.ID}}}), "0", Malformed},
		{"separators below the node's own", store(&node{level: 2, kids: []kid{{id: d.root.ID}, {sep: "f100", id: d.root.ID}}}), "f150", Malformed},
		{"a leaf at level 2", store(&node{level: 2, kids: []kid{{id: root.kids[0].id}}}), "f000", Malformed},
		{"a level too high", Root{ID: d.root.ID, Level: 2}, "f000", Malformed},
		{"a level too low", Root{ID: d.root.ID, Level: 0}, "f000", Malformed},
		{"a level beyond any tree", Root{ID: d.root.ID, Level: 200}, "f000", Malformed},
		{"a node of another directory", with(func(n *node) { n.kids[0].id = foreignRoot.kids[0].id }), "f000", WrongKey},
		{"another directory", foreignDir.root, "f000", WrongKey},
		{"an inner node without children", store(&node{level: 1}), "f000", Malformed},
		{"a leaf without entries", store(&node{}), "f000", Malformed},
		{"a leaf out of order", store(&node{entries: []*item{leaf.entries[1], leaf.entries[0]}}), "f000", Malformed},
		{"an entry twice", store(&node{entries: []*item{leaf.entries[0], leaf.entries[0]}}), "f000", Malformed},
	}
	for _, tt := range tests {
		for _, cache := range []*NodeCache{nil, NewNodeCache(1 << 22)} {
			got := Open(writeKeys(w), tt.root, m, cache)
			if cache != nil { // with all nodes of the true tree in the cache
				for range Open(writeKeys(w), d.root, m, cache).Scan(t.Context(), "") {
				}
			}
			wantFault(t, tt.name, readAll(t, got, tt.key), tt.want)
		}
	}
}

// The header's own level counts, and W of an inner node is empty, which an
// opener without its key sees too.
func TestHeaderAndSectionLengthsAreChecked(t *testing.T) {
	w := testSlot(1)
	k := Open(writeKeys(w), Root{}, nil, nil).keys
	inner := &node{level: 1, kids: []kid{{id: testID(1)}}}
	sealed := k.seal(inner)
	if _, err := k.open(sealed.ID, 2, sealed.Data); kind.Of(err) != kind.Corrupt {
		t.Errorf("level 1 opened as level 2: %v", err)
	}
	noisy := append(slices.Clone(sealed.Data), "a byte more of W"...)
	ro := Open(Keys{Read: w.Read()}, Root{}, nil, nil).keys
	if _, err := ro.open(sha256.Sum256(noisy), 1, noisy); kind.Of(err) != kind.Corrupt {
		t.Errorf("an inner node with a W: %v", err)
	}
	frozen := append(slices.Clone(sealed.Data[:len(sealed.Data)-tagSize]), "short"...)
	if _, err := ro.open(sha256.Sum256(frozen), 1, frozen); kind.Of(err) != kind.Corrupt {
		t.Errorf("a W shorter than its tag: %v", err)
	}
}

// A merge reads a neighbour; one that lies makes Seal fail, and the Edit stays
// usable.
func TestSealMeetsABadNeighbour(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	d, root := twoLevels(t, m, w)
	e := d.Edit()
	leaf, _ := d.load(t.Context(), root.kids[0].id, 0, everything)
	for _, in := range leaf.entries[1:] {
		if err := e.Delete(t.Context(), in.e.Name); err != nil {
			t.Fatal(err)
		}
	}
	neighbour := m.nodes[root.kids[1].id]
	delete(m.nodes, root.kids[1].id)
	if _, err := e.Seal(t.Context()); kind.Of(err) != kind.Corrupt {
		t.Fatalf("seal: %v, want Corrupt", err)
	}
	m.nodes[root.kids[1].id] = neighbour
	d, _ = commitEdit(t, m, d, e)
	checkTree(t, m, d)
	if got := len(collect(t, d)); got != twoLevelEntries-len(leaf.entries)+1 {
		t.Errorf("%d entries left", got)
	}
}

// What an entry says twice must agree when it is used; its neighbours don't
// suffer.
func TestEntriesThatContradictThemselves(t *testing.T) {
	child, other := testSlot(50), testSlot(51)
	samples := make(map[string]*Entry)
	for _, e := range sampleEntries(t) {
		samples[e.Name] = e
	}
	otherV := func(c *item) { c.v[1] ^= 1 } // Kv, vk or level come first
	tests := []struct {
		name  string
		entry string
		lie   func(c *item)
	}{
		{"Kv of another file", "chunk.more", func(c *item) { c.v[2] ^= 1 }},
		{"Kv of another further block", "chunk.more", func(c *item) { c.v[len(c.v)-65-40] ^= 1 }},
		{"vk of another directory", "dir", otherV},
		{"vk of another directory, read-only", "dir.ro", otherV},
		{"vk of another mutable file", "mutable", otherV},
		{"vk' of another frozen directory", "frozen", func(c *item) { c.v[2] ^= 1 }},
		{"rk of another directory", "dir", func(c *item) {
			n := len(c.r)
			copy(c.r[n-32:], child.Read().ReadKey().Raw()[:])
		}},
		{"the seed of another slot", "dir", func(c *item) { copy(c.w[1:], other.Seed().Raw()[:]) }},
		{"a slot id that the seed doesn't give", "dir", func(c *item) { c.v[33] ^= 1 }},
		{"a verify cap of something else", "foreign", func(c *item) {
			c.v = appendText([]byte{byte(Foreign)}, verifyOf(caps.OfSlotWrite(child)))
			c.v = append(c.v, 0)
		}},
		{"one of our own as foreign", "foreign2", func(c *item) { replaceCap(c, caps.OfSlotRead(child.Read())) }},
		{"a write capability for readers", "foreign2", func(c *item) { replaceCap(c, parseCap(t, "URI:FUTURE:x")) }},
	}
	for _, tt := range tests {
		m := newMemory()
		d := mustBuild(t, m, writeKeys(testSlot(1)), nil, fileEntry("a", 1), fileEntry("z", 1))
		liar, err := formDirectory.admit(samples[tt.entry])
		if err != nil {
			t.Fatal(err)
		}
		tt.lie(liar)
		root, _ := d.load(t.Context(), d.root.ID, 0, everything)
		sealed := d.keys.seal(&node{entries: []*item{root.entries[0], liar, root.entries[1]}})
		m.nodes[sealed.ID] = sealed.Data
		d = Open(writeKeys(testSlot(1)), Root{ID: sealed.ID}, m, NewNodeCache(1<<20))
		for range 2 { // the second time from the cache
			if _, err := d.Get(t.Context(), liar.key); kind.Of(err) != kind.Corrupt {
				t.Errorf("%s: get: %v, want Corrupt", tt.name, err)
			}
		}
		mustGet(t, d, "a")
		for _, e := range collect(t, d) {
			if lying := e.SortKey() == liar.key; lying != (kind.Of(e.Check()) == kind.Corrupt) {
				t.Errorf("%s: check of %q: %v", tt.name, e.Name, e.Check())
			}
		}
		if err := d.Edit().Delete(t.Context(), liar.key); err != nil {
			t.Errorf("%s: the entry can't be removed: %v", tt.name, err)
		}
	}
}

// replaceCap puts another capability into the R part of a foreign entry.
func replaceCap(it *item, c caps.Cap) {
	old := len(it.e.Foreign.Read.Reveal())
	it.r = appendText(slices.Clone(it.r[:len(it.r)-old-2]), c)
}

// Encodings of a leaf that say the same in another way, or nothing sensible.
func TestLeafEncodingIsStrict(t *testing.T) {
	a, err := formDirectory.admit(&Entry{Name: "ab", Mode: 0o644})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := formDirectory.admit(&Entry{Name: "ac"})
	good := func() sections { return (&node{entries: []*item{a, b}}).encode(nil, nil, nil) }
	// Offsets in R of the two entries: prefix 2, length 2, suffix, rest.
	second := 4 + 2 + len(a.r)
	tests := []struct {
		name   string
		change func(s *sections)
		ok     bool
	}{
		{"as it should be", func(*sections) {}, true},
		{"more in V", func(s *sections) { s.v = append(s.v, 0) }, false},
		{"more in R", func(s *sections) { s.r = append(s.r, 0) }, false},
		{"more in W", func(s *sections) { s.w = append(s.w, 0) }, false},
		{"less in V", func(s *sections) { s.v = s.v[:len(s.v)-1] }, false},
		{"less in R", func(s *sections) { s.r = s.r[:len(s.r)-1] }, false},
		{"an entry more in V's count", func(s *sections) { s.v[1] = 3 }, false},
		{"an entry less in V's count", func(s *sections) { s.v[1] = 1 }, false},
		{"no entries", func(s *sections) { *s = sections{v: []byte{0, 0}} }, false},
		{"an unknown kind", func(s *sections) { s.v[2] = 9 }, false},
		{"a prefix of the first name", func(s *sections) { s.r[1] = 1 }, false},
		{"a prefix longer than the name", func(s *sections) { s.r[second+1] = 3 }, false},
		{"a prefix shorter than could be", func(s *sections) {
			s.r = slices.Concat(s.r[:second], []byte{0, 0, 0, 2, 'a', 'c'}, b.r)
		}, false},
		{"equal names", func(s *sections) { s.r = slices.Concat(s.r[:second], []byte{0, 2, 0, 0}, b.r) }, false},
		{"names out of order", func(s *sections) { s.r[second+4] = 'a' }, false},
		{"a slash in a name", func(s *sections) { s.r[4] = '/' }, false},
		{"NUL in a name", func(s *sections) { s.r[second+4] = 0 }, false},
		{"a long uvarint", func(s *sections) {
			mode := 6 + 16
			s.r = slices.Concat(s.r[:mode], []byte{0xa4, 0x83, 0x00}, s.r[mode+2:])
		}, false},
		{"a mode over 32 bits", func(s *sections) {
			mode := 6 + 16
			s.r = slices.Concat(s.r[:mode], binary.AppendUvarint(nil, 1<<32), s.r[mode+2:])
		}, false},
		{"a size in an empty file", func(s *sections) { s.r[len(s.r)-3] = 1 }, false},
		{"attributes that aren't there", func(s *sections) { s.r[len(s.r)-1] = 200 }, false},
	}
	for _, tt := range tests {
		s := good()
		tt.change(&s)
		if _, ok := decodeLeaf(formDirectory, s, true); ok != tt.ok {
			t.Errorf("%s: accepted: %v", tt.name, ok)
		}
	}
}

// What may stand in a tree depends on the tree.
func TestFormsAdmitTheirEntriesOnly(t *testing.T) {
	samples := sampleEntries(t)
	frozenOK := func(e *Entry) bool { return e.Kind != Directory && e.Kind != MutableFile }
	history := func(e *Entry) *Entry {
		c := *e
		c.Name = HistoryKey(c.SortKey(), 5, 0)
		return &c
	}
	misnamed := func(e *Entry) *Entry { // a file by a directory's key, and the other way round
		c, sortKey := *e, e.Name
		if !e.Kind.IsDir() {
			sortKey += "/"
		}
		c.Name = HistoryKey(sortKey, 5, 0)
		return &c
	}
	for _, e := range samples {
		nameless := *e
		nameless.Name = ""
		for _, tt := range []struct {
			form form
			e    *Entry
			ok   bool
		}{
			{formDirectory, e, true},
			{formFrozen, e, frozenOK(e)},
			{formHistory, e, false},
			{formHistory, history(e), e.Kind != FrozenDir},
			{formHistory, misnamed(e), false},
			{formFile, e, e.Name == ""},
			{formFile, &nameless, e.Kind.IsFile()},
			{formDirectory, history(e), false},
		} {
			if _, err := tt.form.admit(tt.e); (err == nil) != tt.ok {
				t.Errorf("form %d, %v %q: %v", tt.form, e.Kind, tt.e.Name, err)
			}
		}
		// And a reader doesn't take it from a writer who thinks otherwise.
		in, _ := formDirectory.admit(e)
		s := (&node{entries: []*item{in}}).encode(nil, nil, nil)
		if _, ok := decodeLeaf(formFile, s, true); ok != (e.Name == "") {
			t.Errorf("%v %q read as a mutable file: %v", e.Kind, e.Name, ok)
		}
		if _, ok := decodeLeaf(formHistory, s, true); ok {
			t.Errorf("%v %q read as a history entry", e.Kind, e.Name)
		}
		if _, ok := decodeLeaf(formFrozen, s, false); ok != frozenOK(e) {
			t.Errorf("%v %q read from a frozen directory: %v", e.Kind, e.Name, ok)
		}
	}
}
