package sftpd

import (
	"context"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// uriWorld is a tree with /uri/dir, /uri/readonly and /uri/file: a directory by
// two capabilities, and a file's.
func uriWorld(t *testing.T) (c, other *talk) {
	t.Helper()
	fs := newStore(t)
	ctx := t.Context()
	root, err := fs.CreateRoot(ctx, "test")
	if err != nil {
		t.Fatal(err)
	}
	mount := func(c caps.Cap) tree {
		m, err := fs.Mount(ctx, c, filestore.MountOptions{Source: "test"})
		if err != nil {
			t.Fatal(err)
		}
		return mounted{m}
	}
	writable := mount(root)
	other = converse(t, writable)
	other.put("in", "inside")
	other.put("large", string(make([]byte, 2000)))
	other.ask(wire.Mkdir, "sub", uint32(0)).status(wire.OK)
	large, err := writable.(mounted).CapOf(ctx, filestore.Path{"large"}, caps.AuthorityRead)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]tree{"dir": writable, "readonly": mount(root.Read()), "file": mount(large)}
	u := newURITree(newTree(t, fs), func(_ context.Context, capability string) (tree, error) {
		if k := known[capability]; k != nil {
			return k, nil
		}
		return nil, kind.NotExist
	})
	return converse(t, u), other
}

func TestURIPaths(t *testing.T) {
	t.Parallel()
	c, other := uriWorld(t)
	const (
		ok, no, denied, fail = wire.OK, wire.NoSuchFile, wire.PermissionDenied, wire.Failure
	)
	if got := c.get("/uri/dir/in"); got != "inside" {
		t.Errorf("holds %q", got)
	}
	if got := c.get("uri/file"); len(got) != 1000 { // what get reads
		t.Errorf("a file's capability: %d bytes", len(got))
	}
	if a := c.attrs(wire.Stat, "/uri/file"); a.Mode != 0o100444 || a.Size != 2000 {
		t.Errorf("%+v", a)
	}
	if got := c.list("/uri/dir"); !slices.Equal(got, []string{"in", "large", "sub"}) {
		t.Errorf("listed %q", got)
	}
	if a := c.attrs(wire.Stat, "/uri"); a.Mode != 0o040111 {
		t.Errorf("%+v", a)
	}
	r := c.ask(wire.Realpath, "/uri/dir/../x/..").is(wire.NameReply)
	if r.Uint32(); string(r.Bytes()) != "/uri" {
		t.Error("realpath leaves /uri")
	}
	c.put("/uri/dir/new", "new")
	c.put("own", "mine")
	if got := other.get("new"); got != "new" {
		t.Errorf("the other sees %q", got)
	}
	none := uint32(0)
	for _, tt := range []struct {
		typ    wire.Type
		fields []any
		want   wire.Status
	}{
		{wire.Opendir, []any{"/uri"}, denied},
		{wire.Mkdir, []any{"/uri", none}, denied},
		{wire.Mkdir, []any{"/uri/dir", none}, denied},
		{wire.Mkdir, []any{"/uri/nonsense", none}, no},
		{wire.Mkdir, []any{"/uri/dir/d", none}, ok},
		{wire.Rmdir, []any{"/uri/dir"}, denied},
		{wire.Rmdir, []any{"/uri"}, denied},
		{wire.Rmdir, []any{"/uri/dir/d"}, ok},
		{wire.Open, []any{"/uri", rd, none}, denied},
		{wire.Open, []any{"/uri", wr | creat, none}, denied},
		{wire.Open, []any{"/uri/dir", rd, none}, fail},
		{wire.Open, []any{"/uri/file", wr, none}, denied},
		{wire.Open, []any{"/uri/nonsense", rd, none}, no},
		{wire.Open, []any{"/uri/readonly/new", wr | creat, none}, denied},
		{wire.Open, []any{"/uri/readonly/in", wr, none}, denied},
		{wire.Stat, []any{"/uri/nonsense"}, no},
		{wire.Stat, []any{"/uri/file/x"}, no},
		{wire.Rename, []any{"/uri/dir/new", "/moved"}, wire.OpUnsupported},
		{wire.Rename, []any{"/own", "/uri"}, denied},
		{wire.Rename, []any{"/uri/dir", "/x"}, denied},
		{wire.Rename, []any{"/uri/dir/new", "/uri/dir/sub/new"}, ok},
		{wire.Remove, []any{"/uri/dir/sub/new"}, ok},
		{wire.Remove, []any{"/uri/file"}, denied},
		{wire.Symlink, []any{"x", "/uri"}, denied},
		{wire.Symlink, []any{"in", "/uri/dir/link"}, ok},
		{wire.Setstat, []any{"/uri", wire.Attrs{Flags: wire.AttrTimes}}, denied},
		{wire.Setstat, []any{"/uri/dir/in", wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o600}}, ok},
		{wire.Extended, []any{wire.ExtHardlink, "/uri/dir/in", "/uri/dir/in2"}, ok},
		{wire.Extended, []any{wire.ExtHardlink, "/uri/dir/in", "/in"}, wire.OpUnsupported},
	} {
		r := c.ask(tt.typ, tt.fields...)
		if r.kind != wire.StatusReply {
			t.Errorf("%v %q: a reply of type %d", tt.typ, tt.fields, r.kind)
			continue
		}
		if got := wire.Status(r.Uint32()); got != tt.want {
			t.Errorf("%v %q: %d %q, want %d", tt.typ, tt.fields, got, r.Bytes(), tt.want)
		}
	}
	for name, want := range map[string]bool{"/": false, "/uri/dir": false, "/uri/readonly": true, "/uri/file": true, "/uri": true} {
		r := c.ext(wire.ExtStatVFS, name).is(wire.ExtendedReply)
		if got := vfs(&r)[9]&wire.StatVFSReadOnly != 0; got != want {
			t.Errorf("%s: read-only %t", name, got)
		}
	}
}

// Without the option "uri" is a name like others.
func TestURIIsANameUnlessAskedFor(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.ask(wire.Stat, "/uri").status(wire.NoSuchFile)
	c.ask(wire.Mkdir, "/uri", uint32(0)).status(wire.OK)
	c.put("/uri/file", "contents")
	if got := c.list("/uri"); !slices.Equal(got, []string{"file"}) {
		t.Errorf("listed %q", got)
	}
}

// What a client names is bounded, as all that a connection keeps.
func TestURITreesAreBounded(t *testing.T) {
	t.Parallel()
	own := newTree(t, newStore(t))
	mounts := 0
	u := newURITree(own, func(context.Context, string) (tree, error) {
		mounts++
		return own, nil
	})
	for i := range 2 * maxURIs {
		if _, err := u.Stat(t.Context(), filestore.Path{"uri", string(rune('a' + i))}); err != nil {
			t.Fatal(err)
		}
	}
	if len(u.trees) > maxURIs || mounts != 2*maxURIs {
		t.Errorf("%d trees kept, %d mounted", len(u.trees), mounts)
	}
}
