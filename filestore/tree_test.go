package filestore_test

import (
	"bytes"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestFilesOfAllSizesComeBack(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 55, 56, 4096, 8 << 10, 64<<10 - 1, 64 << 10, 100_000, 1 << 20, 1<<20 + 1, 3<<20 + 12345} {
		s := newStorage(t)
		tr, root := newTree(t, s.open())
		data := random(n, byte(n))
		tr.put("f", data)
		tr.expect("f", data)
		if got := tr.stat("f").Size; got != int64(n) {
			t.Errorf("stat says %d bytes, want %d", got, n)
		}
		again := mount(t, s.open(), root)
		again.expect("f", data)
	}
}

func TestNamesComeAndGo(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	tr, _ := newTree(t, s.open())
	tr.mkdir("d")
	tr.mkdir("d/e")
	tr.put("d/f", []byte("one"))
	tr.expectNames("", "d")
	tr.expectNames("d", "e", "f")
	tr.rename("d/f", "g")
	tr.expectNames("d", "e")
	tr.expect("g", []byte("one"))
	tr.rename("d/e", "e")
	tr.expectNames("", "d", "e", "g")
	expectKind(t, "rmdir of a file", tr.Rmdir(t.Context(), path("g")), kind.NotDir)
	expectKind(t, "remove of a directory", tr.Remove(t.Context(), path("d")), kind.IsDir)
	if err := tr.Rmdir(t.Context(), path("d")); err != nil {
		t.Fatal(err)
	}
	tr.remove("g")
	tr.expectNames("", "e")
	expectKind(t, "mkdir over a directory", tr.Mkdir(t.Context(), path("e"), filestore.Attr{}), kind.Exist)
	tr.put("e/x", nil)
	expectKind(t, "rmdir of a full directory", tr.Rmdir(t.Context(), path("e")), kind.NotEmpty)
}

func TestReadYourWritesAndPatches(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	tr, _ := newTree(t, s.open())
	want := random(3<<20, 1)
	f := tr.open("f", toCreate)
	write(t, f, want, 0)
	if got := readAll(t, f); !bytes.Equal(got, want) {
		t.Fatal("the handle doesn't read what it wrote")
	}
	closeFile(t, f)
	f = tr.open("f", forWriting)
	patch := random(5000, 2)
	write(t, f, patch, 1<<20-100)
	copy(want[1<<20-100:], patch)
	if got := readAll(t, f); !bytes.Equal(got, want) {
		t.Fatal("the handle doesn't read what it patched")
	}
	closeFile(t, f)
	tr.expect("f", want)
}
