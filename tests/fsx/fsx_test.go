//go:build linux

package fsx

import (
	"os"
	"testing"
)

// The program is right: a local file does what it expects.
func TestLocalFile(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		r, err := New(t.TempDir(), seed, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Steps(500); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// It notices one wrong byte, and one byte too many.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(f *os.File, size int64) error{
		"a byte": func(f *os.File, size int64) error { _, err := f.WriteAt([]byte{^byte(0)}, size/2); return err },
		"a size": func(f *os.File, size int64) error { return f.Truncate(size + 1) },
	} {
		r, err := New(t.TempDir(), 1, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Steps(50); err != nil {
			t.Fatal(err)
		}
		r.want[len(r.want)/2] = 0
		if _, err := r.files[0].WriteAt([]byte{0}, int64(len(r.want)/2)); err != nil {
			t.Fatal(err)
		}
		if err := r.Whole(); err != nil {
			t.Fatal(err)
		}
		if err := spoil(r.files[0], int64(len(r.want))); err != nil {
			t.Fatal(err)
		}
		if r.Whole() == nil {
			t.Errorf("%s: not found", name)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
