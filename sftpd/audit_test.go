package sftpd

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// notebook is a Recorder that tests read.
type notebook struct {
	mu      sync.Mutex
	all     []audit.Record
	unready error // what Ready says
	full    error // what Record says
}

// Digests has the SHA-256 of what is written noted.
func (*notebook) Digests() bool { return true }

func (n *notebook) Ready() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.unready
}

func (n *notebook) Record(r audit.Record) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, r)
	return n.full
}

func (n *notebook) fail(unready, full error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.unready, n.full = unready, full
}

// lines are the records since the last call, one text each.
func (n *notebook) lines() (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.all {
		l := fmt.Sprintf("%s %s", r.Op, r.Path)
		if r.Target != "" {
			l += " -> " + r.Target
		}
		if r.Read+r.Written > 0 {
			l += fmt.Sprintf(" read %d written %d in %d-%d", r.Read, r.Written, r.From, r.To)
		}
		if r.Size > 0 {
			l += fmt.Sprintf(" of %d", r.Size)
		}
		all = append(all, strings.TrimRight(fmt.Sprintf("%s %s %s", l, audit.Outcome(r.Err), r.Detail), " "))
	}
	n.all = nil
	return all
}

func noted(t tree, n *notebook) *recorded {
	return &recorded{tree: t, rec: n, who: audit.Record{Service: audit.SFTP, Account: "alice"}}
}

// TestRecords: each operation makes one record, at its end, whatever the number
// of packets; and what only looks at names makes none.
func TestRecords(t *testing.T) {
	t.Parallel()
	const read, write, create, trunc, appnd = wire.FlagRead, wire.FlagWrite, wire.FlagCreate, wire.FlagTrunc, wire.FlagAppend
	mode := wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o640}
	n := &notebook{}
	c := converse(t, noted(newTree(t, newStore(t)), n))
	open := func(name string, flags uint32) []byte {
		return slices.Clone(c.ask(wire.Open, name, flags, uint32(0)).handle())
	}
	closed := func(h []byte) { c.ask(wire.Close, h).status(wire.OK) }
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"put", func() {
			h := open("/f", write|create|trunc)
			for i := range 4 {
				c.ask(wire.Write, h, 100+10*i, strings.Repeat("x", 10)).status(wire.OK)
			}
			c.ask(wire.Fsetstat, h, mode).status(wire.OK)
			closed(h)
		}, []string{"write /f read 0 written 40 in 100-140 of 140 ok create truncate"}},
		{"get", func() {
			h := open("f", read)
			c.ask(wire.Read, h, 60, uint32(50)).data()
			c.ask(wire.Read, h, 20, uint32(50)).data()
			c.ask(wire.Read, h, 999, uint32(50)).status(wire.EOF)
			closed(h)
		}, []string{"read /f read 100 written 0 in 20-110 of 140 ok"}},
		{"append", func() {
			h := open("f", write|appnd)
			c.ask(wire.Write, h, 0, "12").status(wire.OK)
			c.ask(wire.Write, h, 150, "34").status(wire.OK)
			closed(h)
		}, []string{"write /f read 0 written 4 in 140-292 of 292 ok append"}},
		{"cut", func() {
			h := open("f", read|write)
			c.ask(wire.Fsetstat, h, wire.Attrs{Flags: wire.AttrSize, Size: 50}).status(wire.OK)
			c.ask(wire.Fsetstat, h, wire.Attrs{Flags: wire.AttrSize, Size: 140}).status(wire.OK)
			closed(h)
		}, []string{"write /f of 140 ok size=140"}},
		{"copy", func() {
			from, to := open("f", read), open("g", write|create)
			c.ext(wire.ExtCopyData, from, 5, 30, to, 0).status(wire.OK)
			closed(from)
			closed(to)
		}, []string{
			"copy /f -> /g read 30 written 30 in 0-30 ok from offset 5", "read /f read 30 written 0 in 5-35 of 140 ok",
			"write /g read 0 written 30 in 0-30 of 30 ok create",
		}},
		{"names", func() {
			c.ask(wire.Mkdir, "/d/../d", wire.Attrs{}).status(wire.OK)
			c.ask(wire.Rename, "/g", "/d/g").status(wire.OK)
			c.ask(wire.Symlink, "d/g", "/s").status(wire.OK)
			c.ext(wire.ExtHardlink, "/f", "/d/h").status(wire.OK)
			c.ask(wire.Setstat, "/f", mode).status(wire.OK)
			c.ask(wire.Remove, "/d/g").status(wire.OK)
			c.ask(wire.Remove, "/d/h").status(wire.OK)
			c.ask(wire.Rmdir, "/d").status(wire.OK)
		}, []string{
			"mkdir /d ok", "rename /g -> /d/g ok", "symlink /s -> d/g ok", "link /f -> /d/h ok", "setattr /f ok mode=0640",
			"remove /d/g ok", "remove /d/h ok", "rmdir /d ok",
		}},
		{"refused", func() {
			c.ask(wire.Open, "/none", read, uint32(0)).status(wire.NoSuchFile)
			c.ask(wire.Rmdir, "/f").status(wire.NoSuchFile)
			c.ask(wire.Remove, "/none").status(wire.NoSuchFile)
		}, []string{"read /none not_exist", "rmdir /f not_dir", "remove /none not_exist"}},
		{"list", func() {
			h := slices.Clone(c.ask(wire.Opendir, "/").handle())
			c.ask(wire.Readdir, h)
			closed(h)
		}, []string{"list / ok entries=2"}},
		{"look", func() {
			c.ask(wire.Stat, "/f")
			c.ask(wire.Lstat, "/s")
			c.ask(wire.Realpath, "/x")
			c.ask(wire.Readlink, "/s")
		}, nil},
		{"attributes of a file that is read", func() {
			h := open("f", read)
			c.ask(wire.Fsetstat, h, mode).status(wire.OK)
			closed(h)
		}, []string{"setattr /f ok mode=0640", "read /f of 140 ok"}},
		{"hang up", func() {
			h := open("/half", write|create)
			c.ask(wire.Write, h, 0, "1234").status(wire.OK)
			open("/f", read)
			_ = c.hangUp()
		}, []string{"read /f of 140 dropped", "write /half read 0 written 4 in 0-4 of 4 dropped create"}},
	} {
		step.do()
		if got := n.lines(); !slices.Equal(got, step.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", step.name, strings.Join(got, "\n     "), strings.Join(step.want, "\n     "))
		}
	}
}

