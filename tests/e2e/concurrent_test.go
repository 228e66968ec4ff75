package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestTwoClientsInOneDirectory lets a mount and an sftp session fill, rename and
// remove in one directory at once; nothing acknowledged by either is lost.
func TestTwoClientsInOneDirectory(t *testing.T) {
	t.Parallel()
	n := newNode(t, t.TempDir())
	m := mount(t, n.Endpoint)
	c := dial(t, n.Endpoint)
	if err := c.Mkdir("shared"); err != nil {
		t.Fatal(err)
	}
	const files = 300
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range files {
			p := filepath.Join(m, "shared", fmt.Sprint("mount-", i))
			if err := os.WriteFile(p+".tmp", []byte(p), 0o644); err != nil {
				t.Error(err)
				return
			}
			if err := os.Rename(p+".tmp", p); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Go(func() {
		for i := range files {
			p := fmt.Sprint("shared/sftp-", i)
			if err := store(c, p+".tmp", []byte(p)); err != nil {
				t.Error(err)
				return
			}
			if err := c.PosixRename(p+".tmp", p); err != nil {
				t.Error(err)
				return
			}
			if i%3 == 0 {
				if err := c.Remove(p); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	wg.Wait()
	if t.Failed() {
		return
	}
	want := map[string]bool{}
	for i := range files {
		want[fmt.Sprint("mount-", i)] = true
		if i%3 != 0 {
			want[fmt.Sprint("sftp-", i)] = true
		}
	}
	list, err := c.ReadDir("shared")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range list {
		if !want[info.Name()] {
			t.Errorf("not expected: %s", info.Name())
		}
		delete(want, info.Name())
	}
	for name := range want {
		t.Errorf("lost: %s", name)
	}
	t.Run("both see the writes of the other in one open file", func(t *testing.T) {
		ours, err := c.OpenFile("shared/both", os.O_RDWR|os.O_CREATE)
		if err != nil {
			t.Fatal(err)
		}
		defer ours.Close()
		if _, err := ours.WriteAt([]byte("hello ....."), 0); err != nil {
			t.Fatal(err)
		}
		err = edit(filepath.Join(m, "shared", "both"), os.O_RDWR, func(f *os.File) error { _, err := f.WriteAt([]byte("world"), 6); return err })
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 11)
		if _, err := ours.ReadAt(b, 0); err != nil || string(b) != "hello world" {
			t.Errorf("read %q: %v", b, err)
		}
	})
}

// TestDroppedConnectionCommitsNothing: what was written but never closed leaves the last committed file.
func TestDroppedConnectionCommitsNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t, t.TempDir())
	c := dial(t, n.Endpoint)
	if err := store(c, "old", []byte("the committed contents")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"old", "new"} {
		f, err := c.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(make([]byte, 3<<20)); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	again := dial(t, n.Endpoint)
	// The server hears of the closed connection when it reads it; until then
	// another session sees the open drafts, as it should.
	eventually(t, func() bool {
		_, err := again.Stat("new")
		return os.IsNotExist(err)
	})
	if got := string(fetch(t, again, "old")); got != "the committed contents" {
		t.Errorf("old has %d bytes: %.40q", len(got), got)
	}
	checkDeep(t, n)
}
