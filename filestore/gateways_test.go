package filestore_test

import (
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A draft commits to its file wherever other gateways have put that meanwhile
// (formats 8).
func TestDraftFollowsWhatOtherGatewaysMove(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		moves func(other tree)
		where string // empty: removed
	}{
		{"within its directory", func(o tree) { o.rename("a/f", "a/g") }, "a/g"},
		{"to another directory", func(o tree) { o.rename("a/f", "b/f") }, "b/f"},
		{"to another name elsewhere", func(o tree) { o.rename("a/f", "b/g") }, "b/g"},
		{"to the root", func(o tree) { o.rename("a/f", "g") }, "g"},
		{"to a directory that is new", func(o tree) { o.mkdir("b/new"); o.rename("a/f", "b/new/f") }, "b/new/f"},
		{"twice", func(o tree) { o.rename("a/f", "b/f"); o.mkdir("c"); o.rename("b/f", "c/f") }, "c/f"},
		{"away and back", func(o tree) { o.rename("a/f", "b/f"); o.rename("b/f", "a/h") }, "a/h"},
		{"with its directory", func(o tree) { o.rename("a", "b/a") }, "b/a/f"},
		{"then with its directory", func(o tree) { o.rename("a/f", "b/f"); o.rename("b", "d") }, "d/f"},
		{"out of a directory that is removed", func(o tree) { o.rename("a/f", "b/f"); o.rmdir("a") }, "b/f"},
		{"among many other changes", func(o tree) {
			for i := range 20 {
				o.put("a/x", []byte{byte(i)})
			}
			o.rename("a/f", "b/f")
			for i := range 20 {
				o.put("a/x", []byte{byte(i)})
				o.put("b/x", []byte{byte(i)})
			}
		}, "b/f"},
		{"over another file", func(o tree) { o.put("b/f", []byte("old")); o.rename("a/f", "b/f") }, "b/f"},
		{"removed", func(o tree) { o.remove("a/f") }, ""},
		{"moved and removed", func(o tree) { o.rename("a/f", "b/f"); o.remove("b/f") }, ""},
		{"replaced", func(o tree) { o.put("g", []byte("new")); o.rename("g", "a/f") }, ""},
		{"removed with its directory", func(o tree) { o.remove("a/f"); o.rmdir("a") }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			trees := gateways(t, 2)
			mine, other := trees[0], trees[1]
			mine.mkdir("a")
			mine.mkdir("b")
			mine.put("a/f", []byte("first"))
			f := mine.open("a/f", forWriting)
			write(t, f, []byte("F"), 0)
			tt.moves(other)
			closeFile(t, f)
			if tt.where == "" {
				for _, p := range []string{"a/f", "b/f"} {
					if i, err := other.Lstat(t.Context(), path(p)); err == nil && i.Size == 5 {
						t.Errorf("what was removed is at %s again", p)
					}
				}
				return
			}
			other.expect(tt.where, []byte("First"))
			mine.expect(tt.where, []byte("First"))
		})
	}
}

// A handle goes on after its file was moved: what it writes later finds it, too.
func TestHandleGoesOnAfterAMove(t *testing.T) {
	t.Parallel()
	trees := gateways(t, 2)
	trees[0].mkdir("a")
	trees[0].mkdir("b")
	f := trees[0].open("f", toCreate)
	write(t, f, []byte("1"), 0)
	sync(t, f)
	for i, to := range []string{"a/f", "b/f", "g"} {
		from := []string{"f", "a/f", "b/f"}[i]
		trees[1].rename(from, to)
		write(t, f, []byte{byte('2' + i)}, int64(i+1))
		sync(t, f)
		trees[1].expect(to, []byte("1234")[:i+2])
		if s, err := f.Stat(t.Context()); err != nil || s.Name != path(to)[len(path(to))-1] {
			t.Errorf("the handle says its name is %q, %v", s.Name, err)
		}
	}
	closeFile(t, f)
}

// A file that was moved to where its tree doesn't reach can't be followed: that
// fails, since saying nothing would lose what was written.
func TestMovedOutOfReach(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	whole, _ := newTree(t, s.gateway())
	whole.mkdir("in")
	whole.mkdir("out")
	whole.put("in/f", []byte("first"))
	root, err := whole.CapOf(t.Context(), path("in"), caps.AuthorityWrite)
	if err != nil {
		t.Fatal(err)
	}
	part := mount(t, s.gateway(), root)
	f := part.open("f", forWriting)
	write(t, f, []byte("F"), 0)
	whole.rename("in/f", "out/f")
	expectKind(t, "close", f.Close(t.Context()), kind.Conflict)
	whole.expect("out/f", []byte("first"))
}

// Conditions are judged by what there is, not by what a gateway remembers: an
// operation that another gateway's change has made possible succeeds.
func TestConditionsHoldNow(t *testing.T) {
	t.Parallel()
	trees := gateways(t, 2)
	mine, other := trees[0], trees[1]
	f := mine.open("new", filestore.OpenOptions{Write: true, Create: true, Exclusive: true})
	write(t, f, []byte("x"), 0)
	other.put("new", []byte("theirs"))
	mine.expect("new", []byte("theirs"))
	other.remove("new")
	closeFile(t, f)
	other.expect("new", []byte("x"))
}
