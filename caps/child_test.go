package caps_test

import (
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The classes of known capabilities, by what a prefix may claim of them.
func classes(t *testing.T) (writes, mutableReads, anywhere []string) {
	for _, name := range []string{"SSK", "MDMF", "DIR2", "DIR2-MDMF"} {
		writes = append(writes, "URI:"+name+":"+write1+":"+print2)
		mutableReads = append(mutableReads, "URI:"+name+"-RO:"+write1+":"+print2)
		anywhere = append(anywhere, "URI:"+name+"-Verifier:"+write1+":"+print2)
	}
	for _, name := range []string{"CHK", "DIR2-CHK", "CHK-Verifier", "DIR2-CHK-Verifier"} {
		anywhere = append(anywhere, "URI:"+name+":"+chkKey+":"+ueb3+":3:10:1234")
	}
	anywhere = append(anywhere, "URI:LIT:nbswy3dp", "URI:DIR2-LIT:")
	g := knownAnswers(t)
	for _, s := range g.Slots {
		writes = append(writes, s.Write)
		mutableReads = append(mutableReads, s.Read)
		anywhere = append(anywhere, s.VerifyText)
	}
	for _, f := range g.Files {
		anywhere = append(anywhere, f.Read, f.VerifyText)
	}
	for _, f := range g.Frozen {
		anywhere = append(anywhere, f.Read, f.VerifyText)
	}
	return writes, mutableReads, anywhere
}

func TestParseChildHoldsWhatPrefixesClaim(t *testing.T) {
	t.Parallel()
	writes, mutableReads, anywhere := classes(t)
	for _, tt := range []struct {
		class                                       string
		texts                                       []string
		plain, readOnly, immutable, inImmutable, ro bool // accepted: bare, ro., imm., bare and ro. in an immutable directory
	}{
		{"write", writes, true, false, false, false, false},
		{"mutable read", mutableReads, true, true, false, false, false},
		{"immutable or verify", anywhere, true, true, true, true, true},
	} {
		for _, text := range tt.texts {
			for _, c := range []struct {
				text          string
				deepImmutable bool
				ok            bool
			}{
				{text, false, tt.plain},
				{"ro." + text, false, tt.readOnly},
				{"imm." + text, false, tt.immutable},
				{text, true, tt.inImmutable},
				{"ro." + text, true, tt.ro},
				{"imm." + text, true, tt.immutable},
			} {
				got, err := caps.ParseChild(c.text, c.deepImmutable)
				if c.ok {
					if err != nil || got.Reveal() != text {
						t.Errorf("%s: ParseChild(%q, %v): %v", tt.class, c.text, c.deepImmutable, err)
					}
					continue
				}
				if u, unknown := got.(caps.Unknown); !unknown || u.Reveal() != c.text || kind.Of(err) != kind.Invalid {
					t.Errorf("%s: ParseChild(%q, %v) = %v, %v; want it opaque and Invalid", tt.class, c.text, c.deepImmutable, got, err)
				}
			}
		}
	}
}

func TestParseChildKeepsWhatIsMalformed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"URI:LIT:a", "ro.URI:SSK-RO:x", "imm.URI:CHK:"} {
		got, err := caps.ParseChild(text, false)
		if u, ok := got.(caps.Unknown); !ok || u.Reveal() != text || kind.Of(err) != kind.Invalid {
			t.Errorf("ParseChild(%q) = %v, %v; want it opaque and Invalid", text, got, err)
		}
	}
	for _, text := range []string{"URI:FUTURE:x", "ro.URI:FUTURE:x", "ro.imm.URI:LIT:", ""} {
		for _, deep := range []bool{false, true} {
			if got, err := caps.ParseChild(text, deep); err != nil || got.Reveal() != text {
				t.Errorf("ParseChild(%q, %v) = %v, %v; want it opaque", text, deep, got, err)
			}
		}
	}
}

