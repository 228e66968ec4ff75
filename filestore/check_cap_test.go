package filestore_test

import (
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Each capability, of whatever authority, is enough to check what it names, and
// nothing else.
func TestCheckByCapability(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.mkdir("d")
	tr.put("d/f", random(3_000_000, 1))
	tr.putMutable("d/m", random(600_000, 2))
	tr.put("lit", []byte("literal"))
	tr.freeze("d", "frozen")
	other, _ := newTree(t, fs)
	other.put("f", random(400_000, 3))
	check := func(c caps.Cap) filestore.CheckReport {
		t.Helper()
		r, err := fs.Check(t.Context(), filestore.CheckOptions{Deep: true, Only: true, Trees: []filestore.NamedTree{{Name: "cap", Cap: c}}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	blocks := map[string]int64{"d/f": 4, "d/m": 1, "d": 5, "frozen": 6, "lit": 0}
	for _, a := range []caps.Authority{caps.AuthorityWrite, caps.AuthorityRead, caps.AuthorityVerify} {
		for p, want := range blocks {
			if p == "lit" && a == caps.AuthorityVerify {
				continue
			}
			if r := check(tr.capOf(p, a)); !r.Whole() || r.Blocks != want {
				t.Errorf("%s by a %v capability: %+v, want %d blocks", p, a, r, want)
			}
		}
	}
	for info, err := range s.blocks.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.blocks.Delete(t.Context(), info.ID); err != nil {
			t.Fatal(err)
		}
	}
	for p, want := range blocks {
		if r := check(tr.capOf(p, caps.AuthorityRead)); r.Whole() != (want == 0) {
			t.Errorf("%s without its blocks: %+v", p, r)
		}
	}
	r := check(tr.capOf("d", caps.AuthorityRead))
	if len(r.Damage) == 0 || !strings.HasPrefix(r.Damage[0].Path, "cap:/") {
		t.Errorf("damage is told as %+v", r.Damage)
	}
	foreign, err := caps.Parse("URI:SSK:" + strings.Repeat("a", 26) + ":" + strings.Repeat("a", 52))
	if err != nil {
		t.Fatal(err)
	}
	_, err = fs.Check(t.Context(), filestore.CheckOptions{Trees: []filestore.NamedTree{{Cap: foreign}}})
	expectKind(t, "check of Tahoe-LAFS's file", err, kind.Unsupported)
}
