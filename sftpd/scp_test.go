package sftpd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// scpTalk is the client's side of an scp command.
type scpTalk struct {
	t    *testing.T
	said chan string // to be sent
	out  *bufio.Reader
	errs bytes.Buffer
	end  chan uint32
}

func startSCP(t *testing.T, tr tree, args ...string) *scpTalk {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	c := &scpTalk{t: t, said: make(chan string, 100), out: bufio.NewReader(outR), end: make(chan uint32, 1)}
	go func() {
		defer inW.Close()
		for text := range c.said {
			_, _ = io.WriteString(inW, text) // an error: the server has ended
		}
	}()
	sh := &shell{ctx: context.Background(), tree: tr, user: "alice", umask: 0o022, dir: "/", in: inR, out: outW, errs: &c.errs, heavyOnes: make(chan struct{}, 1)}
	go func() {
		status := sh.command(append([]string{"scp"}, args...))
		outW.Close()
		inR.Close()
		c.end <- status
	}()
	return c
}

// say sends bytes.
func (c *scpTalk) say(text string) { c.said <- text }

// hear reads exactly the wanted bytes.
func (c *scpTalk) hear(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.out, got)
	if string(got[:n]) != want || err != nil {
		rest, _ := c.out.Peek(c.out.Buffered())
		c.t.Fatalf("heard %q%q, %v, want %q", got[:n], rest, err, want)
	}
}

// hangUp ends the client's side and wants this exit status and nothing more said.
func (c *scpTalk) hangUp(status uint32) {
	c.t.Helper()
	close(c.said)
	rest, _ := io.ReadAll(c.out)
	if got := <-c.end; got != status || len(rest) > 0 {
		c.t.Errorf("exit status %d, more to hear %q, want %d", got, rest, status)
	}
}

const ack = "\x00"

func TestSCPReceivesATree(t *testing.T) {
	t.Parallel()
	c := world(t)
	s := startSCP(t, c.s.tree, "-r", "-p", "-t", "--", "/new")
	s.hear(ack)
	s.say("T1000000000 5 1000000001 6\n")
	s.hear(ack)
	s.say("D0750 0 top\n")
	s.hear(ack) // the directory takes records
	s.say("T1 0 2 0\n")
	s.hear(ack)
	s.say("C0640 5 a b\n")
	s.hear(ack)
	s.say("hello\x00")
	s.hear(ack)
	s.say("D0555 0 ro\n")
	s.hear(ack)
	s.say("C0444 0 empty\n")
	s.hear(ack)
	s.say("\x00")
	s.hear(ack)
	s.say("E\n")
	s.hear(ack)
	s.say("E\n")
	s.hear(ack)
	s.hangUp(0)
	if got := c.get("new/a b"); got != "hello" { // the target was not there: it is the directory
		t.Errorf("holds %q", got)
	}
	for name, want := range map[string]wire.Attrs{
		"new":          {Mode: 0o040750, Mtime: 1000000000, Atime: 1000000001},
		"new/a b":      {Mode: 0o100640, Mtime: 1, Atime: 2, Size: 5},
		"new/ro":       {Mode: 0o040555},
		"new/ro/empty": {Mode: 0o100444},
	} {
		a := c.attrs(wire.Stat, name)
		if a.Mode != want.Mode || a.Size != want.Size || want.Mtime != 0 && (a.Mtime != want.Mtime || a.Atime != want.Atime) {
			t.Errorf("%s: %+v, want %+v", name, a, want)
		}
	}
}

