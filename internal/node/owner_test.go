package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

// A folder that others can change, or have made, could hold links to the
// user's files, or keys that others know.
func TestFoldersOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	open := t.TempDir()
	if err := os.Chmod(open, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(Layout{open}); kind.Of(err) != kind.Denied {
		t.Errorf("prepare in a folder that everybody may change: %v", err)
	}
	if _, err := (Layout{open}).Lock(t.Context(), "test"); kind.Of(err) != kind.Denied {
		t.Errorf("lock in a folder that everybody may change: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(open, "lock")); err == nil {
		t.Error("the lock was made")
	}
	if os.Geteuid() != 0 {
		return // what follows is another user's doing
	}
	others := t.TempDir()
	if err := os.Chown(others, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(Layout{others}); kind.Of(err) != kind.Denied {
		t.Errorf("prepare in another user's folder: %v", err)
	}
	base := Layout{t.TempDir()}
	if err := os.Symlink(others, base.Private()); err != nil {
		t.Fatal(err)
	}
	if err := base.makePrivate(); kind.Of(err) != kind.Denied {
		t.Errorf("another user's folder as private: %v", err)
	}
	key := filepath.Join(base.BaseDir, "key")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(key, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if err := checkSecret(key); kind.Of(err) != kind.Denied {
		t.Errorf("another user's key: %v", err)
	}
}

func TestLockFollowsNoLink(t *testing.T) {
	t.Parallel()
	base := Layout{t.TempDir()}
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, base.lockFile()); err != nil {
		t.Fatal(err)
	}
	if l, err := base.Lock(t.Context(), "test"); err == nil {
		l.Release()
		t.Error("a link was taken for the lock")
	}
	if b, err := os.ReadFile(precious); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
}
