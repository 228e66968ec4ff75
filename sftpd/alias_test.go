package sftpd

import (
	"context"
	"iter"
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
		"a%f":                 "a%25f", "a%25f": "a%2525f", "%f": "%25f", "a%fx": "a%fx",
		long: strings.Repeat("n", 237) + "%~02d7160d77e18c64",
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

// Two entries never have one alias, and every alias can be shown.
func FuzzAlias(f *testing.F) {
	f.Add("", false, "%00", false)
	f.Add("\xff", false, "%ff", false)
	f.Add("%25", false, "%", false)
	f.Add("a", true, "a%f", false)
	f.Add("a%f", true, "a%25f%f", false)
	f.Add(strings.Repeat("\xff", 100), false, strings.Repeat("%ff", 84), true)
	f.Add(strings.Repeat("n", 254), true, strings.Repeat("n", 255), true)
	f.Fuzz(func(t *testing.T, a string, aHidden bool, b string, bHidden bool) {
		if strings.ContainsAny(a+b, "\x00/") || len(a) > filestore.MaxName || len(b) > filestore.MaxName {
			return
		}
		x, _ := shownAs(&filestore.Info{Name: a, Hidden: aHidden})
		y, _ := shownAs(&filestore.Info{Name: b, Hidden: bHidden})
		if (a != b || aHidden != bHidden) && x == y {
			t.Errorf("%q, %t and %q, %t are both %q", a, aHidden, b, bHidden, x)
		}
		if x == "" || x == "." || x == ".." || len(x) > maxName || !utf8.ValidString(x) || strings.ContainsAny(x, "\x00/") {
			t.Errorf("%q: alias %q", a, x)
		}
		if x != a && !aHidden && !isCut(x) {
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

// beside is a tree in whose root "~NAME" stands for a file NAME that a directory
// hides, as other frontends can make them.
type beside struct{ tree }

func (b beside) real(p filestore.Path) filestore.Path {
	q := slices.Clone(p)
	if len(q) > 0 {
		if bare, hidden := strings.CutSuffix(q[0], "\x00"); hidden {
			q[0] = "~" + bare
		}
	}
	return q
}

func (b beside) List(ctx context.Context, p filestore.Path) iter.Seq2[filestore.Info, error] {
	return func(yield func(filestore.Info, error) bool) {
		for i, err := range b.tree.List(ctx, p) {
			if bare, hidden := strings.CutPrefix(i.Name, "~"); hidden && len(p) == 0 {
				i.Name, i.Hidden = bare, true
			}
			if !yield(i, err) {
				return
			}
		}
	}
}

func (b beside) Lstat(ctx context.Context, p filestore.Path) (filestore.Info, error) {
	return b.tree.Lstat(ctx, b.real(p))
}

func (b beside) Stat(ctx context.Context, p filestore.Path) (filestore.Info, error) {
	return b.tree.Stat(ctx, b.real(p))
}

func (b beside) Open(ctx context.Context, p filestore.Path, o filestore.OpenOptions) (file, error) {
	return b.tree.Open(ctx, b.real(p), o)
}

func (b beside) Remove(ctx context.Context, p filestore.Path) error {
	return b.tree.Remove(ctx, b.real(p))
}

func (b beside) Rename(ctx context.Context, from, to filestore.Path, m filestore.RenameMode) error {
	return b.tree.Rename(ctx, b.real(from), b.real(to), m)
}

// A file that a directory of its name hides is shown with "%f", and is reached
// so; names that end so without being hidden look different.
func TestHiddenFilesHaveAliases(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tr := newTree(t, newStore(t))
	long := strings.Repeat("n", 255)
	for _, dir := range []string{"a", "\xff", long} {
		if err := tr.Mkdir(ctx, filestore.Path{dir}, filestore.Attr{}); err != nil {
			t.Fatal(err)
		}
		f, err := tr.Open(ctx, filestore.Path{"~" + dir}, filestore.OpenOptions{Write: true, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(ctx, []byte("of "+dir[:1]), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	c := converse(t, beside{tr})
	c.put("plain", "")
	c.put("plain%f", "ends so") // of no directory's name
	shown := c.list("/")
	slices.Sort(shown)
	cut := ""
	for _, n := range shown {
		if strings.Contains(n, "%~") {
			cut = n
		}
	}
	if len(cut) != 255 || !strings.HasSuffix(cut, "%f") {
		t.Errorf("cut: %q", cut)
	}
	if want := []string{"%ff", "%ff%f", "a", "a%f", cut, long, "plain", "plain%25f"}; !slices.Equal(shown, want) {
		t.Fatalf("shown %q, want %q", shown, want)
	}
	for name, want := range map[string]string{"a%f": "of a", "%ff%f": "of \xff", cut: "of n", "plain%f": "ends so", "plain%25f": "ends so", "a": "status 4"} {
		if got := c.get(name); got != want {
			t.Errorf("%.20q holds %q, want %q", name, got, want)
		}
	}
	c.ask(wire.Rename, "a%f", "seen").status(wire.OK)
	c.ask(wire.Remove, cut).status(wire.OK)
	c.ask(wire.Stat, "a%f").status(wire.NoSuchFile)
	if got := c.get("seen"); got != "of a" {
		t.Errorf("renamed holds %q", got)
	}
	c.put("a%f", "a name like others") // nothing is hidden any more
	if got := c.get("a%25f"); got != "a name like others" {
		t.Errorf("%q", got)
	}
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
