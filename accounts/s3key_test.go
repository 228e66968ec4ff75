package accounts_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

const (
	s3ID     = "TKABCDEF"
	s3Secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY=="
)

// s3Line is a line of an access key of alice's.
func s3Line(options ...string) string {
	return strings.Join(append([]string{"alice s3-key", s3ID, s3Secret, root(1).Reveal()}, options...), " ")
}

func TestS3Keys(t *testing.T) {
	t.Parallel()
	_, text := edKey(t, 1)
	f := open(t, write(t, "alice "+cheap+" "+root(1).Reveal()+" quota=5GiB", s3Line("quota=1GiB", "pad=pow2"),
		"alice s3-key reader readersecret "+root(1).Reveal()+" readonly=yes from=10.0.0.0/8 expires=2030-01-01T00:00:00Z",
		"alice s3-key off offsecret "+root(1).Reveal()+" disabled=yes", "alice "+text+" "+root(1).Reveal(),
		"bob s3-key bob.key_1-2 bobsecret "+root(2).Reveal()))
	a, secret, err := f.S3Key(t.Context(), s3ID)
	must(t, err)
	if a.Name != "alice" || !caps.Equal(a.Root, root(1)) || string(secret) != s3Secret || a.Policy().MaxBytes != 1<<30 {
		t.Errorf("%v, secret right: %t, policy %+v", a, string(secret) == s3Secret, a.Policy())
	}
	secret[0] = 'x'
	if _, again, _ := f.S3Key(t.Context(), s3ID); string(again) != s3Secret {
		t.Error("what is given out is not the caller's own")
	}
	a, _, err = f.S3Key(t.Context(), "reader")
	must(t, err)
	if a.Root.Authority() != caps.AuthorityRead {
		t.Errorf("a read-only key's root has authority %v", a.Root.Authority())
	}
	now := time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := a.Check(netip.MustParseAddr("10.1.2.3"), now); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"another address": a.Check(netip.MustParseAddr("11.1.2.3"), now),
		"too late":        a.Check(netip.MustParseAddr("10.1.2.3"), now.AddDate(1, 0, 0)),
	} {
		if kind.Of(err) != kind.Denied {
			t.Errorf("%s: %v", what, err)
		}
	}
	for id, want := range map[string]kind.Kind{"off": kind.Denied, "tkabcdef": kind.NotExist, "": kind.NotExist, s3ID + " ": kind.NotExist, s3Secret: kind.NotExist} {
		if _, secret, err := f.S3Key(t.Context(), id); kind.Of(err) != want || secret != nil {
			t.Errorf("key %q: %v, want %v", id, err, want)
		}
	}
	if p := f.OwnerPolicy("alice"); p.MaxBytes != 1<<30 || p.Pad != "pow2" {
		t.Errorf("alice's policy is %+v", p)
	}
	if p := f.OwnerPolicy("nobody"); p != (accounts.Policy{}) {
		t.Errorf("nobody's policy is %+v", p)
	}
}

// An access key is no login by SSH, and makes none less.
func TestS3KeysAreForS3Only(t *testing.T) {
	t.Parallel()
	wire, text := edKey(t, 1)
	f := open(t, write(t, "alice "+text+" "+root(1).Reveal(), s3Line("expires=20200101", "from=10.0.0.0/8"),
		"bob s3-key bobkey bobsecret "+root(2).Reveal(), "carol "+cheap+" "+root(3).Reveal()))
	for _, try := range []string{s3Secret, s3ID, "s3-key", "bobsecret"} {
		for _, name := range []string{"alice", "bob", s3ID} {
			if logsIn(t, f, name, try) {
				t.Errorf("%s logs in by %q", name, try)
			}
		}
	}
	a, err := f.Authenticate(t.Context(), "alice", accounts.PublicKey(wire))
	must(t, err)
	if err := a.Check(netip.MustParseAddr("192.0.2.1"), time.Now()); err != nil {
		t.Errorf("the options of an access key hold for SSH: %v", err)
	}
	if _, err := f.Authenticate(t.Context(), "bob", accounts.PublicKey(wire)); kind.Of(err) != kind.Denied {
		t.Errorf("bob by alice's key: %v", err)
	}
}

