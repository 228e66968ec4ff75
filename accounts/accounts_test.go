package accounts_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// root is a directory's write capability that depends on n.
func root(n byte) caps.Write {
	return caps.OfSlotWrite(caps.NewSlotWrite(caps.SlotDirectory, caps.KeyOf([32]byte{n})))
}

// edKey is an ed25519 key that depends on n, and its line form.
func edKey(t testing.TB, n byte) (wire []byte, text string) {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	pub, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(seed).Public())
	if err != nil {
		t.Fatal(err)
	}
	return pub.Marshal(), pub.Type() + " " + base64.StdEncoding.EncodeToString(pub.Marshal())
}

// cheap is an argon2id hash of "s3same" that costs next to nothing.
const cheap = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$hGd4J/gF1zjmmwKkPYzFoRaLlHgfC7O6eRSJ7rCERsw"

func bcryptOf(t testing.TB, password string) string {
	t.Helper()
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// logBuffer collects log records as text.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// write makes an accounts file of the lines.
func write(t testing.TB, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "accounts")
	rewrite(t, path, lines...)
	return path
}

func rewrite(t testing.TB, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string) *accounts.File {
	t.Helper()
	f, err := accounts.OpenFile(path, accounts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLogin(t *testing.T) {
	key1, text1 := edKey(t, 1)
	key2, text2 := edKey(t, 2)
	strange, _ := edKey(t, 3)
	f := open(t, write(t,
		"# a comment", "", "   ",
		"plain sekrit "+root(1).Reveal(),
		"crypt "+bcryptOf(t, "blow")+" "+root(2).Reveal(),
		"argon "+cheap+" "+root(3).Reveal(),
		"keys "+text1+" me@home and more "+root(4).Reveal(),
		"keys "+text2+" "+root(4).Reveal()+" readonly=yes",
		"keys both "+root(4).Reveal()+" readonly=no",
		"reader pw "+root(5).Read().Reveal(),
		"weak pw "+root(6).Reveal()+" readonly=yes",
		"\tspaced \t pw\u00a0"+root(7).Reveal()+"  ",
	))
	password := func(p string) accounts.Credential { return accounts.Password(p) }
	tests := []struct {
		name string
		c    accounts.Credential
		want caps.Cap // nil: refused
	}{
		{"plain", password("sekrit"), root(1)},
		{"plain", password("sekrit "), nil},
		{"plain", password(""), nil},
		{"crypt", password("blow"), root(2)},
		{"crypt", password("blown"), nil},
		{"argon", password("s3same"), root(3)},
		{"argon", password("sesame"), nil},
		{"argon", password(cheap), nil},
		{"keys", accounts.PublicKey(key1), root(4)},
		{"keys", accounts.PublicKey(key2), root(4).Read()},
		{"keys", accounts.PublicKey(strange), nil},
		{"keys", accounts.PublicKey(nil), nil},
		{"keys", password("both"), root(4)},
		{"plain", accounts.PublicKey(key1), nil},
		{"reader", password("pw"), root(5).Read()},
		{"weak", password("pw"), root(6).Read()},
		{"spaced", password("pw"), root(7)},
		{"nobody", password("sekrit"), nil},
		{"nobody", password("s3same"), nil},
		{"nobody", accounts.PublicKey(key1), nil},
		{"", password("sekrit"), nil},
		{"#", password("comment"), nil},
		{"plain", password(strings.Repeat("x", accounts.MaxPassword+1)), nil},
	}
	for _, tt := range tests {
		a, err := f.Authenticate(t.Context(), tt.name, tt.c)
		if tt.want == nil {
			if kind.Of(err) != kind.Denied {
				t.Errorf("%s by %T: %v, %v, want kind %v", tt.name, tt.c, a, err, kind.Denied)
			}
			continue
		}
		if err != nil || a.Name != tt.name || a.Root.Reveal() != tt.want.Reveal() {
			t.Errorf("%s by %T: %v, %v, want root %v", tt.name, tt.c, a, err, tt.want)
		}
	}
}

func TestUnknownNameAndWrongSecretGiveTheSameError(t *testing.T) {
	key, text := edKey(t, 1)
	other, _ := edKey(t, 2)
	f := open(t, write(t, "alice sekrit "+root(1).Reveal(), "bob "+text+" "+root(1).Reveal()))
	var texts []string
	for _, try := range []struct {
		name string
		c    accounts.Credential
	}{
		{"alice", accounts.Password("wrong")},
		{"bob", accounts.Password("sekrit")},
		{"nobody", accounts.Password("sekrit")},
		{"alice", accounts.PublicKey(key)},
		{"bob", accounts.PublicKey(other)},
		{"nobody", accounts.PublicKey(key)},
	} {
		_, err := f.Authenticate(t.Context(), try.name, try.c)
		if err == nil {
			t.Fatalf("%s logged in", try.name)
		}
		texts = append(texts, err.Error())
	}
	for _, text := range texts {
		if text != texts[0] {
			t.Errorf("errors differ: %q and %q", texts[0], text)
		}
	}
}

func TestCanceledLogin(t *testing.T) {
	f := open(t, write(t, "argon "+cheap+" "+root(3).Reveal()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Authenticate(ctx, "argon", accounts.Password("s3same"))
	if kind.Of(err) != kind.Canceled {
		t.Fatalf("got %v, want kind %v", err, kind.Canceled)
	}
}

func TestHashPasswordLogsIn(t *testing.T) {
	hash, err := accounts.HashPassword([]byte("white space and ü"))
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, write(t, "alice "+hash+" "+root(1).Reveal()))
	if _, err := f.Authenticate(t.Context(), "alice", accounts.Password("white space and ü")); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", strings.Repeat("x", accounts.MaxPassword+1)} {
		if _, err := accounts.HashPassword([]byte(bad)); kind.Of(err) != kind.Invalid {
			t.Errorf("hash of %d bytes: %v, want kind %v", len(bad), err, kind.Invalid)
		}
	}
}

func TestAccountsAndLookup(t *testing.T) {
	_, text := edKey(t, 1)
	f := open(t, write(t, "bob "+text+" laptop "+root(2).Reveal(), "alice sekrit "+root(1).Reveal()))
	all := f.Accounts()
	if len(all) != 2 || all[0].Name != "alice" || all[0].Password != "plain" ||
		all[1].Name != "bob" || len(all[1].Keys) != 1 || all[1].Keys[0].Comment != "laptop" ||
		!strings.HasPrefix(all[1].Keys[0].Fingerprint, "SHA256:") {
		t.Errorf("got %v", all)
	}
	a, err := f.Lookup("bob")
	if err != nil || a.Root.Reveal() != root(2).Reveal() {
		t.Errorf("Lookup: %v, %v", a, err)
	}
	if _, err := f.Lookup("carol"); !errors.Is(err, kind.NotExist) {
		t.Errorf("Lookup of nobody: %v", err)
	}
}
