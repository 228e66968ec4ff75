package accounts_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/internal/kind"
)

func key(t testing.TB, n byte, comment string) accounts.Key {
	t.Helper()
	_, text := edKey(t, n)
	k, _, err := accounts.ParseKeyFile([]byte("# keys\n\n" + text + " " + comment + "\n"))
	must(t, err)
	return k
}

func TestEditMakesAndChangesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	must(t, accounts.Edit(path, func(e *accounts.Editor) error {
		return e.AddPassword("alice", cheap, root(1))
	}))
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v, want 0600", st.Mode(), err)
	}
	must(t, accounts.Edit(path, func(e *accounts.Editor) error {
		if err := e.AddKey("bob", key(t, 2, "laptop"), root(2)); err != nil {
			return err
		}
		return e.AddKey("alice", key(t, 1, ""), root(1))
	}))
	f := open(t, path)
	wire, _ := edKey(t, 1)
	if _, err := f.Authenticate(t.Context(), "alice", accounts.PublicKey(wire)); err != nil {
		t.Error(err)
	}
	if !logsIn(t, f, "alice", "s3same") {
		t.Error("alice's password doesn't hold")
	}
	must(t, accounts.Edit(path, func(e *accounts.Editor) error {
		n, err := e.Remove("alice")
		if n != 2 {
			t.Errorf("removed %d lines, want 2", n)
		}
		return err
	}))
	if all := f.Accounts(); len(all) != 1 || all[0].Name != "bob" {
		t.Errorf("left are %v", all)
	}
}

func TestEditKeepsTheRest(t *testing.T) {
	before := "\t# my accounts\r\n\nalice  plain\t" + root(1).Reveal() + "\n# end, without a newline\n" +
		"bob pw " + root(2).Reveal() + "   readonly=yes"
	path := filepath.Join(t.TempDir(), "accounts")
	must(t, os.WriteFile(path, []byte(before), 0o600))
	must(t, accounts.Edit(path, func(e *accounts.Editor) error { return e.SetPassword("bob", cheap) }))
	b, err := os.ReadFile(path)
	must(t, err)
	want := strings.Replace(before, "bob pw ", "bob "+cheap+" ", 1)
	want = strings.Replace(want, "   readonly", " readonly", 1) + "\n"
	if string(b) != want {
		t.Errorf("got:\n%s\nwant:\n%s", b, want)
	}
	must(t, accounts.Edit(path, func(e *accounts.Editor) error { return e.AddKey("alice", key(t, 1, ""), root(1)) }))
	b, err = os.ReadFile(path)
	must(t, err)
	if !strings.HasPrefix(string(b), before[:strings.Index(before, "# end")]+"alice ssh-ed25519 ") {
		t.Errorf("alice's key is not below her line:\n%s", b)
	}
}

func TestEditRefuses(t *testing.T) {
	lines := []string{"alice pw " + root(1).Reveal()}
	tests := []struct {
		name   string
		change func(*accounts.Editor) error
		want   kind.Kind
	}{
		{"second password", func(e *accounts.Editor) error { return e.AddPassword("alice", cheap, root(1)) }, kind.Exist},
		{"other root", func(e *accounts.Editor) error { return e.AddKey("alice", key(t, 1, ""), root(2)) }, kind.Conflict},
		{"same key", func(e *accounts.Editor) error {
			return errors.Join(e.AddKey("bob", key(t, 1, ""), root(2)), e.AddKey("bob", key(t, 1, "x"), root(2)))
		}, kind.Exist},
		{"bad name", func(e *accounts.Editor) error { return e.AddPassword("a b", cheap, root(1)) }, kind.Invalid},
		{"comment as a name", func(e *accounts.Editor) error { return e.AddPassword("#a", cheap, root(1)) }, kind.Invalid},
		{"no hash", func(e *accounts.Editor) error { return e.AddPassword("bob", "plain", root(1)) }, kind.Invalid},
		{"file root", func(e *accounts.Editor) error {
			v, _ := root(1).Verify()
			return e.AddPassword("bob", cheap, v)
		}, kind.Invalid},
		{"password of nobody", func(e *accounts.Editor) error { return e.SetPassword("bob", cheap) }, kind.NotExist},
		{"remove nobody", func(e *accounts.Editor) error { _, err := e.Remove("bob"); return err }, kind.NotExist},
	}
	for _, tt := range tests {
		path := write(t, lines...)
		before, _ := os.ReadFile(path)
		err := accounts.Edit(path, tt.change)
		if kind.Of(err) != tt.want {
			t.Errorf("%s: %v, want kind %v", tt.name, err, tt.want)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s: the file changed", tt.name)
		}
	}
}

func TestEditNoticesAnotherWriter(t *testing.T) {
	path := write(t, "alice pw "+root(1).Reveal())
	err := accounts.Edit(path, func(e *accounts.Editor) error {
		rewrite(t, path, "carol pw "+root(3).Reveal())
		_, err := e.Remove("alice")
		return err
	})
	if kind.Of(err) != kind.Conflict {
		t.Fatalf("got %v, want kind %v", err, kind.Conflict)
	}
	if b, _ := os.ReadFile(path); !strings.HasPrefix(string(b), "carol ") {
		t.Errorf("the other writer's file is lost:\n%s", b)
	}
}

func TestEditOfAWrongFileLeavesIt(t *testing.T) {
	path := write(t, "alice")
	err := accounts.Edit(path, func(*accounts.Editor) error { t.Error("called"); return nil })
	if kind.Of(err) != kind.Invalid {
		t.Fatalf("got %v, want kind %v", err, kind.Invalid)
	}
}

func TestEditFollowsALink(t *testing.T) {
	path := write(t, "alice pw "+root(1).Reveal())
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(path, link))
	must(t, accounts.Edit(link, func(e *accounts.Editor) error { return e.SetPassword("alice", cheap) }))
	if st, err := os.Lstat(link); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", st, err)
	}
	if !logsIn(t, open(t, path), "alice", "s3same") {
		t.Error("the file behind the link didn't change")
	}
}

func TestParseKeyFile(t *testing.T) {
	_, text := edKey(t, 1)
	tests := []struct{ file, want string }{
		{"", "no key"},
		{"# only a comment\n", "no key"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n", "private key"},
		{`environment="A=1" ` + text, "environment"},
		{"ssh-ed25519\n", "KEYTYPE KEY"},
		{"ssh-dss AAAA\n", "DSA"},
	}
	for _, tt := range tests {
		_, _, err := accounts.ParseKeyFile([]byte(tt.file))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.30q: %v, want %q", tt.file, err, tt.want)
		}
	}
	k, _, err := accounts.ParseKeyFile([]byte(text + " my \x01bad URI:DIR3:x laptop"))
	if err != nil || k.Comment != "my laptop" {
		t.Errorf("comment %q, %v", k.Comment, err)
	}
}