func TestBadS3Lines(t *testing.T) {
	t.Parallel()
	r := root(1).Reveal()
	tests := map[string]string{
		"alice s3-key " + r:                                                    "NAME s3-key ACCESSKEYID SECRET ROOTCAP",
		"alice s3-key TKABC " + r:                                              "NAME s3-key ACCESSKEYID SECRET ROOTCAP",
		"alice s3-key TKABC secretsecret more " + r:                            "NAME s3-key ACCESSKEYID SECRET ROOTCAP",
		"alice s3-key TK secretsecret " + r:                                    "an access key id has 3 to 128",
		"alice s3-key " + strings.Repeat("x", 129) + " secretsecret " + r:      "an access key id has 3 to 128",
		"alice s3-key a/b secretsecret " + r:                                   "an access key id has 3 to 128",
		"alice s3-key a,b secretsecret " + r:                                   "an access key id has 3 to 128",
		"alice s3-key ünï secretsecret " + r:                                   "an access key id has 3 to 128",
		"alice s3-key TKABC short77 " + r:                                      "has 8 to 128 bytes",
		"alice s3-key TKABC " + strings.Repeat("y", 129) + " " + r:             "has 8 to 128 bytes",
		"alice s3-key TKABC sécrétsécrét " + r:                                 "is ASCII",
		"alice s3-key TKABC secretsecret " + r + " sessions=3":                 "are for SSH",
		"alice s3-key TKABC secretsecret " + r + " rate=1MiB":                  "are for SSH",
		"alice s3-key TKABC secretsecret " + r + " also=password":              "also is for SSH",
		"alice s3-key TKABC secretsecret " + r + " touch=no":                   "are for SSH keys",
		"alice s3-key TKABC secretsecret " + r + " disabled=maybe":             "yes or no",
		"alice " + cheap + " " + r + " disabled=yes":                           "disabled is for access keys",
		s3Line() + "\nbob s3-key " + s3ID + " othersecret " + root(2).Reveal(): "stands on line 1 already",
		s3Line() + "\nalice s3-key second othersecret " + root(2).Reveal():     "another root capability",
		"alice s3-key " + s3ID + " " + s3Secret + " URI:LIT:krugkidfnzsc4":     "of a file",
	}
	for text, want := range tests {
		_, err := accounts.OpenFile(write(t, text), accounts.Options{})
		if kind.Of(err) != kind.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
		for _, s := range []string{"secretsecret", s3Secret, "othersecret", "sécrét", r} {
			if err != nil && strings.Contains(err.Error(), s) {
				t.Errorf("the error shows %q: %v", s, err)
			}
		}
	}
}

func TestEditS3Keys(t *testing.T) {
	t.Parallel()
	path := write(t, "# mine", "alice "+cheap+" "+root(1).Reveal()+" quota=5GiB readonly=no pad=4096", "bob "+cheap+" "+root(2).Reveal())
	edit := func(change func(*accounts.Editor) error) error { return accounts.Edit(path, change) }
	must(t, edit(func(e *accounts.Editor) error {
		return e.AddS3Key("alice", s3ID, s3Secret, root(1), e.PolicyOptions("alice")...)
	}))
	f := open(t, path)
	a, _, err := f.S3Key(t.Context(), s3ID)
	must(t, err)
	if a.Policy() != (accounts.Policy{MaxBytes: 5 << 30, Pad: "4096"}) {
		t.Errorf("policy %+v", a.Policy())
	}
	refused := map[string]struct {
		change func(*accounts.Editor) error
		want   kind.Kind
	}{
		"a key that is there": {func(e *accounts.Editor) error { return e.AddS3Key("bob", s3ID, s3Secret, root(2)) }, kind.Exist},
		"another root":        {func(e *accounts.Editor) error { return e.AddS3Key("alice", "second", s3Secret, root(2)) }, kind.Conflict},
		"a bad id":            {func(e *accounts.Editor) error { return e.AddS3Key("alice", "a b", s3Secret, root(1)) }, kind.Invalid},
		"a bad option":        {func(e *accounts.Editor) error { return e.AddS3Key("alice", "second", s3Secret, root(1), "rate=1MiB") }, kind.Invalid},
		"no key to remove":    {func(e *accounts.Editor) error { return e.RemoveS3Key("alice", "second") }, kind.NotExist},
		"another's key":       {func(e *accounts.Editor) error { return e.RemoveS3Key("bob", s3ID) }, kind.NotExist},
		"another's to end":    {func(e *accounts.Editor) error { return e.DisableS3Key("bob", s3ID, true) }, kind.NotExist},
	}
	for what, tt := range refused {
		if err := edit(tt.change); kind.Of(err) != tt.want {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, edit(func(e *accounts.Editor) error { return e.DisableS3Key("alice", s3ID, true) }))
	must(t, f.Reload())
	if _, _, err := f.S3Key(t.Context(), s3ID); kind.Of(err) != kind.Denied {
		t.Errorf("a disabled key: %v", err)
	}
	if keys := f.Accounts()[0].S3Keys; len(keys) != 1 || !keys[0].Disabled || keys[0].ID != s3ID {
		t.Errorf("%+v", keys)
	}
	must(t, edit(func(e *accounts.Editor) error { return e.DisableS3Key("alice", s3ID, false) }))
	must(t, edit(func(e *accounts.Editor) error { return e.SetPassword("alice", cheap) })) // beside an access key
	must(t, f.Reload())
	if _, _, err := f.S3Key(t.Context(), s3ID); err != nil || !logsIn(t, f, "alice", "s3same") {
		t.Errorf("an enabled key: %v", err)
	}
	must(t, edit(func(e *accounts.Editor) error { return e.RemoveS3Key("alice", s3ID) }))
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), s3ID) || !strings.HasPrefix(string(text), "# mine\nalice ") {
		t.Errorf("%v, %.80s", err, text)
	}
}