// TestRecordsFaults: what fails on the way is the outcome, whatever CLOSE says.
func TestRecordsFaults(t *testing.T) {
	t.Parallel()
	n, spy := &notebook{}, newSpy(t)
	c := converse(t, noted(spy, n))
	h := slices.Clone(c.create("f"))
	spy.fail("WriteAt", fmt.Errorf("spool: %w", kind.NoSpace))
	c.ask(wire.Write, h, 0, "data").status(wire.Failure)
	spy.fail("WriteAt", nil)
	c.ask(wire.Close, h).status(wire.OK)
	h = slices.Clone(c.create("g"))
	spy.fail("Close", fmt.Errorf("commit: %w", kind.Unavailable))
	c.ask(wire.Close, h).status(wire.Failure)
	want := []string{"write /f no_space create", "write /g unavailable create"}
	if got := n.lines(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRecordsHoldNoCapability: a path below /uri shows none.
func TestRecordsHoldNoCapability(t *testing.T) {
	t.Parallel()
	n := &notebook{}
	r := noted(newTree(t, newStore(t)), n)
	r.uri = true
	for _, p := range []filestore.Path{{"uri", "secret"}, {"uri", "secret", "a", "b"}, {"uri"}, {"other", "uri"}} {
		_ = r.Remove(t.Context(), p)
	}
	want := []string{"remove /uri/*** not_exist", "remove /uri/***/a/b not_exist", "remove /uri not_exist", "remove /other/uri not_exist"}
	if got := n.lines(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRecordsRequired: while none can be kept nothing is done, and what was done
// without one is not answered with success.
func TestRecordsRequired(t *testing.T) {
	t.Parallel()
	n := &notebook{}
	c := converse(t, noted(newTree(t, newStore(t)), n))
	h := slices.Clone(c.create("f"))
	n.fail(nil, kind.Unavailable)
	c.ask(wire.Close, h).status(wire.Failure)
	c.ask(wire.Mkdir, "done", uint32(0)).status(wire.Failure)
	n.fail(kind.Unavailable, kind.Unavailable)
	c.ask(wire.Mkdir, "d", uint32(0)).status(wire.Failure)
	c.ask(wire.Open, "g", wire.FlagWrite|wire.FlagCreate, uint32(0)).status(wire.Failure)
	c.ask(wire.Opendir, "/").status(wire.Failure)
	n.fail(nil, nil)
	c.ask(wire.Lstat, "f")
	c.ask(wire.Rmdir, "done").status(wire.OK)
	c.ask(wire.Lstat, "d").status(wire.NoSuchFile)
	c.ask(wire.Lstat, "g").status(wire.NoSuchFile)
}

// TestRecordsOfConnections: logins, refusals and commands.
func TestRecordsOfConnections(t *testing.T) {
	t.Parallel()
	n := &notebook{}
	h := serve(t, func(s *Server) { s.Audit = n })
	if _, err := h.dial(config("alice", ssh.Password("wrong horse"))); err == nil {
		t.Fatal("logged in")
	}
	c := h.login()
	h.exec(c, "md5sum /none; rm -rf /secret/thing", "")
	h.exec(c, "scp -t /", "C0644 3 f\nabc\x00")
	h.exec(c, "rm `x`", "")
	if err := h.sftp(c).Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	h.stop()
	if err := <-h.served; err != nil && kind.Of(err) != kind.Canceled {
		t.Log(err)
	}
	sessions := map[string]bool{}
	n.mu.Lock()
	for _, r := range n.all {
		if r.Account != "alice" || r.Service != audit.SFTP || r.Remote == "" {
			t.Errorf("incomplete: %+v", r)
		}
		sessions[r.Session] = true
		if strings.Contains(fmt.Sprintf("%+v", r), "horse") || strings.Contains(fmt.Sprintf("%+v", r), "secret") {
			t.Errorf("a secret: %+v", r)
		}
	}
	n.mu.Unlock()
	if len(sessions) != 2 {
		t.Errorf("sessions %v", sessions)
	}
	got := n.lines()
	for i, l := range got {
		got[i], _, _ = strings.Cut(l, "; client SSH-2.0-Go")
	}
	want := []string{
		"refused  denied password", "login  ok password", "read /none not_exist", "exec  failed status=127",
		"write /f read 0 written 3 in 0-3 of 3 ok create truncate", "exec  ok status=0", "exec  failed status=127",
		"mkdir /d ok", "logout  ok requests=2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// TestLoginRequiresRecord: nobody comes in unrecorded.
func TestLoginRequiresRecord(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]*notebook{"before": {unready: kind.Unavailable}, "then": {full: kind.Unavailable}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := serve(t, func(s *Server) { s.Audit = n })
			c, err := h.dial(config("alice"))
			if err != nil {
				return
			}
			defer c.Close()
			if s, err := c.NewSession(); err == nil {
				if out, err := s.Output("pwd"); err == nil {
					t.Errorf("served: %q", out)
				}
			}
		})
	}
}

var _ tree = (*recorded)(nil)

// TestRecordedListing: a listing that its reader breaks off is recorded, once.
func TestRecordedListing(t *testing.T) {
	t.Parallel()
	n := &notebook{}
	r := noted(newTree(t, newStore(t)), n)
	for _, name := range []string{"a", "b", "c"} {
		if err := r.Mkdir(context.Background(), filestore.Path{name}, filestore.Attr{}); err != nil {
			t.Fatal(err)
		}
	}
	n.lines()
	n.fail(nil, kind.Unavailable)
	for range r.List(context.Background(), filestore.Path{}) {
		break
	}
	var last error
	for _, err := range r.List(context.Background(), filestore.Path{}) {
		last = err
	}
	if want := []string{"list / ok entries=1", "list / ok entries=3"}; !slices.Equal(n.lines(), want) || last == nil {
		t.Errorf("the last: %v", last)
	}
}

// TestRecordsOfDigests: a file that was written in sequence, from its first byte to
// its last, has the SHA-256 of that in its record; any other has none, since nobody
// has read it.
func TestRecordsOfDigests(t *testing.T) {
	t.Parallel()
	const write, create, trunc, appnd = wire.FlagWrite, wire.FlagCreate, wire.FlagTrunc, wire.FlagAppend
	n := &notebook{}
	c := converse(t, noted(newTree(t, newStore(t)), n))
	sized := func(size uint64) wire.Attrs { return wire.Attrs{Flags: wire.AttrSize, Size: size} }
	type step struct {
		off  int
		data string
	}
	for _, tt := range []struct {
		name   string
		flags  uint32
		before *wire.Attrs // set by the handle, before the writes
		steps  []step
		after  *wire.Attrs
		want   string
	}{
		{"in sequence", write | create | trunc, nil, []step{{0, "hello, "}, {7, "world"}}, nil, "hello, world"},
		{"over a file as long", write, nil, []step{{0, "HELLO, "}, {7, "WORLD"}}, nil, "HELLO, WORLD"},
		{"the size is set first", write | create | trunc, ptr(sized(12)), []step{{0, "hello, world"}}, nil, "hello, world"},
		{"the size is set to what it is", write | create | trunc, nil, []step{{0, "hello, world"}}, ptr(sized(12)), "hello, world"},
		{"the beginning only", write, nil, []step{{0, "hello"}}, nil, ""},
		{"not from the beginning", write, nil, []step{{1, "ello, world"}}, nil, ""},
		{"a gap", write | create | trunc, nil, []step{{0, "hello"}, {6, "world"}}, nil, ""},
		{"backwards", write | create | trunc, nil, []step{{6, "world"}, {0, "hello "}}, nil, ""},
		{"twice", write | create | trunc, nil, []step{{0, "hello"}, {0, "hello"}}, nil, ""},
		{"cut", write | create | trunc, nil, []step{{0, "hello, world"}}, ptr(sized(5)), ""},
		{"grown", write | create | trunc, nil, []step{{0, "hello"}}, ptr(sized(50)), ""},
		{"appended", write | create | trunc | appnd, nil, []step{{0, "hello"}}, nil, ""},
		{"nothing", write | create | trunc, nil, nil, nil, ""},
	} {
		h := slices.Clone(c.ask(wire.Open, "/f", tt.flags, uint32(0)).handle())
		if tt.before != nil {
			c.ask(wire.Fsetstat, h, *tt.before).status(wire.OK)
		}
		for _, s := range tt.steps {
			c.ask(wire.Write, h, s.off, s.data).status(wire.OK)
		}
		if tt.after != nil {
			c.ask(wire.Fsetstat, h, *tt.after).status(wire.OK)
		}
		c.ask(wire.Close, h).status(wire.OK)
		n.mu.Lock()
		got := n.all[len(n.all)-1].Digest
		n.mu.Unlock()
		want := ""
		if tt.want != "" {
			want = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(tt.want)))
		}
		if got != want {
			t.Errorf("%s: digest %q, want %q", tt.name, got, want)
		}
		// The next one finds twelve bytes.
		h = slices.Clone(c.ask(wire.Open, "/f", write|create|trunc, uint32(0)).handle())
		c.ask(wire.Write, h, 0, "hello, world").status(wire.OK)
		c.ask(wire.Close, h).status(wire.OK)
	}
}

func ptr[T any](v T) *T { return &v }
