package e2e

import (
	"bytes"
	"encoding/base32"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// Account names a path of the test's account as the commands want it.
func Account(path string) string { return testbed.Account + ":" + path }

func base32Decode(s string) ([]byte, error) {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).DecodeString(s)
}

// TestFullDisk fills a small disk: the upload that no longer fits fails and says
// so, what was there stays whole; when not a block is left, removals and gc still
// work, and there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("this test mounts a small tmpfs and must run as root")
	}
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk)
	t.Cleanup(func() {
		if err := (&testbed.Mount{Dir: disk}).UnmountByRoot(); err != nil {
			t.Error(err)
		}
	})
	n := newNode(t, disk)
	c := dial(t, n.Endpoint)
	keep := bytes.Repeat([]byte("keep me "), 1<<17)
	if err := store(c, "keep", keep); err != nil {
		t.Fatal(err)
	}
	failed := ""
	for i := range 100 {
		name := string(rune('a'+i/10)) + string(rune('0'+i%10))
		if err := store(c, name, bytes.Repeat([]byte{byte(i)}, 3<<20)); err != nil {
			t.Logf("%s: %v", name, err)
			if !strings.Contains(strings.ToLower(err.Error()), "space") {
				t.Errorf("the error does not speak of space: %v", err)
			}
			failed = name
			break
		}
	}
	if failed == "" {
		t.Fatal("300 MB fitted on a disk of 64 MB")
	}
	if _, err := c.Stat(failed); !os.IsNotExist(err) {
		t.Errorf("the file whose upload failed: %v", err)
	}
	if got := fetch(t, c, "keep"); !bytes.Equal(got, keep) {
		t.Error("what was there before is damaged")
	}
	checkDeep(t, n)
	t.Run("the node starts again on the full disk", func(t *testing.T) {
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
		start(t, n)
		if got := fetch(t, dial(t, n.Endpoint), "keep"); !bytes.Equal(got, keep) {
			t.Error("what was there before is damaged")
		}
	})
	t.Run("small files and others take the rest, and there can be room again", func(t *testing.T) {
		c := dial(t, n.Endpoint)
		small := bytes.Repeat([]byte("small "), 1000)
		for i := 0; store(c, "small"+strconv.Itoa(i), small) == nil; i++ {
			if i == 100_000 {
				t.Fatal("a full disk takes small files without end")
			}
		}
		others, err := os.Create(filepath.Join(disk, "others"))
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		if err == nil {
			for err == nil {
				_, err = others.Write(make([]byte, 512))
			}
			others.Close()
		}
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
		start(t, n)
		c = dial(t, n.Endpoint)
		for i := range 5 {
			if err := c.Remove("a" + strconv.Itoa(i)); err != nil {
				t.Errorf("remove: %v", err)
			}
		}
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if out, err := n.Run(t.Context(), nil, "gc", "--grace", "1ns", "--yes"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		start(t, n)
		c = dial(t, n.Endpoint)
		if err := store(c, "again", bytes.Repeat([]byte("again"), 1<<20)); err != nil {
			t.Errorf("with room again: %v", err)
		}
		if got := fetch(t, c, "keep"); !bytes.Equal(got, keep) {
			t.Error("what was there before is damaged")
		}
		checkDeep(t, n)
	})
}

// TestDamagedBlocks flips bytes all over the segments: reads fail with an error
// and never give wrong bytes; check names the damage and exits with 3.
func TestDamagedBlocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNode(t, dir)
	c := dial(t, n.Endpoint)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	if err := store(c, "file", data); err != nil {
		t.Fatal(err)
	}
	if err := store(c, "small", []byte("a file in the metastore, of more than fifty-five bytes so that it is no literal")); err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	damaged := 0
	err := filepath.WalkDir(filepath.Join(n.BaseDir, "blocks"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != ".seg" {
			return err
		}
		k, err := flipBytes(path)
		damaged += k
		return err
	})
	if err != nil || damaged == 0 {
		t.Fatalf("flipped %d bytes: %v", damaged, err)
	}
	start(t, n)
	c = dial(t, n.Endpoint)
	f, err := c.Open("file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	failures := 0
	buf := make([]byte, 32<<10)
	for off := 0; off < len(data); off += len(buf) {
		k, err := f.ReadAt(buf, int64(off))
		if !bytes.Equal(buf[:k], data[off:off+k]) {
			t.Fatalf("wrong bytes at %d", off)
		}
		if err != nil {
			failures++
			if !strings.Contains(err.Error(), "damaged") {
				t.Errorf("the error does not speak of damage: %v", err)
			}
		}
	}
	if failures == 0 {
		t.Error("no read failed")
	}
	if got := fetch(t, c, "small"); len(got) == 0 {
		t.Error("another file can't be read any more")
	}
	cmd := n.Command(t.Context(), "check", "--deep")
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("check --deep exits with %d (%v), want 3:\n%s", code, err, out)
	}
	if !strings.Contains(string(out), "file") {
		t.Errorf("check --deep does not name the damaged file:\n%s", out)
	}
}

// flipBytes flips a bit about every 100 KB of what was written to a file, beyond
// its first page, and returns how many.
func flipBytes(path string) (n int, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b := []byte{0}
	for off := int64(50_000); ; off += 100_003 {
		if _, err := f.ReadAt(b, off); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		if b[0] == 0 {
			continue // most likely space that was only preallocated
		}
		b[0] ^= 1
		if _, err := f.WriteAt(b, off); err != nil {
			return n, err
		}
		n++
	}
}
