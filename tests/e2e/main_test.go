// Package e2e drives the built binary with real clients, OpenSSH's sftp and
// sshfs above all, through everything that the README promises.
package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// binary and clientKey are made once by TestMain and only read afterwards.
var binary, clientKey string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "truckee-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if binary, err = testbed.Build(dir); err == nil {
			clientKey, err = testbed.NewKey(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// newNode creates a node in dir and starts it. When the test ends it is stopped, and its
// log must not tell of a bug.
func newNode(t *testing.T, dir string) *testbed.Truckee {
	t.Helper()
	n, err := testbed.NewTruckee(t.Context(), binary, dir, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	start(t, n)
	stopAtEnd(t, n)
	return n
}

// stopAtEnd stops the node when the test ends; its log must not tell of a bug.
func stopAtEnd(t *testing.T, n *testbed.Truckee) {
	t.Helper()
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
		log := n.Log()
		for _, bad := range []string{"panic", "DATA RACE", "internal error"} {
			if strings.Contains(log, bad) {
				t.Errorf("the server's log has %q:\n%s", bad, log)
			}
		}
		if t.Failed() {
			t.Logf("server log:\n%s", tail(log, 40))
		}
	})
}

func start(t *testing.T, n *testbed.Truckee) {
	t.Helper()
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// checkDeep is the operator's own verdict: everything reachable is whole.
func checkDeep(t *testing.T, n *testbed.Truckee) {
	t.Helper()
	if out, err := n.Run(t.Context(), nil, "check", "--deep"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func sftp(t *testing.T, e testbed.Endpoint, batch string) string {
	t.Helper()
	out, err := e.SFTP(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mount mounts the node on a directory of its own until the test ends.
func mount(t *testing.T, e testbed.Endpoint, options ...string) string {
	t.Helper()
	// Not under t.TempDir: a mount that could not be unmounted must not be
	// walked by its removal.
	dir, err := os.MkdirTemp("", "truckee-mnt-")
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.SSHFS(context.WithoutCancel(t.Context()), dir, options...)
	if err != nil {
		os.Remove(dir)
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Unmount(); err != nil {
			t.Error(err)
		}
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// socketDir is a directory for sockets, whose names are short, whatever the
// directory for temporary files is called.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "truckee-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fingerprint maps each path below dir to what it is: a file's hash, a
// symlink's target, "dir".
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			sums[rel] = "dir"
		case d.Type()&fs.ModeSymlink != 0:
			sums[rel], err = os.Readlink(path)
		default:
			sums[rel], err = fileSum(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// sameTree fails the test unless both trees hold the same.
func sameTree(t *testing.T, got, want map[string]string) {
	t.Helper()
	wrong := 0
	report := func(format string, args ...any) {
		if wrong++; wrong <= 10 {
			t.Errorf(format, args...)
		}
	}
	for path, sum := range want {
		if have, ok := got[path]; !ok {
			report("missing: %s", path)
		} else if have != sum {
			report("differs: %s: %s, want %s", path, have, sum)
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			report("not expected: %s", path)
		}
	}
	if wrong > 10 {
		t.Errorf("and %d more", wrong-10)
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// run runs a program in dir and returns its output; the test fails if the program does.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	out, err := command(t, dir, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, tail(string(out), 30))
	}
	return string(out)
}

// eventually waits for a condition that another process brings about.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	if !within(time.Minute, ok) {
		t.Fatal("it did not happen within a minute")
	}
}

// within asks until it is so, for so long at most, and reports whether it is.
func within(most time.Duration, ok func() bool) bool {
	for end := time.Now().Add(most); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// tells waits for a server to log something: what it says of a client it may say
// after the client has its answer.
func tells(t *testing.T, n *testbed.Truckee, words ...string) {
	t.Helper()
	for _, w := range words {
		if !within(time.Minute, func() bool { return strings.Contains(n.Log(), w) }) {
			t.Errorf("the log lacks %q:\n%s", w, tail(n.Log(), 20))
		}
	}
}
