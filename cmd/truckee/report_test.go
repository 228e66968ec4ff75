package main

import (
	"errors"
	"strings"
	"testing"
)

// Names that clients chose stand in errors; they must not act on the terminal
// of whoever reads them.
func TestErrorsDontActOnTheTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	report(&out, errors.New("alice:/\x1b]0;x\a\xff\u202e\u009bü: first\nsecond"))
	want := "truckee: alice:/" + `\x1b]0;x\a\xff\u202e\u009bü: first` + "\nsecond\n"
	if got := out.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
