package audit_test

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/audit"
)

// TestSyslog: what goes to the file goes to a syslog, too.
func TestSyslog(t *testing.T) {
	t.Parallel()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := audit.NewSyslog("udp:" + c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, audit.Options{File: filepath.Join(t.TempDir(), "audit.jsonl"), Also: []io.Writer{s}})
	if err := l.Record(put(7)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	for { // the beginning comes first
		n, _, err := c.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(b[:n]); strings.Contains(text, `"path":"/a7"`) {
			if !strings.HasPrefix(text, "<86>") || !strings.Contains(text, "truckee") {
				t.Errorf("got %q", text)
			}
			return
		}
	}
}

// TestNoSyslog: one that isn't there holds up nothing, the start neither.
func TestNoSyslog(t *testing.T) {
	t.Parallel()
	s, err := audit.NewSyslog("tcp:127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, audit.Options{Also: []io.Writer{s}})
	for n := range 10 {
		_ = l.Record(put(n))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if f := l.Figures(); f.Lost < 10 {
		t.Errorf("%+v", f)
	}
}
