package accounts

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		list, address string
		in            bool
	}{
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.8", false},
		{"192.0.2.7", "::ffff:192.0.2.7", true},
		{"10.0.0.0/8,2001:db8::/32", "2001:db8:5::1", true},
		{"10.0.0.0/8,!10.1.0.0/16", "10.2.0.1", true},
		{"10.0.0.0/8,!10.1.0.0/16", "10.1.0.1", false},
		{"!10.1.0.0/16,0.0.0.0/0", "10.1.0.1", false},
		{"::/0", "10.1.0.1", false},
		{"fe80::/10", "fe80::1%eth0", true},
	} {
		l, err := parseAddresses(tt.list)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.hold(netip.MustParseAddr(tt.address)); got != tt.in {
			t.Errorf("%s in %s: %t", tt.address, tt.list, got)
		}
	}
	l, _ := parseAddresses("0.0.0.0/0,::/0")
	if l.hold(netip.Addr{}) {
		t.Error("a client without an address is in the list of all")
	}
	for _, bad := range []string{"", "host.example", "10.1.2.3/8", "!10.0.0.0/8", "10.0.0.0/33", "1.2.3.4,,5.6.7.8", "::ffff:1.2.3.4/120", "10.*"} {
		if _, err := parseAddresses(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"20300102":             time.Date(2030, 1, 2, 0, 0, 0, 0, time.Local),
		"20300102Z":            time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC),
		"203001021504Z":        time.Date(2030, 1, 2, 15, 4, 0, 0, time.UTC),
		"20300102150405":       time.Date(2030, 1, 2, 15, 4, 5, 0, time.Local),
		"2030-01-02T15:04:05Z": time.Date(2030, 1, 2, 15, 4, 5, 0, time.UTC),
	} {
		got, err := parseExpiry(text)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		a := Account{limits: limits{expires: got}}
		if a.Check(netip.Addr{}, want.Add(-time.Second)) != nil || a.Check(netip.Addr{}, want) == nil {
			t.Errorf("%s: not in force to the second", text)
		}
	}
	for _, bad := range []string{"", "2030", "20301301", "20300102ZZ", "tomorrow"} {
		if _, err := parseExpiry(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]int64{"10MiB": {10 << 20, 10 << 20}, "1MB/64KiB": {1e6, 64 << 10}, "16384": {16384, 16384}} {
		if up, down, err := parseRate(text); err != nil || up != want[0] || down != want[1] {
			t.Errorf("%s: %d, %d, %v", text, up, down, err)
		}
	}
	for _, bad := range []string{"", "0", "-1", "1KiB", "10MiB/", "10MiB/1", "9999999999TiB", "1.5MiB"} {
		if _, _, err := parseRate(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// What contradicts itself is an error with its line.
func TestContradictions(t *testing.T) {
	t.Parallel()
	sk := "sk-ssh-ed25519@openssh.com " + skKey()
	for _, tt := range []struct{ file, want string }{
		{"bob pw ROOT touch=no", "f:1: cert-authority, principals, touch and verify are for keys"},
		{"bob pw ROOT verify=yes", "verify are for keys"},
		{"bob KEY ROOT verify=yes", "for security keys"},
		{"bob " + sk + " ROOT verify=maybe", "yes or no"},
		{"bob s3-key AKID secretsecret ROOT verify=yes", "this is an access key"},
		{"bob pw ROOT cert-authority=yes", "are for keys"},
		{"bob pw ROOT also=password", "the other kind of proof"},
		{"bob KEY ROOT also=key", "the other kind of proof"},
		{"bob KEY ROOT also=luck", "password or key"},
		{"bob KEY ROOT principals=x", "for cert-authority=yes"},
		{"bob KEY ROOT touch=no", "for security keys"},
		{"bob KEY ROOT also=password", `f:1: also=password, and "bob" has no password`},
		{"bob pw ROOT\nbob KEY ROOT also=password", "f:2: also=password is pointless"},
		{"bob pw ROOT also=key", "f:1: also=key, and no key"},
		{"bob pw ROOT also=key\nbob KEY ROOT", "f:1: also=key, and no key"},
		{"bob KEY ROOT from=nowhere", "option from"},
		{"bob KEY ROOT sessions=0", "option sessions"},

		{"bob pw ROOT also=key\nbob KEY ROOT also=password", ""},
		{"bob " + sk + " ROOT touch=no verify=no", ""},
		{"bob " + sk + " ROOT verify=yes", ""},
		{"bob KEY ROOT cert-authority=yes verify=yes", ""},
		{"bob KEY ROOT cert-authority=yes principals=a,b%20c touch=no", ""},
		{"bob KEY ROOT from=10.0.0.0/8,!10.0.0.1 expires=20300101 sessions=2 handles=9 rate=1MiB", ""},
	} {
		_, err := parseDocument("f", []byte(strings.NewReplacer("ROOT", testRoot, "KEY", ed25519Key).Replace(tt.file)))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.file, err)
		}
	}
}

// Two proofs together allow what both allow.
func TestWith(t *testing.T) {
	t.Parallel()
	d, err := parseDocument("f", []byte(
		"bob pw "+testRoot+" also=key readonly=yes rate=1MiB sessions=9 expires=20300101Z\n"+
			"bob "+ed25519Key+" "+testRoot+" also=password from=10.0.0.0/8 sessions=2 expires=20310101Z\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSet(d, []byte("key"))
	byKey, err := s.byKey("bob", d.rows[1].login.key.wire)
	if err != nil {
		t.Fatal(err)
	}
	byPassword, err := s.byPassword(t.Context(), newGate(), []byte("key"), "bob", []byte("pw"))
	if err != nil {
		t.Fatal(err)
	}
	if byKey.Also() != ByPassword || byPassword.Also() != ByKey {
		t.Fatalf("also %q, %q", byKey.Also(), byPassword.Also())
	}
	both, err := byKey.With(byPassword)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Limits{Sessions: 2, Up: 1 << 20, Down: 1 << 20}); both.Limits() != want {
		t.Errorf("limits %+v, want %+v", both.Limits(), want)
	}
	if both.Root.Authority() != caps.AuthorityRead || both.Also() != "" {
		t.Errorf("root %v, also %q", both.Root, both.Also())
	}
	ten, other := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1")
	early, late := time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 6, 1, 0, 0, 0, 0, time.UTC)
	if both.Check(ten, early) != nil || both.Check(other, early) == nil || both.Check(ten, late) == nil {
		t.Error("address or time of one of the two isn't in force")
	}
	if _, err := byKey.With(Account{Name: "eve", Root: byKey.Root}); err == nil {
		t.Error("proofs of two accounts make one")
	}
}

func TestAuthorizedKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ options, want, fault string }{
		{"", "", ""},
		{`from="10.0.0.0/8,!10.1.1.1" `, "from=10.0.0.0/8,!10.1.1.1", ""},
		{`restrict,no-pty,command="internal-sftp" `, "", ""},
		{`cert-authority,principals="a b,100%",expiry-time="20300101Z" `, "cert-authority=yes principals=a%20b,100%25 expires=20300101Z", ""},
		{`no-touch-required `, "touch=no", ""},
		{`verify-required,no-touch-required `, "verify=yes touch=no", ""},
		{`command="rsync --server" `, "", "internal-sftp"},
		{`from="*.example.org" `, "", "option from"},
		{`environment="A=\"b c\"" `, "", `"environment"`},
		{`permitopen="x:1" `, "", `"permitopen"`},
		{`from="10.0.0.0/8`, "", "doesn't end"},
		{`from=10.0.0.0/8 `, "", "in quotes"},
	} {
		_, options, err := ParseKeyFile([]byte(tt.options + ed25519Key + " me@home\n"))
		if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: %v", tt.options, err)
			continue
		}
		if got := strings.Join(options, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.options, got, tt.want)
		}
		if _, err := parseOptions(options, 1); err != nil {
			t.Errorf("%s: %v", tt.options, err)
		}
	}
}

func BenchmarkParse100000(b *testing.B) {
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&text, "user%d %s me@home %s sessions=2\n", i, ed25519Key, testRoot)
	}
	for b.Loop() {
		if _, err := parseDocument("f", []byte(text.String())); err != nil {
			b.Fatal(err)
		}
	}
}