func TestParseLink(t *testing.T) {
	t.Parallel()
	const (
		sskWrite = "URI:SSK:" + write1 + ":" + print2
		sskRead  = "URI:SSK-RO:" + read1 + ":" + print2
		sskCheck = "URI:SSK-Verifier:" + index1 + ":" + print2
		chk      = "URI:CHK:" + chkKey + ":" + ueb3 + ":3:10:1234"
	)
	type result struct{ write, read string } // both empty: an error
	for _, tt := range []struct {
		write, read        string
		mutable, immutable result // in a mutable and in an immutable directory
	}{
		{"", "", result{}, result{}},

		// Known: the first text decides, the other isn't looked at.
		{sskWrite, "", result{sskWrite, sskRead}, result{}},
		{sskWrite, sskRead, result{sskWrite, sskRead}, result{}},
		{sskWrite, "URI:FUTURE:r", result{sskWrite, sskRead}, result{}},
		{sskRead, "", result{"", sskRead}, result{}},
		{"", sskRead, result{"", sskRead}, result{}},
		{"", "ro." + sskRead, result{"", sskRead}, result{}},
		{"", sskWrite, result{sskWrite, sskRead}, result{}},
		{"", sskCheck, result{"", sskCheck}, result{"", sskCheck}},
		{chk, "", result{"", chk}, result{"", chk}},
		{"", "imm." + chk, result{"", chk}, result{"", chk}},
		{"ro." + sskWrite, "", result{}, result{}},
		{"", "imm." + sskRead, result{}, result{}},
		{"URI:LIT:a", "", result{}, result{}},
		{"", "URI:LIT:a", result{}, result{}},

		// Unknown, with nothing beside it.
		{"URI:FUTURE:x", "", result{}, result{}},
		{"ro.URI:FUTURE:x", "", result{"", "ro.URI:FUTURE:x"}, result{}},
		{"imm.URI:FUTURE:x", "", result{"", "imm.URI:FUTURE:x"}, result{"", "imm.URI:FUTURE:x"}},
		{"", "URI:FUTURE:r", result{"", "ro.URI:FUTURE:r"}, result{"", "imm.URI:FUTURE:r"}},
		{"", "ro.URI:FUTURE:r", result{"", "ro.URI:FUTURE:r"}, result{"", "imm.URI:FUTURE:r"}},
		{"", "imm.URI:FUTURE:r", result{"", "imm.URI:FUTURE:r"}, result{"", "imm.URI:FUTURE:r"}},

		// Unknown, both.
		{"URI:FUTURE:w", "URI:FUTURE:r", result{"URI:FUTURE:w", "ro.URI:FUTURE:r"}, result{}},
		{"URI:FUTURE:w", "ro.URI:FUTURE:r", result{"URI:FUTURE:w", "ro.URI:FUTURE:r"}, result{}},
		{"URI:FUTURE:w", "imm.URI:FUTURE:r", result{}, result{}},
		{"URI:FUTURE:w", sskRead, result{"URI:FUTURE:w", sskRead}, result{}},
		{"URI:FUTURE:w", sskWrite, result{}, result{}}, // it would be taken for a read capability later on
		{"URI:FUTURE:w", "URI:LIT:a", result{}, result{}},
		{"URI:LIT:a", "URI:FUTURE:r", result{"URI:LIT:a", "ro.URI:FUTURE:r"}, result{}},
	} {
		for _, deep := range []bool{false, true} {
			want := tt.mutable
			if deep {
				want = tt.immutable
			}
			l, err := caps.ParseLink(tt.write, tt.read, deep)
			if want == (result{}) {
				if kind.Of(err) != kind.Invalid || l.Write != nil || l.Read != nil {
					t.Errorf("ParseLink(%q, %q, %v) = %v, %v; want Invalid", tt.write, tt.read, deep, l, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("ParseLink(%q, %q, %v): %v", tt.write, tt.read, deep, err)
				continue
			}
			var got result
			if l.Write != nil {
				got.write = l.Write.Reveal()
			}
			if l.Read != nil {
				got.read = l.Read.Reveal()
			}
			if got != want {
				t.Errorf("ParseLink(%q, %q, %v) = %q, want %q", tt.write, tt.read, deep, got, want)
			}
			if _, isWrite := l.Read.(caps.Write); isWrite {
				t.Errorf("ParseLink(%q, %q, %v): write authority in the place of read", tt.write, tt.read, deep)
			}
		}
	}
}

func TestAtMost(t *testing.T) {
	t.Parallel()
	const (
		write = "URI:DIR2:" + write1 + ":" + print2
		read  = "URI:DIR2-RO:" + read1 + ":" + print2
		check = "URI:DIR2-Verifier:" + index1 + ":" + print2
	)
	for _, tt := range []struct {
		text                      string
		none, verify, read, write string // "": can't be weakened so far
	}{
		{write, "", check, read, write},
		{read, "", check, read, read},
		{check, "", check, check, check},
		{"URI:LIT:nbswy3dp", "", "", "URI:LIT:nbswy3dp", "URI:LIT:nbswy3dp"},
		{"URI:FUTURE:x", "", "", "", "URI:FUTURE:x"},
		{"ro.URI:FUTURE:x", "", "", "ro.URI:FUTURE:x", "ro.URI:FUTURE:x"},
		{"imm.URI:FUTURE:x", "", "", "imm.URI:FUTURE:x", "imm.URI:FUTURE:x"},
	} {
		c := mustParse(t, tt.text)
		for a, want := range []string{tt.none, tt.verify, tt.read, tt.write} {
			got, ok := caps.AtMost(c, caps.Authority(a))
			if ok != (want != "") || ok && got.Reveal() != want {
				t.Errorf("AtMost(%s, %v) is not %q", tt.text, caps.Authority(a), want)
			}
		}
		r, ok := caps.ReadCap(c)
		if known := strings.HasPrefix(tt.text, "URI:DIR2:") || strings.HasPrefix(tt.text, "URI:DIR2-RO:") || strings.HasPrefix(tt.text, "URI:LIT:"); ok != known || ok && r.Reveal() != tt.read {
			t.Errorf("ReadCap(%s) = %v, %v", tt.text, r, ok)
		}
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	texts := []string{
		"URI:SSK:" + write1 + ":" + print2, "URI:MDMF:" + write1 + ":" + print2, "URI:SSK-RO:" + write1 + ":" + print2,
		"URI:SSK:" + write1 + ":" + ueb3, "URI:LIT:nbswy3dp", "URI:LIT:", "URI:FUTURE:x", "ro.URI:FUTURE:x",
	}
	for i, a := range texts {
		for j, b := range texts {
			if got := caps.Equal(mustParse(t, a), mustParse(t, b)); got != (i == j) {
				t.Errorf("Equal(%s, %s) = %v", a, b, got)
			}
		}
	}
}
