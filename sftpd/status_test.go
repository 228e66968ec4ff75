package sftpd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// The whole table: a kind that is new, or moved, shows up here.
func TestEveryKindHasItsStatus(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, k := range kind.All() {
		code, ok := statusOf[k]
		if !ok {
			t.Errorf("%v has no status", k)
		}
		fmt.Fprintf(&b, "%s: %d\n", k.Error(), code)
	}
	const want = `internal error: 4
invalid request: 5
invalid name: 4
permission denied: 3
read-only: 3
no such file or directory: 2
not a directory: 2
already exists: 4
is a directory: 4
directory not empty: 4
changed by somebody else: 4
too large: 4
no space left: 4
stored data is damaged: 4
storage unavailable: 4
not supported: 8
canceled: 4
already closed: 4
too many symbolic links: 4
a condition of the request does not hold: 4
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// The client is told the kind and its own path, and nothing of the error.
func TestStatusTextLeaksNothing(t *testing.T) {
	t.Parallel()
	tr := newSpy(t)
	c := converse(t, tr)
	r := c.ask(wire.Stat, "/no/such \xff file")
	r.Uint32()
	if got := string(r.Bytes()); got != "invalid name: /no/such \uFFFD file" {
		t.Errorf("text %q", got)
	}
	r = c.ask(wire.Stat, "/nothing")
	r.Uint32()
	if got := string(r.Bytes()); got != "no such file or directory: /nothing" {
		t.Errorf("text %q", got)
	}
	if got := statusText(kind.NotExist, []byte(strings.Repeat("x", 1<<20))); len(got) > 2*maxStatusPath {
		t.Errorf("text of %d bytes", len(got))
	}
	if wire.OK != 0 {
		t.Error("a missing kind would be OK")
	}
}
