package dirtree

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A mutable file's tree is one leaf with one entry without a name.
func TestMutableFileTree(t *testing.T) {
	w := caps.NewSlotWrite(caps.SlotFile, testKey(1))
	m := newMemory()
	d := Open(Keys{Write: &w}, Root{}, m, nil)
	e := d.Edit()
	if err := e.Put(t.Context(), fileEntry("named", 1)); kind.Of(err) != kind.NameInvalid {
		t.Errorf("an entry with a name: %v, want NameInvalid", err)
	}
	if err := e.Put(t.Context(), fileEntry("", 1)); err != nil {
		t.Fatal(err)
	}
	d, _ = commitEdit(t, m, d, e)
	if err := d.Edit().Put(t.Context(), &Entry{Kind: Symlink}); kind.Of(err) != kind.Invalid {
		t.Errorf("a symlink in a file: %v, want Invalid", err)
	}
	if got := mustGet(t, d, ""); got.Kind != OneChunk || d.Root().IsZero() {
		t.Errorf("the file is %v", got)
	}
	if children, _ := walkAll(t, m, w, d.Root()); len(children) != 1 || children[0].Kind != OneChunk {
		t.Errorf("by verify key: %v", children)
	}
	two := d.keys.seal(&node{level: 1, kids: []kid{{id: d.root.ID}}})
	m.nodes[two.ID] = two.Data
	if _, err := Open(Keys{Write: &w}, Root{ID: two.ID, Level: 1}, m, nil).Get(t.Context(), ""); kind.Of(err) != kind.Corrupt {
		t.Errorf("a mutable file of two levels: %v", err)
	}
	if err := WalkVerify(t.Context(), w.Read().Verify(), Root{ID: two.ID, Level: 1}, m, Visitor{}); kind.Of(err) != kind.Corrupt {
		t.Errorf("walked, of two levels: %v", err)
	}
}

// Capabilities of Tahoe-LAFS travel with what follows from them.
func TestForeignCaps(t *testing.T) {
	dir2 := parseCap(t, "URI:DIR2:"+strings.Repeat("a", 26)+":"+strings.Repeat("a", 52)).(caps.Write)
	chk := parseCap(t, "URI:CHK:"+strings.Repeat("a", 26)+":"+strings.Repeat("a", 52)+":3:10:1234").(caps.Read)
	future, futureVerify := parseCap(t, "ro.URI:FUTURE-RO:abc"), parseCap(t, "URI:FUTURE-Verifier:abc")
	m, w := newMemory(), testSlot(1)
	d := mustBuild(t, m, writeKeys(w), nil,
		&Entry{Name: "1", Kind: Foreign, Foreign: ForeignCaps{Read: dir2.Read(), Write: dir2}},
		&Entry{Name: "2", Kind: Foreign, Foreign: ForeignCaps{Read: dir2.Read()}},
		&Entry{Name: "3", Kind: Foreign, Foreign: ForeignCaps{Read: chk, Verify: futureVerify}}, // what follows wins
		&Entry{Name: "4", Kind: Foreign, Foreign: ForeignCaps{Read: future, Verify: futureVerify}},
	)
	for _, tt := range []struct {
		key                 string
		verify, read, write caps.Cap
	}{
		{"1", verifyOf(dir2), dir2.Read(), dir2},
		{"2", verifyOf(dir2), dir2.Read(), nil},
		{"3", first(chk.Verify()), chk, nil},
		{"4", futureVerify, future, nil},
	} {
		f := mustGet(t, d, tt.key).Foreign
		if !sameCap(f.Verify, tt.verify) || !sameCap(f.Read, tt.read) || !sameCap(f.Write, tt.write) {
			t.Errorf("%s came back as %v, %v, %v", tt.key, f.Verify, f.Read, f.Write)
		}
	}
	children, _ := walkAll(t, m, w, d.root)
	for i, want := range []caps.Cap{verifyOf(dir2), verifyOf(dir2), first(chk.Verify()), futureVerify} {
		if !sameCap(children[i].Foreign, want) {
			t.Errorf("child %d by verify key: %v", i, children[i].Foreign)
		}
	}
	other := parseCap(t, "URI:DIR2:"+strings.Repeat("a", 26)+":"+strings.Repeat("a", 51)+"q").(caps.Write)
	bad := &Entry{Name: "5", Kind: Foreign, Foreign: ForeignCaps{Read: dir2.Read(), Write: other}}
	if err := d.Edit().Put(t.Context(), bad); kind.Of(err) != kind.Invalid {
		t.Errorf("the write capability of something else: %v, want Invalid", err)
	}
}

func first(v caps.Verify, _ bool) caps.Verify { return v }

func sameCap(a, b caps.Cap) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return caps.Equal(a, b)
}

// An entry whose capability no longer parses: it can be listed and removed.
func TestForeignCapThatDoesNotParse(t *testing.T) {
	for _, text := range []string{"URI:CHK:!", "ro.URI:CHK:!"} {
		testMalformedForeign(t, text)
	}
}

