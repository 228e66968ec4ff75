package accounts

import (
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

var (
	testRoot = caps.OfSlotWrite(caps.NewSlotWrite(caps.SlotDirectory, caps.KeyOf([32]byte{9}))).Reveal()
	testFile = "URI:LIT:krugkidfnzsc4"
)

const (
	// The bytes 0 to 31 as a public key.
	ed25519Key  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	sha256Salt  = "c2FsdHNhbHQ"
	sha256Bytes = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
)

// wireKey renders a key of ssh's own encoding.
func wireKey(v any) string { return base64.StdEncoding.EncodeToString(ssh.Marshal(v)) }

func rsaKey(bits int) string {
	n := make([]byte, bits/8+1)
	n[1], n[len(n)-1] = 0x80, 1
	return wireKey(struct {
		Type string
		E    []byte
		N    []byte
	}{"ssh-rsa", []byte{1, 0, 1}, n})
}

func skKey() string {
	return wireKey(struct {
		Type string
		Key  []byte
		App  string
	}{"sk-ssh-ed25519@openssh.com", make([]byte, 32), "ssh:"})
}

func argon(cost string) string {
	return "$argon2id$v=19$" + cost + "$" + sha256Salt + "$" + sha256Bytes
}

func TestGoodLines(t *testing.T) {
	t.Parallel()
	for _, proof := range []string{
		"password", "$ecret", "a=b", "readonly=yes", "URI:x", "pässword",
		argon("m=65536,t=3,p=4"), argon("m=262144,t=4,p=16"), argon("m=8,t=1,p=1"),
		"$2b$10$" + strings.Repeat("a", 53), "$2y$04$" + strings.Repeat("a", 53),
		ed25519Key, ed25519Key + " key=value in a comment", ed25519Key + " " + testRoot,
		"ssh-rsa " + rsaKey(2048), "ssh-rsa " + rsaKey(16384),
		"sk-ssh-ed25519@openssh.com " + skKey(),
		"s3-key TKABC secret/+secret==", "s3-key a.b-c_d !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~",
	} {
		text := "alice " + proof + " " + testRoot + " readonly=yes"
		l, err := parseLine(text)
		if err != nil {
			t.Errorf("%.40q: %v", proof, err)
			continue
		}
		if got := l.text(); got != text {
			t.Errorf("printed as %q, want %q", got, text)
		}
		if !l.limits.readOnly {
			t.Errorf("%.40q: the option is lost", proof)
		}
	}
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	tests := []struct{ line, want string }{
		{"alice", "a line is NAME"},
		{"alice " + testRoot, "a line is NAME"},
		{"alice readonly=yes readonly=yes", "a line is NAME"},
		{"alice pw", "a line is NAME"},
		{"alice pw two " + testRoot, "too many words"},
		{"alice pw " + testRoot + " comment", "too many words"},
		{"a:b pw " + testRoot, "':'"},
		{strings.Repeat("a", 129) + " pw " + testRoot, "128"},
		{"alice p\x00w " + testRoot, "control character"},
		{"alice p\xffw " + testRoot, "UTF-8"},
		{"\ufeffalice pw " + testRoot, "byte order mark"},
		{"alice " + strings.Repeat("p", 1025) + " " + testRoot, "longer than"},

		{"alice pw URI:DIR3:abc", "malformed URI:DIR3"},
		{"alice pw " + testRoot[:len(testRoot)-1], "malformed URI:DIR3"},
		{"alice pw " + testRoot + "x", "malformed URI:DIR3"},
		{"alice pw " + testFile, "of a file"},
		{"alice pw " + verifyText(t), "only verifies"},
		{"alice pw URI:FUTURE:abc", "no root capability"},
		{"alice pw hunter2", "no root capability"},
		{"alice " + ed25519Key + " me@home", "no root capability"},

		{"alice pw " + testRoot + " redonly=yes", "did you mean readonly?"},
		{"alice pw " + testRoot + " colour=5", "word 4 is an unknown option; known are: readonly"},
		{"alice pw " + testRoot + " quota=0", "option quota: it is more than 0"},
		{"alice pw " + testRoot + " quota=-1", "option quota: "},
		{"alice pw " + testRoot + " files=0", "option files: it is a whole number from 1"},
		{"alice pw " + testRoot + " dedup=all", "option dedup: it is account or no"},
		{"alice pw " + testRoot + " pad=8192", "option pad: it is 4096, pow2 or no"},
		{"alice pw " + testRoot + " readonly=maybe", "option readonly: it is yes or no"},
		{"alice pw " + testRoot + " readonly=%zz", "two hex digits"},
		{"alice pw " + testRoot + " readonly=%f", "two hex digits"},
		{"alice pw " + testRoot + " readonly=%ff", "not UTF-8"},
		{"alice pw " + testRoot + " readonly=no readonly=no", "twice"},

		{"alice ssh-ed25519 " + testRoot, "public key is missing"},
		{"alice ssh-sesame " + testRoot, "a password may not begin with ssh-"},
		{"alice ssh-ed25591 AAAA " + testRoot, "did you mean ssh-ed25519?"},
		{"alice ssh-foobarbaz AAAA " + testRoot, "unknown key type"},
		{"alice ssh-dss AAAA " + testRoot, "DSA"},
		{"alice ssh-ed25519-cert-v01@openssh.com AAAA " + testRoot, "certificates"},
		{"alice ssh-ed25519 !!!! " + testRoot, "not base64"},
		{"alice " + ed25519Key[:60] + " " + testRoot, "damaged, cut short"},
		{"alice ssh-rsa " + strings.Fields(ed25519Key)[1] + " " + testRoot, "not of the type"},
		{"alice ssh-rsa " + rsaKey(1024) + " " + testRoot, "1024 bits"},
		{"alice ssh-rsa " + rsaKey(16400) + " " + testRoot, "too large"},

		{"alice $1$salt$hash " + testRoot, "not supported"},
		{"alice $6$salt$hash " + testRoot, "not supported"},
		{"alice $argon2i$v=19$m=8,t=1,p=1$aaaa$aaaa " + testRoot, "not supported"},
		{"alice $2x$10$" + strings.Repeat("a", 53) + " " + testRoot, "not supported"},
		{"alice $2b$10$short " + testRoot, "not of the form"},
		{"alice $2b$31$" + strings.Repeat("a", 53) + " " + testRoot, "cost"},
		{"alice " + argon("m=4294967295,t=1,p=1") + " " + testRoot, "costs more"},
		{"alice " + argon("m=9999999999,t=1,p=1") + " " + testRoot, "32-bit"},
		{"alice " + argon("m=65536,t=4294967295,p=1") + " " + testRoot, "costs more"},
		{"alice " + argon("m=65536,t=1,p=255") + " " + testRoot, "costs more"},
		{"alice " + argon("m=8,t=1,p=2") + " " + testRoot, "costs more"},
		{"alice " + argon("m=08,t=1,p=1") + " " + testRoot, "not of the form"},
		{"alice $argon2id$m=8,t=1,p=1$c2FsdHNhbHQ$" + sha256Bytes + " " + testRoot, "not of the form"},
		{"alice $argon2id$v=19$m=8,t=1,p=1$YQ$" + sha256Bytes + " " + testRoot, "base64 of 8 to 64"},
	}
	for _, tt := range tests {
		_, err := parseLine(tt.line)
		if err == nil {
			t.Errorf("%.60q is accepted", tt.line)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: %v, want %q in it", tt.line, err, tt.want)
		}
		for _, word := range strings.Fields(tt.line)[1:] {
			if len(word) > 5 && !strings.HasPrefix(word, "ssh-") && strings.Contains(err.Error(), word) {
				t.Errorf("the error shows %q: %v", word, err)
			}
		}
	}
}

func verifyText(t *testing.T) string {
	t.Helper()
	c, err := caps.Parse(testRoot)
	if err != nil {
		t.Fatal(err)
	}
	v, ok := c.Verify()
	if !ok {
		t.Fatal("no verify capability")
	}
	return v.Reveal()
}

func TestMistakesNameFileAndLine(t *testing.T) {
	t.Parallel()
	good := "alice pw " + testRoot
	tests := []struct{ file, want string }{
		{"# c\n\n" + good + "\nbob\n", "dir/accounts:4: a line is NAME"},
		{"bob\nbob\n" + good + "\n", "dir/accounts:1: a line is NAME PASSWORD ROOTCAP or NAME KEYTYPE KEY [COMMENT] ROOTCAP (and 1 more mistakes)"},
		{good + "\n\nalice pw2 " + testRoot, `dir/accounts:3: "alice" has a password already, on line 1`},
		{good + "\nalice " + ed25519Key + " " + readText(t), `dir/accounts:2: "alice" has another root capability than on line 1`},
		{strings.Repeat("x", maxLine+1), "dir/accounts:1: the line is longer"},
	}
	for _, tt := range tests {
		_, err := parseDocument("dir/accounts", []byte(tt.file))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		if kind.Of(err) != kind.Invalid {
			t.Errorf("kind of %v is %v", err, kind.Of(err))
		}
	}
}

func readText(t *testing.T) string {
	t.Helper()
	c, _ := caps.Parse(testRoot)
	r, ok := caps.AtMost(c, caps.AuthorityRead)
	if !ok {
		t.Fatal("no read capability")
	}
	return r.Reveal()
}

func TestByteOrderMarkAndCRLF(t *testing.T) {
	t.Parallel()
	d, err := parseDocument("accounts", []byte("\xef\xbb\xbf# c\r\nalice pw "+testRoot+"\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSet(d, []byte("key"))
	if len(s.names) != 1 || s.names[0] != "alice" {
		t.Errorf("names %q", s.names)
	}
}

// FuzzParseLine: nothing crashes, no error shows the line's secrets, and what
// parses prints back to a line that parses to the same.
func FuzzParseLine(f *testing.F) {
	for _, s := range []string{
		"alice password " + testRoot,
		"alice " + argon("m=65536,t=3,p=4") + " " + testRoot + " readonly=yes",
		"alice $2b$10$" + strings.Repeat("a", 53) + " " + testRoot,
		"bob " + ed25519Key + " me@home " + testRoot + " readonly=%79es",
		"bob ssh-rsa " + rsaKey(2048) + " " + testRoot,
		"bob sk-ssh-ed25519@openssh.com " + skKey() + " " + testRoot,
		"carol pw URI:DIR2-LIT:",
		"\u2003x\u0085 y ro." + testRoot,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLine(text)
		if err != nil {
			return
		}
		printed := l.text()
		again, err := parseLine(printed)
		if err != nil {
			t.Fatalf("%q parses, %q, which it prints as, doesn't: %v", text, printed, err)
		}
		if again.text() != printed {
			t.Fatalf("%q prints as %q, that as %q", text, printed, again.text())
		}
		if strings.Join(strings.Fields(text), " ") != printed && !strings.Contains(text, "ro.") && !strings.Contains(text, "imm.") {
			t.Fatalf("%q prints as %q", text, printed)
		}
	})
}
