package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestObjectsOverSFTP is an account whose tree has a mutable file, a frozen
// directory, and links to what another account has, through OpenSSH's sftp and
// an sshfs mount: they are files and directories like others, and keep their
// rules.
func TestObjectsOverSFTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNode(t, dir)
	ctx := t.Context()
	truckee := func(stdin string, words ...string) string {
		t.Helper()
		out, err := n.Run(ctx, strings.NewReader(stdin), words...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	truckee("", "account", "add", "friend", "--key", n.Key+".pub")
	large := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	truckee("first\n", "fs", "put", "--mutable", "-", Account("/notes"))
	truckee("", "fs", "mkdir", "-p", "friend:/share/sub")
	truckee(string(large), "fs", "put", "-", "friend:/share/sub/large")
	truckee("theirs\n", "fs", "put", "-", "friend:/share/file")
	share := truckee("", "cap", "of", "friend:/share")
	truckee(share, "fs", "ln", "-", Account("/share"))
	truckee(truckee("", "cap", "of", "--readonly", "friend:/share"), "fs", "ln", "-", Account("/reader"))
	truckee(truckee("", "cap", "of", "friend:/share/sub/large"), "fs", "ln", "-", Account("/large"))
	truckee("URI:CHK:"+strings.Repeat("a", 26)+":"+strings.Repeat("a", 52)+":3:10:12345", "fs", "ln", "-", Account("/tahoe"))
	truckee("", "cap", "freeze", "friend:/share", "--to", Account("/frozen"))
	notes := truckee("", "cap", "of", Account("/notes"))

	// sftp
	out := sftp(t, n.Endpoint, "ls -l /\nls -l /frozen\nget /frozen/sub/large "+dir+"/a\nget /large "+dir+"/b\n-put "+dir+"/a /frozen/new\n-rm /frozen/file\n-rename /frozen/file /stolen\n-get /tahoe "+dir+"/c\n-put "+dir+"/a /reader/new\n")
	for _, want := range []string{
		" 6 .* /notes$", " 12345 .* /tahoe$", "^dr-xr-xr-x .* /frozen$", "^dr-xr-xr-x .* /reader$", "^drwxr-xr-x .* /share$", " 3200000 .* /large$",
	} {
		if !matches(out, want) {
			t.Errorf("sftp doesn't show %q:\n%s", want, out)
		}
	}
	for _, f := range []string{"a", "b"} {
		if got, err := os.ReadFile(filepath.Join(dir, f)); err != nil || !bytes.Equal(got, large) {
			t.Errorf("%s came back as %d bytes, %v", f, len(got), err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "c")); err == nil {
		if b, _ := os.ReadFile(filepath.Join(dir, "c")); len(b) > 0 {
			t.Error("sftp got a file of Tahoe-LAFS's")
		}
	}

	// sshfs
	m := mount(t, n.Endpoint)
	read := func(name, want string) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(m, name))
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	read("notes", "first\n")
	if err := edit(filepath.Join(m, "notes"), os.O_APPEND|os.O_WRONLY, func(f *os.File) error {
		_, err := f.WriteString("second\n")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	read("notes", "first\nsecond\n")
	// By another process once it is stored: sshfs closes at the server after close has returned.
	if got := ""; !within(time.Minute, func() bool {
		got = truckee(notes, "fs", "cat", "--cap-file", "-", "/")
		return got == "first\nsecond\n"
	}) {
		t.Errorf("by its capability the mutable file holds %q", got)
	}
	if err := os.Truncate(filepath.Join(m, "notes"), 6); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(m, "notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	read("notes", "first\n")
	if got := truckee("", "cap", "of", Account("/notes")); got != notes {
		t.Error("the mutable file has another capability now")
	}
	if err := os.Rename(filepath.Join(m, "notes"), filepath.Join(m, "share", "notes")); err != nil {
		t.Fatal(err)
	}
	if got := truckee("", "fs", "cat", "friend:/share/notes"); got != "first\n" {
		t.Errorf("moved to the shared directory it holds %q", got)
	}
	for what, err := range map[string]error{
		"write to a frozen directory":  os.WriteFile(filepath.Join(m, "frozen", "new"), nil, 0o600),
		"write to a frozen file":       os.WriteFile(filepath.Join(m, "frozen", "file"), []byte("x"), 0o600),
		"remove from it":               os.Remove(filepath.Join(m, "frozen", "file")),
		"mkdir in it":                  os.Mkdir(filepath.Join(m, "frozen", "d"), 0o700),
		"rename in it":                 os.Rename(filepath.Join(m, "frozen", "file"), filepath.Join(m, "frozen", "x")),
		"write to a read-only link":    os.WriteFile(filepath.Join(m, "reader", "new"), nil, 0o600),
		"write to a linked file there": os.WriteFile(filepath.Join(m, "reader", "file"), []byte("x"), 0o600),
		"rmdir of a frozen directory":  os.Remove(filepath.Join(m, "frozen")),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if err := os.WriteFile(filepath.Join(m, "share", "file"), []byte("ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	read("frozen/file", "theirs\n")
	if got := ""; !within(time.Minute, func() bool {
		got = truckee("", "fs", "cat", "friend:/share/file")
		return got == "ours\n"
	}) {
		t.Errorf("through the link the friend gets %q", got)
	}
	sameTree(t, fingerprint(t, filepath.Join(m, "frozen", "sub")), fingerprint(t, filepath.Join(m, "share", "sub")))

	// A login to the frozen copy alone.
	truckee(truckee("", "cap", "of", Account("/frozen")), "account", "add", "past", "--key", n.Key+".pub", "--rootcap-stdin")
	past := n.Endpoint
	past.User = "past"
	if out := sftp(t, past, "ls -l /\nget /file "+dir+"/file\n-rm /file\n"); !matches(out, " /file$") {
		t.Errorf("sftp to a frozen root: %s", out)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(got) != "theirs\n" {
		t.Errorf("from the frozen root: %q, %v", got, err)
	}
	checkDeep(t, n)
}

func matches(text, pattern string) bool {
	return regexp.MustCompile(`(?m)` + pattern).MatchString(text)
}