func TestSCPReceives(t *testing.T) {
	t.Parallel()
	type line struct{ say, hear string }
	for name, tt := range map[string]struct {
		args   []string
		talk   []line
		status uint32
		file   string // contents of "file" at the end
	}{
		"over a file, whose mode stays": {[]string{"-t", "file"}, []line{{"", ack}, {"C0600 3 ignored\n", ack}, {"new\x00", ack}}, 0, "new"},
		"into a directory":              {[]string{"-d", "-t", "/"}, []line{{"", ack}, {"C0600 3 file\n", ack}, {"new\x00", ack}}, 0, "new"},
		"several":                       {[]string{"-t", "."}, []line{{"", ack}, {"C0600 1 x\n", ack}, {"x\x00", ack}, {"C0600 3 file\n", ack}, {"new\x00", ack}}, 0, "new"},
		"grown and cut":                 {[]string{"-t", "file"}, []line{{"", ack}, {"C0600 1 f\n", ack}, {"x\x00", ack}}, 0, "x"},
		"not a directory":               {[]string{"-d", "-t", "file"}, []line{{"", "\x01scp: file: Not a directory\n"}}, 1, "contents"},
		"no such directory":             {[]string{"-d", "-t", "no"}, []line{{"", "\x01scp: no: No such file or directory\n"}}, 1, "contents"},
		"no such parent":                {[]string{"-t", "no/x"}, []line{{"", ack}, {"C0600 1 x\n", "\x01scp: no/x: No such file or directory\n"}, {"C0600 1 x\n", "\x01scp: no/x: No such file or directory\n"}}, 1, "contents"},
		"a path out of the way":         {[]string{"-t", "dir"}, []line{{"", ack}, {"C0600 3 ../file\n", "\x01scp: protocol error: unexpected filename: ../file\n"}}, 1, "contents"},
		"dot-dot":                       {[]string{"-r", "-t", "dir"}, []line{{"", ack}, {"D0700 0 ..\n", "\x01scp: protocol error: unexpected filename: ..\n"}}, 1, "contents"},
		"no name":                       {[]string{"-t", "dir"}, []line{{"", ack}, {"C0600 3 \n", "\x01scp: protocol error: unexpected filename: \n"}}, 1, "contents"},
		"a directory without -r":        {[]string{"-t", "dir"}, []line{{"", ack}, {"D0700 0 d\n", "\x01scp: protocol error: received directory without -r\n"}}, 1, "contents"},
		"a slash, and no directory":     {[]string{"-t", "new/"}, []line{{"", ack}, {"C0600 1 x\n", "\x01scp: new/: Is a directory\n"}}, 1, "contents"},
		"a directory over a file":       {[]string{"-r", "-t", "/"}, []line{{"", ack}, {"D0700 0 file\n", "\x01scp: //file: Not a directory\n"}}, 1, "contents"},
		"gibberish":                     {[]string{"-t", "file"}, []line{{"", ack}, {"hello\n", "\x01scp: protocol error: expected control record\n"}}, 1, "contents"},
		"an empty line":                 {[]string{"-t", "file"}, []line{{"", ack}, {"\n", "\x01scp: protocol error: unexpected <newline>\n"}}, 1, "contents"},
		"a bad mode":                    {[]string{"-t", "file"}, []line{{"", ack}, {"Crwx 1 x\n", "\x01scp: protocol error: bad mode\n"}}, 1, "contents"},
		"a bad size":                    {[]string{"-t", "file"}, []line{{"", ack}, {"C0600 -1 x\n", "\x01scp: protocol error: size out of range\n"}}, 1, "contents"},
		"a huge size":                   {[]string{"-t", "file"}, []line{{"", ack}, {"C0600 99999999999999999999 x\n", "\x01scp: protocol error: size out of range\n"}}, 1, "contents"},
		"bad times":                     {[]string{"-t", "file"}, []line{{"", ack}, {"T1 0 x 0\n", "\x01scp: protocol error: bad times\n"}}, 1, "contents"},
		"the client gave up":            {[]string{"-t", "file"}, []line{{"", ack}, {"\x01scp: cannot read\nC0600 3 x\n", ack}, {"new\x00", ack}}, 1, "new"},
		"the client dies":               {[]string{"-t", "file"}, []line{{"", ack}, {"\x02fatal\n", ""}}, 1, "contents"},
		"the sender's read failed":      {[]string{"-t", "file"}, []line{{"", ack}, {"C0600 3 x\n", ack}, {"new\x01scp: read error\n", ack}}, 1, "contents"},
		"it breaks off in a file":       {[]string{"-t", "file"}, []line{{"", ack}, {"C0600 3 x\n", ack}, {"ne", ""}}, 1, "contents"},
		"it breaks off after a file":    {[]string{"-t", "file"}, []line{{"", ack}, {"C0600 3 x\n", ack}, {"new", ""}}, 1, "new"},
		"it breaks off in a record":     {[]string{"-t", "file"}, []line{{"", ack}, {"C0600 3", ""}}, 1, "contents"},
		"no record at all":              {[]string{"-t", "file"}, []line{{"", ack}}, 0, "contents"},
		"six digits of mode":            {[]string{"-t", "file"}, []line{{"", ack}, {"C0100600 3 x\n", ack}, {"new\x00", ack}}, 0, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := world(t)
			s := startSCP(t, c.s.tree, tt.args...)
			for _, l := range tt.talk {
				s.say(l.say)
				s.hear(l.hear)
			}
			s.hangUp(tt.status)
			if got := c.get("file"); got != tt.file {
				t.Errorf("file holds %q, want %q", got, tt.file)
			}
			if a := c.attrs(wire.Stat, "file"); a.Mode != 0o100644 {
				t.Errorf("mode %o", a.Mode)
			}
		})
	}
}