func testMalformedForeign(t *testing.T, text string) {
	m, w := newMemory(), testSlot(1)
	k := Open(writeKeys(w), Root{}, nil, nil).keys
	it, err := formDirectory.admit(sampleEntries(t)[6])
	if err != nil {
		t.Fatal(err)
	}
	old := len(it.e.Foreign.Read.Reveal())
	it.r = append(append(it.r[:len(it.r)-old-2], 0, byte(len(text))), text...)
	sealed := k.seal(&node{entries: []*item{it}})
	m.nodes[sealed.ID] = sealed.Data
	d := Open(writeKeys(w), Root{ID: sealed.ID}, m, nil)
	if got := collect(t, d); len(got) != 1 || kind.Of(got[0].Check()) != kind.Corrupt {
		t.Errorf("listed as %v", got)
	}
	if _, err := d.Get(t.Context(), "foreign"); kind.Of(err) != kind.Corrupt {
		t.Errorf("get: %v, want Corrupt", err)
	}
	e := d.Edit()
	if _, err := e.Get(t.Context(), "foreign"); kind.Of(err) != kind.Corrupt {
		t.Errorf("get from an edit: %v, want Corrupt", err)
	}
	if err := e.Delete(t.Context(), "foreign"); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// A write capability that doesn't parse is the writers' trouble only.
func TestForeignWriteCapThatDoesNotParse(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	k := Open(writeKeys(w), Root{}, nil, nil).keys
	it, err := formDirectory.admit(sampleEntries(t)[7])
	if err != nil {
		t.Fatal(err)
	}
	it.w = []byte("\x01\x00\x0aURI:DIR2:!")
	sealed := k.seal(&node{entries: []*item{it}})
	m.nodes[sealed.ID] = sealed.Data
	root := Root{ID: sealed.ID}
	cache := NewNodeCache(1 << 20)
	if _, err := Open(writeKeys(w), root, m, cache).Get(t.Context(), "foreign2"); kind.Of(err) != kind.Corrupt {
		t.Errorf("get by a writer: %v, want Corrupt", err)
	}
	for _, c := range []*NodeCache{nil, cache} {
		if _, err := Open(Keys{Read: w.Read()}, root, m, c).Get(t.Context(), "foreign2"); err != nil {
			t.Errorf("get by a reader: %v", err)
		}
	}
}

// An entry over the limit is refused by readers too.
func TestEntryLimitWhenReading(t *testing.T) {
	for size, want := range map[int]bool{MaxEntry: true, MaxEntry + 1: false} {
		it, err := formDirectory.admit(&Entry{Name: "n", Attrs: []Attr{{Type: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		n := size - it.size()
		it.r = append(it.r[:len(it.r)-2], byte(n>>8), byte(n))
		it.r = append(it.r, make([]byte, n)...)
		if _, ok := decodeLeaf(formDirectory, (&node{entries: []*item{it}}).encode(nil, nil, nil), true); ok != want {
			t.Errorf("entry of %d bytes accepted: %v", size, ok)
		}
	}
}

// What V must not say, whoever sealed it.
func TestLinksThatCannotBe(t *testing.T) {
	id, key := string(make([]byte, 31))+"i", strings.Repeat("k", 32)
	zero := string(make([]byte, 32))
	for name, v := range map[string]string{
		"a chunk without id":                   "\x01" + zero + "\x00",
		"a tree without id":                    "\x02\x00" + key + zero + "\x00",
		"a tree of level 8":                    "\x02\x08" + key + id + "\x00",
		"a slot without id":                    "\x03" + key + zero + "\x00",
		"a frozen directory of level 8":        "\x08\x08" + key + id + "\x00",
		"an empty frozen directory of level 1": "\x08\x01" + key + zero + "\x00",
		"a further block without id":           "\x00\x01\x00" + key + zero,
		"a further chunk with a verify key":    "\x00\x01\xff" + key + id,
		"a further block of level 8":           "\x00\x01\x08" + key + id,
		"fewer further blocks than it says":    "\x00\x02\xff" + zero + id,
		"a verify cap cut short":               "\x07\x00\x05abc",
	} {
		if _, ok := decodeChildren(formDirectory, []byte("\x00\x01"+v)); ok {
			t.Errorf("%s is accepted", name)
		}
	}
	for name, v := range map[string]string{
		"a chunk": "\x01" + id + "\x00", "a tree": "\x02\x07" + key + id + "\x00", "a slot": "\x06" + key + id + "\x00",
		"an empty frozen directory": "\x08\x00" + key + zero + "\x00", "a further chunk": "\x00\x01\xff" + zero + id,
		"no verify cap": "\x07\x00\x00\x00",
	} {
		if c, ok := decodeChildren(formDirectory, []byte("\x00\x01"+v)); !ok || len(c) != 1 {
			t.Errorf("%s is refused", name)
		}
	}
}

// One of our own as a foreign entry's verify cap keeps nothing alive: no reader
// can use the entry.
func TestOwnVerifyCapAsForeignIsIgnored(t *testing.T) {
	v := appendText([]byte{0, 1, byte(Foreign)}, verifyOf(caps.OfSlotWrite(testSlot(1))))
	children, ok := decodeChildren(formDirectory, append(v, 0))
	if !ok || children[0].Foreign != nil {
		t.Errorf("%v, %v", children, ok)
	}
}

func TestIsEmptyWhileEditing(t *testing.T) {
	m := newMemory()
	var entries []*Entry
	for i := range 300 {
		entries = append(entries, fileEntry(fmt.Sprintf("f%03d", i), uint64(i)))
	}
	d := mustBuild(t, m, writeKeys(testSlot(1)), nil, entries...)
	e := d.Edit()
	for _, in := range entries {
		if e.IsEmpty() {
			t.Fatal("empty too early")
		}
		if err := e.Delete(t.Context(), in.Name); err != nil {
			t.Fatal(err)
		}
	}
	if !e.IsEmpty() || e.Count() != -300 {
		t.Errorf("empty: %v, count %d", e.IsEmpty(), e.Count())
	}
	if err := e.Delete(t.Context(), "f000"); kind.Of(err) != kind.NotExist {
		t.Errorf("delete from nothing: %v", err)
	}
	if err := e.Put(t.Context(), entries[0]); err != nil || e.IsEmpty() {
		t.Errorf("put into what was emptied: %v", err)
	}
}

func TestWithAttr(t *testing.T) {
	attrs := []Attr{{Type: 2, Value: []byte("b")}, {Type: 4, Value: []byte("d")}}
	more := WithAttr(WithAttr(WithAttr(attrs, Attr{Type: 3}), Attr{Type: 1}), Attr{Type: 5})
	for i, a := range more {
		if int(a.Type) != i+1 {
			t.Errorf("types %v", more)
		}
	}
	if got := WithAttr(attrs, Attr{Type: 4, Value: []byte("x")}); len(got) != 2 || string(got[1].Value) != "x" || string(attrs[1].Value) != "d" {
		t.Errorf("replaced: %v, before: %v", got, attrs)
	}
	if got := WithoutAttr(more, 3); len(got) != 4 || len(more) != 5 || more[2].Type != 3 {
		t.Errorf("removed: %v, before: %v", got, more)
	}
	e := &Entry{Attrs: attrs}
	if _, ok := e.Attr(3); ok {
		t.Error("an attribute that isn't there")
	}
	if _, ok := e.Atime(); ok {
		t.Error("an access time that isn't there")
	}
}

// failing is a source that doesn't answer.
type failing struct{}

func (failing) Node(context.Context, [32]byte) ([]byte, error) {
	return nil, fmt.Errorf("failing: %w", kind.Unavailable)
}

// A source that does not answer is no damage: its kind comes through, and
// nobody's Fault is told.
func TestUnavailableSource(t *testing.T) {
	w := testSlot(1)
	d := Open(writeKeys(w), Root{ID: testID(1), Level: 1}, failing{}, nil)
	for door, err := range readAll(t, d, "x") {
		if kind.Of(err) != kind.Unavailable {
			t.Errorf("%s: %v, want Unavailable", door, err)
		}
	}
	vis := Visitor{Fault: func(err *NodeError) error { t.Errorf("fault %v", err); return nil }}
	if err := WalkVerify(t.Context(), w.Read().Verify(), d.root, failing{}, vis); kind.Of(err) != kind.Unavailable {
		t.Errorf("walk: %v, want Unavailable", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := WalkVerify(ctx, w.Read().Verify(), d.root, failing{}, vis); kind.Of(err) != kind.Canceled {
		t.Errorf("canceled walk: %v, want Canceled", err)
	}
	if err := WalkVerify(t.Context(), caps.SlotVerify{}, d.root, failing{}, vis); kind.Of(err) != kind.Invalid {
		t.Errorf("walk without a key: %v, want Invalid", err)
	}
}

// Many readers, with and without write authority, share one cache.
func TestConcurrentReaders(t *testing.T) {
	m, w, cache := newMemory(), testSlot(1), NewNodeCache(300_000)
	entries := sampleEntries(t)
	for i := range 1000 {
		entries = append(entries, fileEntry(fmt.Sprintf("x%04d", i), uint64(i)))
	}
	built := mustBuild(t, m, writeKeys(w), nil, entries...)
	src := &lockedSource{m: m}
	var group sync.WaitGroup
	for i := range 8 {
		keys := Keys{Read: w.Read()}
		if i%2 == 0 {
			keys.Write = &w
		}
		group.Go(func() {
			d := Open(keys, built.root, src, cache)
			n := 0
			for e, err := range d.Scan(t.Context(), "") {
				if err != nil || e.Check() != nil || (e.DirWrite != nil) && keys.Write == nil {
					t.Errorf("%v: %v", e, err)
				}
				n++
			}
			if _, err := d.Get(t.Context(), "dir/"); err != nil || n != len(entries) {
				t.Errorf("%d entries, %v", n, err)
			}
		})
	}
	group.Wait()
}

type lockedSource struct {
	mu sync.Mutex
	m  *memory
}

func (s *lockedSource) Node(ctx context.Context, id [32]byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m.Node(ctx, id)
}
