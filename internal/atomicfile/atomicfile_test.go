package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/truckee-fs/truckee/internal/atomicfile"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, contents := range []string{"one", "", "three"} {
		if err := atomicfile.Write(path, []byte(contents), 0o640); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, contents, 0o640)
	}
	wantAlone(t, path)
}

func TestMustBeNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := atomicfile.Write(path, []byte("first"), 0o600, atomicfile.MustBeNew()); err != nil {
		t.Fatal(err)
	}
	err := atomicfile.Write(path, []byte("second"), 0o600, atomicfile.MustBeNew())
	if !errors.Is(err, fs.ErrExist) {
		t.Fatalf("second write: %v, want %v", err, fs.ErrExist)
	}
	wantFile(t, path, "first", 0o600)
	wantAlone(t, path)
}

func TestBeforeRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("somebody else changed it")
	err := atomicfile.Write(path, []byte("new"), 0o600, atomicfile.Before(func() error { return refusal }))
	if !errors.Is(err, refusal) {
		t.Fatalf("got %v, want %v", err, refusal)
	}
	wantFile(t, path, "old", 0o600)
	wantAlone(t, path)
}

func wantFile(t *testing.T, path, contents string, mode fs.FileMode) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != contents {
		t.Fatalf("file holds %q, %v, want %q", b, err, contents)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != mode {
		t.Fatalf("mode %v, %v, want %v", st.Mode(), err, mode)
	}
}

// wantAlone sees that no temporary file is left.
func wantAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Fatalf("directory holds %v, %v, want only the file", entries, err)
	}
}
