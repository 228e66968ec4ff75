package caps_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Texts that are read, and what they are printed as.
func TestLenientTextsPrintCanonically(t *testing.T) {
	t.Parallel()
	chk := chkKey + ":" + ueb3
	mdmf := write1 + ":" + print2
	huge := strings.Repeat("9", 200)
	for text, want := range map[string]string{
		"URI:CHK:" + chk + ":003:0010:00":                          "URI:CHK:" + chk + ":3:10:0",
		"URI:CHK:" + chk + ":0:0:0":                                "URI:CHK:" + chk + ":0:0:0",
		"URI:CHK:" + chk + ":11:10:5":                              "URI:CHK:" + chk + ":11:10:5",
		"URI:CHK:" + chk + ":1:1:" + huge:                          "URI:CHK:" + chk + ":1:1:" + huge,
		"URI:CHK-Verifier:" + chk + ":3:10:01234 and more\n":       "URI:CHK-Verifier:" + chk + ":3:10:1234",
		"URI:DIR2-CHK-Verifier:" + chk + ":3:10:1234:extension":    "URI:DIR2-CHK-Verifier:" + chk + ":3:10:1234",
		"URI:MDMF:" + mdmf + ":":                                   "URI:MDMF:" + mdmf,
		"URI:MDMF:" + mdmf + ":3:131073":                           "URI:MDMF:" + mdmf,
		"URI:MDMF-RO:" + mdmf + ":any thing\n:at all":              "URI:MDMF-RO:" + mdmf,
		"URI:MDMF-Verifier:" + mdmf + ":x":                         "URI:MDMF-Verifier:" + mdmf,
		"URI:DIR2-MDMF:" + mdmf + ":3:131073":                      "URI:DIR2-MDMF:" + mdmf,
		"URI:DIR2-MDMF-RO:" + mdmf + ":x":                          "URI:DIR2-MDMF-RO:" + mdmf,
		"URI:DIR2-MDMF-Verifier:" + mdmf + ":x":                    "URI:DIR2-MDMF-Verifier:" + mdmf,
		"ro.URI:SSK-RO:" + mdmf:                                    "URI:SSK-RO:" + mdmf,
		"imm.URI:CHK:" + chk + ":3:10:1234":                        "URI:CHK:" + chk + ":3:10:1234",
		"ro.URI:LIT:":                                              "URI:LIT:",
		"ro.URI:FILE3:" + zeros52 + ":" + ueb3 + ":255:1":          "URI:FILE3:" + zeros52 + ":" + ueb3 + ":255:1",
		"URI:FILE3:" + zeros52 + ":" + ueb3 + ":7:" + sizeLimit(0): "URI:FILE3:" + zeros52 + ":" + ueb3 + ":7:" + sizeLimit(0),
	} {
		c, err := caps.Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got := c.Reveal(); got != want {
			t.Errorf("Parse(%q) prints %q, want %q", text, got, want)
		}
		if _, unknown := c.(caps.Unknown); unknown {
			t.Errorf("Parse(%q) is unknown", text)
		}
	}
}

// sizeLimit is the largest size that a file may have, plus n.
func sizeLimit(n uint64) string { return strconv.FormatUint(math.MaxInt64+n, 10) }

