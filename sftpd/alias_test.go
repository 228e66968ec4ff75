package sftpd

import (
	"context"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

func TestAliases(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 256)
	for name, want := range map[string]string{
		"a": "a", "100%": "100%", "100%25": "100%25", "%zz": "%zz", "50%~": "50%~", "%2E": "%2E", "%2e%2": "%2e%2", "%2f": "%2f",
		"": "%00", ".": "%2e", "..": "%2e%2e", "\xff": "%ff", "a%\xffb": "a%25%ffb", "ä\xc3": "ä%c3",
		"%2e": "%252e", "%ff": "%25ff", "%25ff": "%2525ff", "%00": "%2500",
		"x%~0123456789abcdef": "x%25~0123456789abcdef",
		long:                  strings.Repeat("n", 237) + "%~02d7160d77e18c64",
	} {
		got := alias(name)
		if strings.HasPrefix(want, "nnn") {
			if len(got) != maxName || got[:239] != want[:239] {
				t.Errorf("%.20q: %q", name, got)
			}
			continue
		}
		if got != want {
			t.Errorf("%q: alias %q, want %q", name, got, want)
		}
		if back, _ := unescape(got); got != name && back != name {
			t.Errorf("%q: alias %q is the name %q", name, got, back)
		}
	}
}

// Two names never have one alias, and every alias can be shown.
func FuzzAlias(f *testing.F) {
	f.Add("", "%00")
	f.Add("\xff", "%ff")
	f.Add("%25", "%")
	f.Add(strings.Repeat("\xff", 100), strings.Repeat("%ff", 84))
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsAny(a+b, "\x00/") || len(a) > filestore.MaxName || len(b) > filestore.MaxName {
			return
		}
		x, y := alias(a), alias(b)
		if a != b && x == y {
			t.Errorf("%q and %q are both %q", a, b, x)
		}
		if x == "" || x == "." || x == ".." || len(x) > maxName || !utf8.ValidString(x) || strings.ContainsAny(x, "\x00/") {
			t.Errorf("%q: alias %q", a, x)
		}
		if x != a && !isCut(x) {
			if back, ok := unescape(x); !ok || back != a {
				t.Errorf("%q: alias %q is of %q", a, x, back)
			}
		}
	})
}

// What is listed can be opened, renamed and removed under the name shown.
func TestAliasesAreNames(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	names := []string{
		"", ".", "..", "\xff", "%ff", "plain", "100%", "%25ff", strings.Repeat("x", 300), strings.Repeat("x", 299) + "y",
		strings.Repeat("\xfe", 200), "a%~0123456789abcdef",
	}
	tr := newTree(t, newStore(t))
	for _, n := range names {
		if err := tr.Mkdir(ctx, filestore.Path{n}, filestore.Attr{Set: filestore.AttrMode, Mode: 0o755}); err != nil {
			t.Fatalf("%.20q: %v", n, err)
		}
		if err := tr.Mkdir(ctx, filestore.Path{n, "in"}, filestore.Attr{}); err != nil {
			t.Fatal(err)
		}
	}
	c := converse(t, tr)
	shown := c.list("/")
	if len(shown) != len(names) {
		t.Fatalf("%d names listed, want %d", len(shown), len(names))
	}
	if slices.Sort(shown); len(slices.Compact(slices.Clone(shown))) != len(names) {
		t.Errorf("names are shown twice: %q", shown)
	}
	for _, n := range shown {
		if r := c.ask(wire.Stat, "/"+n); r.kind != wire.AttrsReply {
			t.Errorf("stat %q: status %d", n, r.Uint32())
			continue
		}
		if in := c.list("/" + n); !slices.Equal(in, []string{"in"}) {
			t.Errorf("%q holds %q", n, in)
		}
		c.ask(wire.Rename, "/"+n+"/in", "/in").status(wire.OK)
		c.ask(wire.Rmdir, "/in").status(wire.OK)
		c.ask(wire.Rmdir, "/"+n).status(wire.OK)
	}
	if left := c.list("/"); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
	// What a client creates is what it finds, though others see an alias.
	c.ask(wire.Mkdir, "/%ff", uint32(0)).status(wire.OK)
	c.ask(wire.Stat, "/%ff").is(wire.AttrsReply)
	if got := c.list("/"); !slices.Equal(got, []string{"%25ff"}) {
		t.Errorf("listed %q", got)
	}
	c.ask(wire.Rmdir, "/%25ff").status(wire.OK)
}

// list returns the names in a directory without "." and "..", as shown.
func (c *talk) list(path string) []string {
	c.t.Helper()
	h := slices.Clone(c.ask(wire.Opendir, path).handle())
	var names []string
	for {
		r := c.ask(wire.Readdir, h)
		if r.kind == wire.StatusReply {
			r.status(wire.EOF)
			break
		}
		r.is(wire.NameReply)
		for n := r.Uint32(); n > 0; n-- {
			name := string(r.Bytes())
			r.Bytes()
			r.Attrs()
			if name != "." && name != ".." {
				names = append(names, name)
			}
		}
	}
	c.ask(wire.Close, h).status(wire.OK)
	return names
}
