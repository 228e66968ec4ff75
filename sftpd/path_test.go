package sftpd

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "/": "", ".": "", "//": "", "/./": "", "..": "", "/../..": "", "a": "a", "/a": "a", "/a/": "a",
		"a//b": "a/b", "./a/./b": "a/b", "/x/../..": "", "/x/../../y": "y", "a/b/../c": "a/c", "/...": "...",
		"/a b/\n": "a b/\n", "/ä": "ä", "/~": "~", "a/..": "", strings.Repeat("n", 255): strings.Repeat("n", 255),
		strings.Repeat("/abc", 1000): strings.TrimPrefix(strings.Repeat("/abc", 1000), "/"),
	} {
		p, err := parsePath([]byte(in))
		if got := strings.Join(p, "/"); got != want || err != nil {
			t.Errorf("%.40q: %.40q, %v, want %.40q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"a\x00b", "\xff", "/a/\xc3\x28", strings.Repeat("n", 256), "ok/" + strings.Repeat("ä", 128),
		strings.Repeat("/a", maxPath),
	} {
		if _, err := parsePath([]byte(in)); kind.Of(err) != kind.NameInvalid {
			t.Errorf("%.40q: %v, want NameInvalid", in, err)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add([]byte("/a/../b/./c//"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePath(b)
		if err != nil {
			return
		}
		for _, c := range p {
			if c == "" || c == "." || c == ".." || len(c) > maxName || strings.ContainsAny(c, "/\x00") {
				t.Errorf("component %q", c)
			}
		}
		again, err := parsePath([]byte("/" + strings.Join(p, "/")))
		if err != nil || !slices.Equal(again, p) {
			t.Errorf("%q parses to %q, %v", p, again, err)
		}
	})
}

// macOS sends names decomposed; what is stored under either form is found.
func TestNamesAreFoundComposed(t *testing.T) {
	t.Parallel()
	const nfc, nfd = "caf\u00e9", "cafe\u0301"
	ctx := context.Background()
	tr := newSpy(t)
	s := bare(tr, nil)
	mkdir := func(p ...string) {
		if err := tr.Mkdir(ctx, p, filestore.Attr{}); err != nil {
			t.Fatal(err)
		}
	}
	mkdir(nfc)
	mkdir("both")
	mkdir("both", nfc)
	mkdir("both", nfd)
	mkdir("kept")
	mkdir("kept", nfd)
	mkdir("kept", nfd, nfc)
	for in, want := range map[string]string{
		"/" + nfc:                              nfc,
		"/" + nfd:                              nfc,
		"/" + nfd + "/new" + nfd:               nfc + "/new" + nfd, // what is created is kept as given
		"/both/" + nfd:                         "both/" + nfd,
		"/both/" + nfc:                         "both/" + nfc,
		"/kept/" + nfd + "/" + nfd:             "kept/" + nfd + "/" + nfc,
		"/no/" + nfd:                           "no/" + nfd,
		"/kept/" + nfd + "/" + nfd + "/" + nfd: "kept/" + nfd + "/" + nfc + "/" + nfd,
	} {
		p, err := s.path(ctx, []byte(in))
		if got := strings.Join(p, "/"); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestRealpath(t *testing.T) {
	t.Parallel()
	c := converse(t, newSpy(t))
	for in, want := range map[string]string{
		"": "/", ".": "/", "/": "/", "..": "/", "/x/../..": "/", "no/such/": "/no/such", "/a/./b": "/a/b",
	} {
		r := c.ask(wire.Realpath, in).is(wire.NameReply)
		n, name, long, flags := r.Uint32(), string(r.Bytes()), string(r.Bytes()), r.Uint32()
		if n != 1 || name != want || long != want || flags != 0 || r.Bad() || len(r.Rest()) != 0 {
			t.Errorf("%q: %d names, %q %q %d, want %q", in, n, name, long, flags, want)
		}
	}
	c.ask(wire.Realpath, "\xff").status(wire.Failure)
}
