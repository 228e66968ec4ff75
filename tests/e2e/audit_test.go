package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// TestAuditDigests: with audit.digests, what OpenSSH's clients put has the SHA-256
// of the file in its record, which sha256sum of the file gives, too.
func TestAuditDigests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := testbed.NewTruckee(t.Context(), binary, dir, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context(), "--audit-file", "audit.jsonl", "--audit-digests"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	local := filepath.Join(dir, "local")
	data := make([]byte, 3_000_000)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	if err := os.WriteFile(local, data, 0o600); err != nil {
		t.Fatal(err)
	}
	sftp(t, n.Endpoint, "put "+local+" put\nput "+local+" twice\nput "+local+" twice\n")
	m, err := n.SSHFS(t.Context(), filepath.Join(dir, "mnt"))
	if err != nil {
		t.Fatal(err)
	}
	copied := os.WriteFile(filepath.Join(m.Dir, "mounted"), data, 0o600)
	part, perr := os.OpenFile(filepath.Join(m.Dir, "put"), os.O_WRONLY, 0)
	if perr == nil {
		_, perr = part.WriteAt([]byte("elsewhere"), 1_000_000)
		perr = firstOf(perr, part.Close())
	}
	if err := firstOf(copied, perr); err != nil {
		t.Fatal(err)
	}
	audit := filepath.Join(n.BaseDir, "audit.jsonl")
	// sshfs closes at the server after close has returned, and not at all what the
	// kernel has not told it of when it is unmounted.
	eventually(t, func() bool { return strings.Count(readFile(t, audit), `"op":"write"`) == 5 })
	if err := m.Unmount(); err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("sha256:%x", sha256.Sum256(data))
	expected := map[string][]string{"/put": {want, ""}, "/twice": {want, want}, "/mounted": {want}}
	got := digests(t, audit)
	for path, all := range expected {
		if fmt.Sprint(got[path]) != fmt.Sprint(all) {
			t.Errorf("%s has the digests %q, want %q", path, got[path], all)
		}
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// digests reads those of the writes of each path, in order, "" where there is none.
func digests(t *testing.T, file string) map[string][]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string][]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r struct {
			Op, Path, Digest string
			Written          int64
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Op == "write" && r.Written > 0 {
			all[r.Path] = append(all[r.Path], r.Digest)
		}
	}
	return all
}
