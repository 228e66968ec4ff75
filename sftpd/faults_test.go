package sftpd

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// What a store does to an open file reaches the client as a status, never as
// bytes, and the session goes on.
func TestFaultsAreAnswered(t *testing.T) {
	t.Parallel()
	secret := "URI:DIR3:secret"
	cause := func(k kind.Kind) error { return fmt.Errorf("store %s at s3.example.com: %w", secret, k) }
	spy := newSpy(t)
	c := converse(t, spy)
	log := &logBuffer{}
	c.s.log = slog.New(slog.NewTextHandler(log, nil))
	c.put("f", "contents")
	h := slices.Clone(c.ask(wire.Open, "f", rd|wr, uint32(0)).handle())
	request := map[string]func() reply{
		"ReadAt":  func() reply { return c.ask(wire.Read, h, 0, uint32(8)) },
		"WriteAt": func() reply { return c.ask(wire.Write, h, 0, "x") },
		"Sync":    func() reply { return c.ask(wire.Extended, wire.ExtFsync, h) },
	}
	for method, ask := range request {
		for _, k := range []kind.Kind{kind.Corrupt, kind.Unavailable, kind.NoSpace, kind.Other, kind.Canceled} {
			spy.fail(method, cause(k))
			r := ask()
			if r.kind != wire.StatusReply || wire.Status(r.Uint32()) != wire.Failure {
				t.Errorf("%s with %v: type %d", method, k, r.kind)
			}
			if text := string(r.Bytes()); text != k.Error()+": f" {
				t.Errorf("%s with %v: the client is told %q", method, k, text)
			}
		}
		spy.fail(method, nil)
		if r := ask(); r.kind == wire.StatusReply {
			r.status(wire.OK)
		}
	}
	// A CLOSE that fails says so, and the handle is gone.
	spy.fail("Close", cause(kind.NoSpace))
	c.ask(wire.Close, h).status(wire.Failure)
	c.ask(wire.Close, h).status(wire.Failure)
	c.ask(wire.Read, h, 0, uint32(1)).status(wire.Failure)
	if n := c.s.handles.open; n != 0 {
		t.Errorf("%d handles left", n)
	}
	for _, want := range []string{"op=READ", "op=CLOSE", "level=ERROR", "level=WARN", "s3.example.com"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// A listing that fails on its way ends with an error, not as if it were whole.
func TestListingThatFails(t *testing.T) {
	t.Parallel()
	spy := newSpy(t)
	c := converse(t, brokenList{spy})
	c.put("a", "")
	h := slices.Clone(c.ask(wire.Opendir, "/").handle())
	c.ask(wire.Readdir, h).status(wire.Failure)
	c.ask(wire.Close, h).status(wire.OK)
}

// A client may have hundreds of writes under way when the disk turns out to be
// full: an operator is told once a file, and again when it is something else.
func TestAFullDiskIsLoggedOnceAHandle(t *testing.T) {
	t.Parallel()
	spy := newSpy(t)
	c := converse(t, spy)
	log := &logBuffer{}
	c.s.log = slog.New(slog.NewTextHandler(log, nil))
	warnings := func() int { return strings.Count(log.String(), "level=WARN") }
	for n, name := range []string{"a", "b"} {
		h := slices.Clone(c.create(name))
		spy.fail("WriteAt", fmt.Errorf("spool: %w", kind.NoSpace))
		for range 20 {
			c.ask(wire.Write, h, 0, "x").status(wire.Failure)
		}
		spy.fail("WriteAt", nil)
		if got := warnings(); got != 2*n+1 {
			t.Errorf("%d warnings after 20 writes of file %d", got, n)
		}
		spy.fail("Close", fmt.Errorf("put: %w", kind.Unavailable))
		c.ask(wire.Close, h).status(wire.Failure)
		spy.fail("Close", nil)
		if got := warnings(); got != 2*n+2 {
			t.Errorf("%d warnings after another kind, of file %d", got, n)
		}
	}
}