// Records that are too long or nested too deeply end the transfer, and not the
// process.
func TestSCPIsBounded(t *testing.T) {
	t.Parallel()
	c := world(t)
	s := startSCP(t, c.s.tree, "-t", "file")
	s.hear(ack)
	s.say("C0600 3 " + strings.Repeat("x", 3000) + "\n")
	s.hear("\x01scp: protocol error: a line is too long\n")
	s.hangUp(1)

	s = startSCP(t, c.s.tree, "-r", "-t", "dir")
	s.hear(ack)
	for range maxSCPDepth {
		s.say("D0700 0 d\n")
		s.hear(ack)
	}
	s.say("D0700 0 d\n")
	s.hear("\x01scp: protocol error: directories are too deep\n")
	s.hangUp(1)
}

// An upload that fails is told on its own answer, after all bytes were read, and
// the transfer goes on.
func TestSCPTellsWhatFailed(t *testing.T) {
	t.Parallel()
	spy := newSpy(t)
	for method, want := range map[string]string{"WriteAt": "No space left on device", "Close": "No space left on device"} {
		spy.fail(method, fmt.Errorf("put at s3.example.com: %w", kind.NoSpace))
		s := startSCP(t, spy, "-t", "/")
		s.hear(ack)
		s.say("C0600 3 a\n")
		s.hear(ack)
		s.say("new\x00")
		s.hear("\x01scp: //a: " + want + "\n")
		spy.fail(method, nil)
		s.say("C0600 3 b\n")
		s.hear(ack)
		s.say("new\x00")
		s.hear(ack)
		s.hangUp(1)
		if _, err := spy.Stat(t.Context(), filestore.Path{"a"}); kind.Of(err) != kind.NotExist {
			t.Errorf("%s: what failed is there: %v", method, err)
		}
	}
}

func TestSCPSends(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.ask(wire.Setstat, "file", wire.Attrs{Flags: wire.AttrTimes | wire.AttrPermissions, Mode: 0o640, Mtime: 5, Atime: 6}).status(wire.OK)
	s := startSCP(t, c.s.tree, "-p", "-f", "file")
	s.say(ack)
	s.hear("T5 0 6 0\n")
	s.say(ack)
	s.hear("C0640 8 file\n")
	s.say(ack)
	s.hear("contents" + ack)
	s.say(ack)
	s.hangUp(0)

	// A refused file is not sent, the next one is.
	s = startSCP(t, c.s.tree, "-f", "file", "no", "dir", "/other")
	s.say(ack)
	s.hear("C0640 8 file\n")
	s.say("\x01scp: no thanks\n")
	s.hear("\x01scp: no: No such file or directory\n"[:5])
	s.hear(" /no: No such file or directory\n")
	s.hear("\x01scp: /dir: not a regular file\n")
	s.hear("C0644 6 other\n")
	s.say(ack)
	s.hear("others" + ack)
	s.say(ack)
	s.hangUp(1)
}

