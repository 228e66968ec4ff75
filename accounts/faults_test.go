package accounts

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong with any of the files is told until it is mended.
func TestFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, cas, revoked := filepath.Join(dir, "accounts"), filepath.Join(dir, "cas"), filepath.Join(dir, "revoked")
	good := map[string]string{path: "bob pw " + testRoot + "\n", cas: ed25519Key + "\n", revoked: ""}
	for path, text := range good {
		write(t, path, text)
	}
	f, err := OpenFile(path, Options{UserCAKeys: cas, RevokedKeys: revoked, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	faults := func() string {
		var texts []string
		for _, err := range f.Faults() {
			texts = append(texts, err.Error())
		}
		return strings.Join(texts, "; ")
	}
	for path, want := range map[string]string{path: "accounts:1: ", cas: "cas:1: ", revoked: "revoked:1: "} {
		write(t, path, "rubbish\n")
		for range 2 {
			if got := faults(); !strings.Contains(got, want) || strings.Contains(got, ";") {
				t.Errorf("%s: %q", want, got)
			}
		}
		write(t, path, good[path])
		if got := faults(); got != "" {
			t.Errorf("mended: %q", got)
		}
	}
}