func TestMalformedTextsAreInvalid(t *testing.T) {
	t.Parallel()
	g := knownAnswers(t)
	slot, file, frozen := g.Slots[0], g.Files[2], g.Frozen[1]
	key, root := file.Read[len("URI:FILE3:"):][:52], ueb3
	for name, text := range map[string]string{
		"LIT of no length that bytes have": "URI:LIT:a",
		"LIT with spare bits":              "URI:LIT:ab",
		"LIT in upper case":                "URI:LIT:NBSWY3DP",
		"LIT with padding":                 "URI:LIT:ae======",
		"LIT with a line end":              "URI:LIT:nbsw\ny3dp",
		"LIT with a line end behind":       "URI:LIT:nbswy3dp\n",
		"LIT with a digit not in base32":   "URI:LIT:nbswy3d1",
		"CHK without fields":               "URI:CHK:",
		"CHK with spare bits in the key":   "URI:CHK:" + chkKey[:25] + "5:" + ueb3 + ":3:10:1234",
		"CHK with spare bits in the hash":  "URI:CHK:" + chkKey + ":" + ueb3[:51] + "r:3:10:1234",
		"CHK with a short key":             "URI:CHK:" + chkKey[:24] + ":" + ueb3 + ":3:10:1234",
		"CHK with a short hash":            "URI:CHK:" + chkKey + ":" + ueb3[:48] + ":3:10:1234",
		"CHK with a field too few":         "URI:CHK:" + chkKey + ":" + ueb3 + ":3:10",
		"CHK with a field too many":        "URI:CHK:" + chkKey + ":" + ueb3 + ":3:10:1234:",
		"CHK with an empty number":         "URI:CHK:" + chkKey + ":" + ueb3 + ":3::1234",
		"CHK with a sign":                  "URI:CHK:" + chkKey + ":" + ueb3 + ":3:10:+1234",
		"CHK with another script's digit":  "URI:CHK:" + chkKey + ":" + ueb3 + ":3:10:٣",
		"CHK with a line end":              "URI:CHK:" + chkKey + ":" + ueb3 + ":3:10:1234\n",
		"CHK verifier without a size":      "URI:CHK-Verifier:" + chkKey + ":" + ueb3 + ":3:10:x",
		"CHK verifier with junk inside":    "URI:CHK-Verifier:" + chkKey + ":" + ueb3 + ":3:10 :1234",
		"SSK with a line end":              "URI:SSK:" + write1 + ":" + print2 + "\n",
		"SSK with an extension":            "URI:SSK:" + write1 + ":" + print2 + ":3:131073",
		"SSK-RO with an empty extension":   "URI:SSK-RO:" + write1 + ":" + print2 + ":",
		"DIR2 with an extension":           "URI:DIR2:" + write1 + ":" + print2 + ":x",
		"DIR2 without fingerprint":         "URI:DIR2:" + write1,
		"MDMF with an extension unmarked":  "URI:MDMF:" + write1 + ":" + print2 + "x",
		"MDMF with a line end":             "URI:MDMF:" + write1 + ":" + print2 + "\n",
		"SSK with a read key's length":     "URI:SSK:" + print2 + ":" + print2,
		"prefix before a malformed one":    "ro.URI:LIT:a",

		"DIR3 with a wrong check":           slot.Write[:len(slot.Write)-1] + other(slot.Write[len(slot.Write)-1]),
		"DIR3 with a wrong seed":            "URI:DIR3:b" + slot.Write[len("URI:DIR3:")+1:],
		"DIR3 with a MUT3's check":          "URI:MUT3:" + slot.Write[len("URI:DIR3:"):],
		"DIR3 without check":                slot.Write[:len(slot.Write)-9],
		"DIR3 with a longer check":          slot.Write + "aaaaaaaa",
		"DIR3 with spare bits":              "URI:DIR3:" + slot.Write[9:60] + "b" + slot.Write[61:],
		"DIR3 in upper case":                "URI:DIR3:" + strings.ToUpper(slot.Write[9:]),
		"DIR3 with another field":           slot.Write + ":",
		"DIR3 with a line end":              slot.Write + "\n",
		"DIR3-RO with a short id":           slot.Read[:len(slot.Read)-2],
		"DIR3-RO with another field":        slot.Read + ":1",
		"DIR3-Verifier with spare":          slot.VerifyText[:len(slot.VerifyText)-1] + "b",
		"FILE3 of nothing":                  "URI:FILE3:" + key + ":" + root + ":255:0",
		"FILE3 too large":                   "URI:FILE3:" + key + ":" + root + ":7:" + sizeLimit(1),
		"FILE3 with zeros before":           "URI:FILE3:" + key + ":" + root + ":7:01",
		"FILE3 with a sign":                 "URI:FILE3:" + key + ":" + root + ":7:+1",
		"FILE3 with an underscore":          "URI:FILE3:" + key + ":" + root + ":7:1_000",
		"FILE3 without a size":              "URI:FILE3:" + key + ":" + root + ":7:",
		"FILE3 with a field too few":        "URI:FILE3:" + key + ":" + root + ":7",
		"FILE3 with a field too many":       file.Read + ":1",
		"FILE3 at level 8":                  "URI:FILE3:" + key + ":" + root + ":8:1",
		"FILE3 at level 254":                "URI:FILE3:" + key + ":" + root + ":254:1",
		"FILE3 at level 256":                "URI:FILE3:" + key + ":" + root + ":256:1",
		"FILE3 at level 00":                 "URI:FILE3:" + key + ":" + root + ":00:1",
		"FILE3 at level -0":                 "URI:FILE3:" + key + ":" + root + ":-0:1",
		"FILE3 verifier with a chunk's key": "URI:FILE3-Verifier:" + key + ":" + root + ":255:1",
		"DIR3-IMM at level 8":               "URI:DIR3-IMM:" + key + ":" + root + ":8",
		"DIR3-IMM at level 255":             "URI:DIR3-IMM:" + key + ":" + root + ":255",
		"DIR3-IMM at level 01":              "URI:DIR3-IMM:" + key + ":" + root + ":01",
		"DIR3-IMM empty, not a leaf":        "URI:DIR3-IMM:" + key + ":" + zeros52 + ":1",
		"DIR3-IMM with a size":              frozen.Read + ":5",
		"DIR3-IMM without a level":          "URI:DIR3-IMM:" + key + ":" + root,
	} {
		c, err := caps.Parse(text)
		if kind.Of(err) != kind.Invalid || c != nil {
			t.Errorf("%s: Parse = %v, %v; want Invalid", name, c, err)
			continue
		}
		wantSilent(t, err)
	}
}

