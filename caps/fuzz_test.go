package caps_test

import (
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// seeds adds at least one text of every type, bare and with prefixes, and
// some that are nearly right.
func seeds(f *testing.F, add func(text string)) {
	g := knownAnswers(f)
	texts := []string{"", "URI:FUTURE:x", "URI:LIT:", "URI:LIT:nbswy3dp", "URI:LIT:a", "URI:DIR2-LIT:ae"}
	for _, s := range g.Slots {
		texts = append(texts, s.Write, s.Read, s.VerifyText)
	}
	for _, v := range g.Files {
		texts = append(texts, v.Read, v.VerifyText)
	}
	for _, v := range g.Frozen {
		texts = append(texts, v.Read, v.VerifyText)
	}
	for _, name := range []string{"SSK", "DIR2", "MDMF", "DIR2-MDMF"} {
		for _, suffix := range []string{":", "-RO:", "-Verifier:"} {
			texts = append(texts, "URI:"+name+suffix+write1+":"+print2, "URI:"+name+suffix+write1+":"+print2+":3:131073")
		}
	}
	for _, name := range []string{"CHK", "CHK-Verifier", "DIR2-CHK", "DIR2-CHK-Verifier"} {
		texts = append(texts, "URI:"+name+":"+chkKey+":"+ueb3+":3:10:1234", "URI:"+name+":"+chkKey+":"+ueb3+":03:010:01234x")
	}
	for _, text := range texts {
		for _, prefix := range []string{"", "ro.", "imm.", "ro.imm."} {
			add(prefix + text)
		}
	}
}

// What parses prints canonically: its text parses to the same capability and
// prints the same again; and so does every weaker one.
func FuzzParse(f *testing.F) {
	seeds(f, func(text string) { f.Add(text) })
	f.Fuzz(func(t *testing.T, text string) {
		c, err := caps.Parse(text)
		if err != nil {
			if c != nil || kind.Of(err) != kind.Invalid {
				t.Fatalf("Parse(%q) = %v, %v", text, c, err)
			}
			wantSilent(t, err)
			return
		}
		wantCanonical(t, c)
		if _, ok := c.(caps.Unknown); ok && c.Reveal() != text {
			t.Fatalf("Parse(%q) keeps %q", text, c.Reveal())
		}
		if strings.Contains(text, "3:") && !strings.Contains(text, ".") {
			// Generation 3 has one text for each capability.
			if form := c.Form(); (form == caps.FormSlot || form == caps.FormFile || form == caps.FormFrozen) && c.Reveal() != text {
				t.Fatalf("Parse(%q) prints %q", text, c.Reveal())
			}
		}
		for a := caps.AuthorityNone; a <= caps.AuthorityWrite; a++ {
			weak, ok := caps.AtMost(c, a)
			if !ok {
				continue
			}
			if weak.Authority() > a || weak.Index() != c.Index() || weak.Form() != c.Form() || weak.IsDir() != c.IsDir() {
				t.Fatalf("AtMost(%q, %v) = %v", text, a, weak)
			}
			wantCanonical(t, weak)
		}
	})
}

func wantCanonical(t *testing.T, c caps.Cap) {
	t.Helper()
	text := c.Reveal()
	again, err := caps.Parse(text)
	if err != nil {
		t.Fatalf("Parse of the canonical %q: %v", text, err)
	}
	if again.Reveal() != text || !caps.Equal(again, c) || again.Authority() != c.Authority() || again.Index() != c.Index() {
		t.Fatalf("canonical %q prints %q", text, again.Reveal())
	}
}

// What may stand in a directory may stand there again as it is printed, and
// what may stand in an immutable directory may stand in any.
func FuzzParseChild(f *testing.F) {
	seeds(f, func(text string) { f.Add(text, false); f.Add(text, true) })
	f.Fuzz(func(t *testing.T, text string, deepImmutable bool) {
		c, err := caps.ParseChild(text, deepImmutable)
		if c == nil {
			t.Fatalf("ParseChild(%q) gives nothing", text)
		}
		if err != nil {
			if kind.Of(err) != kind.Invalid || c.Authority() != caps.AuthorityNone || c.Reveal() != text {
				t.Fatalf("ParseChild(%q) = %v, %v", text, c, err)
			}
			wantSilent(t, err)
			return
		}
		again, err := caps.ParseChild(c.Reveal(), deepImmutable)
		if err != nil || !caps.Equal(again, c) {
			t.Fatalf("ParseChild(%q, %v) prints %q, which gives %v, %v", text, deepImmutable, c.Reveal(), again, err)
		}
		if deepImmutable {
			if outside, err := caps.ParseChild(text, false); err != nil || !caps.Equal(outside, c) {
				t.Fatalf("ParseChild(%q, false) = %v, %v", text, outside, err)
			}
			if c.Authority() == caps.AuthorityWrite || c.Authority() == caps.AuthorityRead && c.Form().Mutable() {
				t.Fatalf("ParseChild(%q, true) = %v", text, c)
			}
		}
	})
}

// A link reads as the same link when its two texts are stored as they are
// printed, and its read side never holds write authority.
func FuzzParseLink(f *testing.F) {
	seeds(f, func(text string) {
		f.Add(text, "", false)
		f.Add("", text, true)
		f.Add("URI:FUTURE:w", text, false)
		f.Add(text, "ro.URI:FUTURE:r", false)
	})
	f.Fuzz(func(t *testing.T, write, read string, deepImmutable bool) {
		l, err := caps.ParseLink(write, read, deepImmutable)
		if err != nil {
			if kind.Of(err) != kind.Invalid || l.Write != nil || l.Read != nil {
				t.Fatalf("ParseLink(%q, %q) = %v, %v", write, read, l, err)
			}
			wantSilent(t, err)
			return
		}
		if l.Read == nil || l.Read.Authority() == caps.AuthorityWrite {
			t.Fatalf("ParseLink(%q, %q) reads by %v", write, read, l.Read)
		}
		if u, ok := l.Read.(caps.Unknown); ok && !u.ReadOnly() {
			t.Fatalf("ParseLink(%q, %q) reads by an unmarked capability", write, read)
		}
		if deepImmutable && l.Write != nil {
			t.Fatalf("ParseLink(%q, %q) writes in an immutable directory", write, read)
		}
		storedWrite := ""
		if l.Write != nil {
			storedWrite = l.Write.Reveal()
		}
		again, err := caps.ParseLink(storedWrite, l.Read.Reveal(), deepImmutable)
		if err != nil || !caps.Equal(again.Read, l.Read) || (again.Write == nil) != (l.Write == nil) {
			t.Fatalf("ParseLink(%q, %q) doesn't read back: %v", write, read, err)
		}
	})
}