// However many requests come, the files are looked at only now and then, and what
// they say is known to the next request after that.
func TestS3KeysGlance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := write(t, s3Line())
		f := open(t, path)
		for _, disabled := range []bool{false, true, false, true} {
			must(t, accounts.Edit(path, func(e *accounts.Editor) error { return e.DisableS3Key("alice", s3ID, disabled) }))
			time.Sleep(5 * time.Millisecond)
			for range 3 {
				if _, _, err := f.S3Key(t.Context(), s3ID); (kind.Of(err) == kind.Denied) != disabled {
					t.Errorf("disabled: %t, and S3Key says %v", disabled, err)
				}
			}
		}
		// No time has passed since.
		must(t, accounts.Edit(path, func(e *accounts.Editor) error { return e.DisableS3Key("alice", s3ID, false) }))
		if _, _, err := f.S3Key(t.Context(), s3ID); kind.Of(err) != kind.Denied {
			t.Errorf("the file was looked at again at once: %v", err)
		}
	})
}

// The last line of an account holds its root, without which its files are lost.
func TestLastS3KeyStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts")
	must(t, accounts.Edit(path, func(e *accounts.Editor) error { return e.AddS3Key("alice", s3ID, s3Secret, root(1)) }))
	err := accounts.Edit(path, func(e *accounts.Editor) error { return e.RemoveS3Key("alice", s3ID) })
	if !errors.Is(err, kind.Denied) {
		t.Errorf("the last login: %v", err)
	}
	must(t, accounts.Edit(path, func(e *accounts.Editor) error { return e.AddPassword("alice", cheap, root(1)) }))
	must(t, accounts.Edit(path, func(e *accounts.Editor) error { return e.RemoveS3Key("alice", s3ID) }))
}

func TestNewS3Key(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		id, secret := accounts.NewS3Key()
		if len(id) != 20 || len(secret) != 40 || seen[id] || seen[secret] {
			t.Fatalf("%d and %d characters, or one twice", len(id), len(secret))
		}
		seen[id], seen[secret] = true, true
		f := open(t, write(t, "alice s3-key "+id+" "+secret+" "+root(1).Reveal()))
		if _, _, err := f.S3Key(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

func TestS3SecretIsNotShown(t *testing.T) {
	t.Parallel()
	path := write(t, s3Line())
	var log logBuffer
	f, err := accounts.OpenFile(path, accounts.Options{Log: log.logger()})
	must(t, err)
	a, _, err := f.S3Key(t.Context(), s3ID)
	must(t, err)
	var editor *accounts.Editor
	must(t, accounts.Edit(path, func(e *accounts.Editor) error { editor = e; return nil }))
	rewrite(t, path, s3Line("disabled=perhaps"))
	f.Refresh()
	text := log.String()
	for _, v := range []any{a, f, f.Accounts(), editor, *editor} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
			text += fmt.Sprintf(verb, v)
		}
	}
	for _, s := range []string{s3Secret, s3Secret[5:20], fmt.Sprintf("%x", s3Secret), root(1).Reveal()[10:40]} {
		if strings.Contains(text, s) {
			t.Errorf("%q is shown", s)
		}
	}
}
