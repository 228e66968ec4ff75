//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/tests/fsx"
)

// Random operations on files, on mounts of every kind, each against a copy in
// memory; in the end the node starts anew and still has what the copies have.
// Half a minute, and ten with TRUCKEE_TEST_SOAK=1, from other seeds each time.
func TestRandomOperationsOnSSHFS(t *testing.T) {
	t.Parallel()
	lasts, seed := 30*time.Second, uint64(1)
	if os.Getenv("TRUCKEE_TEST_SOAK") == "1" {
		lasts, seed = 10*time.Minute, uint64(time.Now().UnixNano())
	}
	n := newNode(t, t.TempDir())
	options := mountOptions(t)
	kinds := slices.Sorted(maps.Keys(options))
	runs := make([]*fsx.Run, len(kinds))
	var g errgroup.Group
	for i, kind := range kinds {
		dir := filepath.Join(mount(t, n.Endpoint, options[kind]...), kind)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if runs[i], err = fsx.New(dir, seed+uint64(i), kind != "direct_io"); err != nil { // which has no shared mappings
			t.Fatal(err)
		}
		g.Go(func() error {
			if err := randomly(runs[i], lasts); err != nil {
				return fmt.Errorf("%s, seed %d: %w", kind, seed+uint64(i), err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	start(t, n)
	back := filepath.Join(t.TempDir(), "back")
	for i, r := range runs {
		t.Logf("%s, seed %d: %d operations", kinds[i], seed+uint64(i), r.Done())
		name := "/" + kinds[i] + "/" + filepath.Base(r.Path())
		sftp(t, n.Endpoint, "get "+name+" "+back)
		got, err := os.ReadFile(back)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, r.Want()) {
			t.Errorf("%s holds something else after a restart: %d bytes, not %d", name, len(got), len(r.Want()))
		}
	}
	checkDeep(t, n)
}

// randomly does random operations for so long, closes, and reads the file once more.
func randomly(r *fsx.Run, lasts time.Duration) error {
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		if err := r.Steps(50); err != nil {
			return errors.Join(err, r.Close())
		}
	}
	if err := r.Close(); err != nil {
		return err
	}
	return r.Whole()
}
