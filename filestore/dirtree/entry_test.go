package dirtree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// reencode gives the entry's bytes as they follow from its public fields.
func reencode(e *Entry) []byte {
	b := appendV(nil, e)
	b = appendR(append(b, e.Name...), e)
	return appendW(b, e)
}

func TestEntryEveryKindSurvivesATree(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	samples := sampleEntries(t)
	d := mustBuild(t, m, writeKeys(w), nil, samples...)
	for _, want := range samples {
		got, err := d.Get(t.Context(), want.SortKey())
		if err != nil {
			t.Fatalf("get %q: %v", want.SortKey(), err)
		}
		if got.Kind != want.Kind || got.Name != want.Name || !bytes.Equal(reencode(got), reencode(want)) {
			t.Errorf("%q came back different", want.SortKey())
		}
	}
	atime, ok := mustGet(t, d, "chunk.more").Atime()
	if !ok || atime != 12345 {
		t.Errorf("atime = %d, %v", atime, ok)
	}
}

func mustGet(t testing.TB, d *Dir, key string) *Entry {
	t.Helper()
	e, err := d.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return e
}

func TestUnknownAttributesSurviveARewrite(t *testing.T) {
	m := newMemory()
	d := mustBuild(t, m, writeKeys(testSlot(1)), nil, sampleEntries(t)...)
	changed := *mustGet(t, d, "chunk.more")
	changed.Mode, changed.Attrs = 0o640, WithAttr(changed.Attrs, AtimeAttr(99))
	e := d.Edit()
	if err := e.Put(t.Context(), &changed); err != nil {
		t.Fatal(err)
	}
	d, _ = commitEdit(t, m, d, e)
	got := mustGet(t, d, "chunk.more")
	if v, ok := got.Attr(77); !ok || string(v) != "kept" || got.Mode != 0o640 || len(got.More) != 2 {
		t.Errorf("attribute 77 = %q, %v; mode %o; %d further blocks", v, ok, got.Mode, len(got.More))
	}
	if at, _ := got.Atime(); at != 99 {
		t.Errorf("atime = %d, want 99", at)
	}
}

func TestPutRefuses(t *testing.T) {
	child := testSlot(5)
	chunk := func(change func(*Entry)) *Entry { e := fileEntry("n", 1); change(e); return e }
	writeCap := caps.OfSlotWrite(child)
	tests := []struct {
		name string
		e    *Entry
		want kind.Kind
	}{
		{"a slash in the name", &Entry{Name: "a/b"}, kind.NameInvalid},
		{"NUL in the name", &Entry{Name: "a\x00b"}, kind.NameInvalid},
		{"1025 bytes of name", &Entry{Name: strings.Repeat("n", 1025)}, kind.NameInvalid},
		{"an unknown kind", &Entry{Kind: 9}, kind.Invalid},
		{"an empty file with a size", &Entry{Name: "n", Size: 1}, kind.Invalid},
		{"a chunk without size", chunk(func(e *Entry) { e.Size = 0 }), kind.Invalid},
		{"sizes that disagree", chunk(func(e *Entry) { e.Size++ }), kind.Invalid},
		{"a chunk without key", chunk(func(e *Entry) { e.File.Key = caps.Key{} }), kind.Invalid},
		{"a chunk without id", chunk(func(e *Entry) { e.File.ID = [32]byte{} }), kind.Invalid},
		{"a chunk that is a node", chunk(func(e *Entry) { e.File.Level = 0 }), kind.Invalid},
		{"a tree that is a chunk", chunk(func(e *Entry) { e.Kind = TreeFile }), kind.Invalid},
		{"a directory without slot", &Entry{Name: "n", Kind: Directory}, kind.Invalid},
		{"a directory that is a file's slot", &Entry{Name: "n", Kind: MutableFile, Dir: child.Read()}, kind.Invalid},
		{"the seed of another slot", &Entry{Name: "n", Kind: Directory, Dir: testSlot(6).Read(), DirWrite: &child}, kind.Invalid},
		{"56 inline bytes", &Entry{Name: "n", Kind: Inline, Data: make([]byte, 56), Size: 56}, kind.Invalid},
		{"attributes out of order", &Entry{Name: "n", Attrs: []Attr{{Type: 2}, {Type: 2}}}, kind.Invalid},
		{"an entry over 16 KiB", &Entry{Name: "n", Attrs: []Attr{{Type: 2, Value: make([]byte, 17<<10)}}}, kind.TooLarge},
		{"an attribute over 64 KiB", &Entry{Name: "n", Attrs: []Attr{{Type: 2, Value: make([]byte, 1<<16)}}}, kind.TooLarge},
		{"256 further blocks", &Entry{Name: "n", More: make([]filetree.Ref, 256)}, kind.TooLarge},
		{"a further block without id", &Entry{Name: "n", More: make([]filetree.Ref, 1)}, kind.Invalid},
		{"a foreign entry without cap", &Entry{Name: "n", Kind: Foreign}, kind.Invalid},
		{"a write cap where readers see it", &Entry{Name: "n", Kind: Foreign, Foreign: ForeignCaps{Read: writeCap}}, kind.Invalid},
		{"one of our caps as foreign", &Entry{Name: "n", Kind: Foreign, Foreign: ForeignCaps{Read: writeCap.Read()}}, kind.Invalid},
		{"an unknown cap of unknown authority", &Entry{
			Name: "n", Kind: Foreign,
			Foreign: ForeignCaps{Read: parseCap(t, "URI:FUTURE:abc")},
		}, kind.Invalid},
		{"a bare verify cap", &Entry{Name: "n", Kind: Foreign, Foreign: ForeignCaps{Read: verifyOf(writeCap)}}, kind.Invalid},
		{"a frozen directory without key", &Entry{Name: "n", Kind: FrozenDir}, kind.Invalid},
		{"an empty frozen directory with a level", &Entry{
			Name: "n", Kind: FrozenDir,
			Frozen: caps.FrozenRead{Key: testKey(1), Level: 1},
		}, kind.Invalid},
	}
	e := Open(writeKeys(testSlot(1)), Root{}, newMemory(), nil).Edit()
	for _, tt := range tests {
		if err := e.Put(t.Context(), tt.e); kind.Of(err) != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if !e.IsEmpty() || e.Count() != 0 {
		t.Error("a refused entry left something behind")
	}
}

func verifyOf(w caps.Write) caps.Verify {
	v, _ := w.Verify()
	return v
}

// An entry shows neither name nor contents nor keys, however it is printed.
func TestEntryPrintsNoSecret(t *testing.T) {
	e := sampleEntries(t)[10] // inline, "hello"
	e.Name = "private-name"
	in, err := formDirectory.admit(e)
	if err != nil {
		t.Fatal(err)
	}
	e = &in.e
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "e", e, "nested", map[string]any{"e": e})
	text, _ := json.Marshal(struct{ E *Entry }{e})
	out := fmt.Sprintf("%v %+v %#v %s %q %x", e, *e, e, e, struct{ E Entry }{*e}, e) + log.String() + string(text)
	for _, secret := range []string{"private-name", "hello", "aGVsbG8", "68656c6c6f"} {
		if strings.Contains(out, secret) {
			t.Errorf("%q shows in %s", secret, out)
		}
	}
}
