package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// Tahoe-LAFS's ways, which are off: any capability by its path, and a chmod that
// can't be taken back.
func TestTahoesWays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := testbed.NewTruckee(t.Context(), binary, dir, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context(), "--log-level", "debug"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	local := filepath.Join(dir, "f")
	if err := os.WriteFile(local, []byte("contents"), 0o600); err != nil {
		t.Fatal(err)
	}
	sftp(t, n.Endpoint, "mkdir d\nmkdir other\nput "+local+" d/f\n")
	capability, err := n.Run(t.Context(), nil, "cap", "of", testbed.Account+":/d")
	if err != nil {
		t.Fatal(err)
	}
	uri := "/uri/" + strings.TrimSpace(capability)
	if out, err := n.SFTP(t.Context(), "get "+uri+"/f "+local+".back\n"); err == nil {
		t.Errorf("off, and it works: %s", out)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context(), "--log-level", "debug", "--sftpd-uri-paths", "--sftpd-chmod-diminishes"); err != nil {
		t.Fatal(err)
	}
	out := sftp(t, n.Endpoint, "get "+uri+"/f "+local+".back\nput "+local+" "+uri+"/new\nls "+uri+"\nls d\n-get "+uri+"/none\n-mkdir "+uri+"\n-ls /uri/nonsense\n")
	if strings.Count(out, "new") < 3 {
		t.Errorf("it isn't in both:\n%s", out)
	}
	if b, err := os.ReadFile(local + ".back"); err != nil || string(b) != "contents" {
		t.Errorf("%q, %v", b, err)
	}
	sftp(t, n.Endpoint, "chmod 555 other\n-put "+local+" other/f\n-chmod 755 other\n")
	if out, err := n.SFTP(t.Context(), "put "+local+" other/f\n"); err == nil {
		t.Errorf("a diminished link is written through: %s", out)
	}
	// Who has a quota can't pass it by another way into the same tree.
	key, err := os.ReadFile(clientKey + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(n.BaseDir, "private", "accounts"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString("limited " + strings.TrimSpace(string(key)) + " " + strings.TrimSpace(capability) + " quota=1MiB\n")
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	limited := n.Endpoint
	limited.User = "limited"
	if out, err := limited.SFTP(t.Context(), "get "+uri+"/f "+local+".back\n"); err != nil {
		t.Errorf("reading: %v\n%s", err, out)
	}
	if out, err := limited.SFTP(t.Context(), "put "+local+" "+uri+"/past\n"); err == nil {
		t.Errorf("an account with a quota writes past it: %s", out)
	}
	// What names a capability is told to who knows it, and to no log.
	for _, secret := range strings.Split(strings.TrimSpace(capability), ":")[2:] {
		if strings.Contains(n.Log(), secret) {
			t.Errorf("the log tells %.8s…", secret)
		}
	}
	checkDeep(t, n)
}