func TestSCPSendsATree(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.ask(wire.Symlink, "..", "dir/up").status(wire.OK) // would go round in circles
	c.ask(wire.Symlink, "../file", "dir/to").status(wire.OK)
	c.put("dir/two\nlines", "")
	s := startSCP(t, c.s.tree, "-r", "-f", "/dir")
	for _, step := range []string{
		"D0755 0 dir\n", "C0644 6 in\n", "inside" + ack, "C0644 8 to\n", "contents" + ack, `C0644 0 two\^Jlines` + "\n", ack,
	} {
		s.say(ack)
		s.hear(step)
	}
	s.say(ack)
	s.hear("D0755 0 up\n") // the root, which is not above by this way
	s.say(ack)
	s.hear("\x01scp: /dir/up/dangling: No such file or directory\n")
	s.hear("\x01scp: /dir/up/dir: Too many levels of symbolic links\n")
	close(s.said)
	_, _ = io.Copy(io.Discard, s.out)
	if got := <-s.end; got != 1 {
		t.Errorf("status %d", got)
	}
	// The root has no name; the account's stands in.
	s = startSCP(t, c.s.tree, "-r", "-f", "/")
	s.say(ack)
	s.hear("D0755 0 alice\n")
	s.hangUp(1)
}

// What can't be read is announced all the same, and told to be wrong.
func TestSCPReadsThatFail(t *testing.T) {
	t.Parallel()
	spy := newSpy(t)
	c := converse(t, spy)
	c.put("f", "contents")
	spy.fail("ReadAt", fmt.Errorf("get: %w", kind.Corrupt))
	s := startSCP(t, spy, "-f", "f")
	s.say(ack)
	s.hear("C0644 8 f\n")
	s.say(ack)
	s.hear(strings.Repeat("\x00", 8) + "\x01scp: /f: Input/output error\n")
	s.say(ack)
	s.hangUp(1)
}

func TestParseRecord(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]record{
		"C0644 12 a b":     {kind: 'C', mode: 0o644, size: 12, name: "a b"},
		"D0755 0 d":        {kind: 'D', mode: 0o755, name: "d"},
		"C107777 1 x":      {kind: 'C', mode: 0o7777, size: 1, name: "x"},
		"E":                {kind: 'E'},
		"\x01scp: message": {kind: 1, text: "scp: message"},
		"T5 1 6 2": {kind: 'T', times: filestore.Attr{
			Set: filestore.AttrMtime | filestore.AttrAtime, Mtime: time.Unix(5, 1000), Atime: time.Unix(6, 2000),
		}},
	} {
		if got, err := parseRecord(line); got != want || err != nil {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
	for _, line := range []string{
		"", "X", "C", "C0644", "C0644 ", "C0644 1", "C0644 1 ", "C0644 x a", "C0899 1 a", "C+644 1 a", "C0644 1 a/b", "C0644 1 a\x00b", "D0755 0 .",
		"T", "T1 2 3", "T1 2 3 4 5", "T-1 0 0 0", "T0 1000000 0 0", "T9999999999999999999 0 0 0", "Ex", "C0644 9223372036854775808 a", "C0644 -0 a",
	} {
		if got, err := parseRecord(line); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

// Whatever a client sends, scp ends, and nothing is written outside of its target.
func FuzzSCP(f *testing.F) {
	f.Add([]byte("T1 0 2 0\nD0755 0 d\nC0644 3 f\nabc\x00E\n"), true)
	f.Add([]byte("\x00\x00\x00\x01no\n"), false)
	f.Add([]byte("C0644 5 ../x\n"), true)
	f.Fuzz(func(t *testing.T, b []byte, to bool) {
		tr := newTree(t, newStore(t))
		c := converse(t, tr)
		c.ask(wire.Mkdir, "target", uint32(0)).status(wire.OK)
		c.put("target/file", "contents")
		sh := &shell{ctx: context.Background(), tree: tr, dir: "/", in: bytes.NewReader(b), out: io.Discard, errs: io.Discard}
		mode := "-f"
		if to {
			mode = "-t"
		}
		sh.command([]string{"scp", "-r", "-p", mode, "target"})
		if got := c.list("/"); !slices.Equal(got, []string{"target"}) {
			t.Errorf("%q made %q", b, got)
		}
	})
}