// other is another character of base32.
func other(c byte) string {
	if c == 'a' {
		return "b"
	}
	return "a"
}

var parseErrors = caps.ParseErrors()

// wantSilent checks that err shows nothing of the text given, by its being
// one of a fixed list.
func wantSilent(t *testing.T, err error) {
	t.Helper()
	if !parseErrors[err.Error()] {
		t.Errorf("%q is no known parse error: does it show the text given?", err)
	}
}

func TestUnknownTextsAreKept(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "URI:", "URI:LIT", "uri:LIT:nbswy3dp", "URI:lit:nbswy3dp", "URI:Lit:nbswy3dp", " URI:LIT:nbswy3dp",
		"URI:DIR:" + write1 + ":" + print2, "URI:DIR2-LIT-Verifier:", "URI:LIT-Verifier:", "URI:LIT-RO:",
		"URI:CHK-RO:" + chkKey, "URI:DIR4:abc", "URI:DIR3-IMM-RO:abc", "URI:FILE3-RO:abc",
		"http://127.0.0.1:3456/uri/URI:LIT:nbswy3dp", "ro.", "imm.", "ro.URI:FUTURE:x", "imm.URI:FUTURE:x",
		"ro.ro.URI:LIT:", "ro.imm.URI:LIT:", "imm.ro.URI:LIT:", "imm.imm.URI:LIT:", "RO.URI:LIT:", "\xff\xfe",
		"x-tahoe-future-test-writeable:a",
	} {
		c, err := caps.Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		u, ok := c.(caps.Unknown)
		if !ok || u.Reveal() != text || u.Authority() != caps.AuthorityNone || u.Form() != caps.FormUnknown || u.IsDir() || !u.Index().IsZero() {
			t.Errorf("Parse(%q) = %v, want it opaque", text, c)
		}
		if _, ok := u.Verify(); ok {
			t.Errorf("%q has a verify capability", text)
		}
		if want := strings.HasPrefix(text, "imm."); u.Immutable() != want {
			t.Errorf("%q: Immutable is not %v", text, want)
		}
		if want := strings.HasPrefix(text, "imm.") || strings.HasPrefix(text, "ro."); u.ReadOnly() != want {
			t.Errorf("%q: ReadOnly is not %v", text, want)
		}
	}
}

func TestIndexBytes(t *testing.T) {
	t.Parallel()
	if b := mustParse(t, "URI:SSK:"+write1+":"+print2).Index().Bytes(); len(b) != 16 {
		t.Errorf("a storage index of %d bytes", len(b))
	}
	slot := knownAnswers(t).Slots[0]
	i := mustParse(t, slot.Write).Index()
	if b := i.Bytes(); string(b) != string(unhex(t, slot.SlotID)) {
		t.Errorf("a slot's index is not its id")
	}
	if i != mustParse(t, slot.VerifyText).Index() {
		t.Error("write and verify capability have different indexes")
	}
	if b := (caps.Index{}).Bytes(); b != nil {
		t.Error("the zero Index has bytes")
	}
}
