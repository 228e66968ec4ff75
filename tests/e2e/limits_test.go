package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// What an account's line bounds, OpenSSH's client meets: the quota by df and by puts
// that are refused, the number of files and directories, and the rate.
func TestAccountLimits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := testbed.NewTruckee(t.Context(), binary, dir, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	pub := strings.TrimSpace(readFile(t, clientKey+".pub"))
	accounts := filepath.Join(n.BaseDir, "private", "accounts")
	text := ""
	for name, options := range map[string]string{"small": "quota=2MiB files=3", "slow": "rate=1MiB"} {
		if _, err := n.Run(t.Context(), nil, "account", "add", name, "--key", clientKey+".pub"); err != nil {
			t.Fatal(err)
		}
		text = readFile(t, accounts)
		var lines []string
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, name+" ") {
				line = strings.TrimSpace(line) + " " + options + "\n"
			}
			lines = append(lines, line)
		}
		if err := os.WriteFile(accounts, []byte(strings.Join(lines, "")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(text, pub[:30]) {
		t.Fatalf("the key isn't there: %s", text)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	file := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Repeat([]byte("0123456789abcdef"), size/16), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, three := file("one", 1<<20), file("three", 3<<20)

	e := n.Endpoint
	e.User = "small"
	refused := func(what, batch string) {
		t.Helper()
		if out, err := e.SFTP(t.Context(), batch); err == nil {
			t.Errorf("%s is taken: %s", what, out)
		}
	}
	// What was freed or stored counts within a second or so.
	until := func(what, batch, shows string) {
		t.Helper()
		var out string
		var err error
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			if out, err = e.SFTP(t.Context(), batch); err == nil && strings.Contains(out, shows) {
				return
			}
		}
		t.Errorf("%s: %v: %s", what, err, out)
	}
	until("df shows the quota", "df\n", "2048            0         2048")
	refused("a file beyond the quota", "put "+three+" three\n")
	sftp(t, e, "-rm three\n") // what had come of it
	until("a file within the quota", "put "+one+" one\n", "")
	until("df shows what is used", "df\n", "2048         1024         1024")
	refused("a second file, and a third", "put "+one+" two\nput "+one+" half\n")
	sftp(t, e, "-rm two\n-rm half\n")
	until("a second name", "mkdir a\n", "")
	until("a third name", "mkdir b\n", "")
	refused("a fourth name", "mkdir c\n")
	sftp(t, e, "rm one\n")
	until("a third name again", "mkdir c\n", "")

	e.User = "slow"
	began := time.Now()
	sftp(t, e, "put "+three+" three\n")
	if took := time.Since(began); took < time.Second {
		t.Errorf("3 MiB at 1 MiB a second came in %v", took)
	}
}
