package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWritesOnSSHFS does to a file on the mount and to a local one the same
// random writes, appends, truncations and extensions; they must stay equal.
func TestWritesOnSSHFS(t *testing.T) {
	t.Parallel()
	n := newNode(t, t.TempDir())
	m := mount(t, n.Endpoint)
	local := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	paths := []string{filepath.Join(m, "f"), filepath.Join(local, "f")}
	// each does the same to both files and wants the same outcome.
	each := func(do func(path string) error) {
		t.Helper()
		for _, p := range paths {
			if err := do(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	start := make([]byte, 3<<20+12345)
	fill(rng, start)
	each(func(p string) error { return os.WriteFile(p, start, 0o644) })
	for i := range 60 {
		off, size := rng.Int64N(5<<20), rng.Int64N(6<<20)
		data := make([]byte, 1+rng.IntN(200_000))
		fill(rng, data)
		switch rng.IntN(4) {
		case 0, 1:
			each(func(p string) error {
				return edit(p, os.O_RDWR, func(f *os.File) error { _, err := f.WriteAt(data, off); return err })
			})
		case 2:
			each(func(p string) error {
				return edit(p, os.O_WRONLY|os.O_APPEND, func(f *os.File) error { _, err := f.Write(data); return err })
			})
		case 3:
			each(func(p string) error { return os.Truncate(p, size) })
		}
		if i%10 == 9 {
			sameFile(t, paths[0], paths[1])
		}
	}
	sameFile(t, paths[0], paths[1])
	t.Run("also for a client that has cached nothing", func(t *testing.T) {
		sameFile(t, filepath.Join(mount(t, n.Endpoint), "f"), paths[1])
	})
	t.Run("a hole of 10 GiB costs nothing and reads as zeros", func(t *testing.T) {
		const size = 10 << 30
		p := filepath.Join(m, "hole")
		if err := edit(p, os.O_RDWR|os.O_CREATE, func(f *os.File) error { _, err := f.WriteAt([]byte("end"), size); return err }); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, 100_000)
		if _, err := f.ReadAt(b, size/2); err != nil || !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("the hole does not read as zeros: %v", err)
		}
		b = make([]byte, 3)
		if _, err := f.ReadAt(b, size); err != nil || string(b) != "end" {
			t.Errorf("the end reads %q: %v", b, err)
		}
	})
	checkDeep(t, n)
}

func fill(rng *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}

func edit(path string, flags int, do func(*os.File) error) error {
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return err
	}
	if err := do(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func sameFile(t *testing.T, got, want string) {
	t.Helper()
	g, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if len(g) != len(w) {
		t.Fatalf("%s has %d bytes, want %d", got, len(g), len(w))
	}
	for i := range g {
		if g[i] != w[i] {
			t.Fatalf("%s differs at %d", got, i)
		}
	}
}

// TestAppendToLargeFile appends a byte to files of 256 MiB and of 255.9 MiB,
// whose last chunk is partial, and reads the ends back.
func TestAppendToLargeFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNode(t, dir)
	m := mount(t, n.Endpoint)
	for name, size := range map[string]int64{"whole": 256 << 20, "odd": 2559 << 20 / 10} {
		t.Run(name, func(t *testing.T) {
			local := filepath.Join(dir, name)
			writeRandom(t, local, size)
			sftp(t, n.Endpoint, fmt.Sprintf("put %s %s\n", local, name))
			for _, text := range []string{"a", "b", "cd"} {
				for _, p := range []string{filepath.Join(m, name), local} {
					if err := edit(p, os.O_WRONLY|os.O_APPEND, func(f *os.File) error { _, err := f.WriteString(text); return err }); err != nil {
						t.Fatal(err)
					}
				}
			}
			back := filepath.Join(dir, "back")
			sftp(t, n.Endpoint, fmt.Sprintf("get %s %s\n", name, back))
			sameFile(t, back, local)
		})
	}
}

// writeRandom makes a local file of n bytes that do not repeat.
func writeRandom(t *testing.T, path string, n int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.NewChaCha8([32]byte{1})
	if _, err := io.CopyN(f, rng, n); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestResumedUpload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNode(t, dir)
	local := filepath.Join(dir, "file")
	writeRandom(t, local, 5<<20+7)
	whole, err := os.ReadFile(local)
	if err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(dir, "part")
	if err := os.WriteFile(part, whole[:2<<20+3], 0o600); err != nil {
		t.Fatal(err)
	}
	sftp(t, n.Endpoint, fmt.Sprintf("put %s file\n", part))
	sftp(t, n.Endpoint, fmt.Sprintf("reput %s file\n", local))
	back := filepath.Join(dir, "back")
	sftp(t, n.Endpoint, fmt.Sprintf("get file %s\n", back))
	sameFile(t, back, local)
}
