package sftpd

import (
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/sftpd/wire"
)

const appendFlags = wire.FlagWrite | wire.FlagRead | wire.FlagAppend | wire.FlagCreate

// Appending handles, whatever a client takes offsets to mean.
func TestAppend(t *testing.T) {
	t.Parallel()
	type w struct {
		off  int
		data string
	}
	for name, tt := range map[string]struct {
		before string
		writes []w
		want   string
	}{
		"absolute offsets":       {"0123", []w{{4, "45"}, {6, "67"}}, "01234567"},
		"offsets from zero":      {"0123", []w{{0, "45"}, {2, "67"}, {4, "8"}}, "012345678"},
		"always zero":            {"0123", []w{{0, "45"}, {0, "67"}}, "01234567"},
		"new file":               {"", []w{{0, "01"}, {2, "23"}}, "0123"},
		"out of order":           {"0123", []w{{6, "67"}, {4, "45"}, {8, "8"}}, "012345678"},
		"gaps filled in pieces":  {"", []w{{8, "8"}, {4, "4"}, {0, "01"}, {2, "23"}, {6, "67"}, {5, "5"}}, "012345678"},
		"zero, then disordered":  {"0123", []w{{0, "4"}, {3, "7"}, {1, "56"}}, "01234567"},
		"inside of what was":     {"0123", []w{{1, "45"}, {3, "67"}}, "01234567"},
		"overlapping what it is": {"0123", []w{{3, "45"}}, "012345"},
		"paramiko after a read":  {"0123", []w{{2, "45"}, {6, "67"}, {8, "8"}}, "012345678"},
		"and a wrong end":        {"012345", []w{{3, "67"}, {7, "89"}, {9, "a"}, {10, "b"}}, "0123456789ab"},
	} {
		t.Run(name, func(t *testing.T) {
			c := converse(t, newTree(t, newStore(t)))
			h := slices.Clone(c.create("f"))
			c.ask(wire.Write, h, 0, tt.before).status(wire.OK)
			c.ask(wire.Close, h).status(wire.OK)
			h = slices.Clone(c.ask(wire.Open, "f", appendFlags, uint32(0)).handle())
			for _, w := range tt.writes {
				c.ask(wire.Write, h, w.off, w.data).status(wire.OK)
			}
			if got := string(c.ask(wire.Read, h, 0, uint32(99)).data()); got != tt.want {
				t.Errorf("while open: %q, want %q", got, tt.want)
			}
			c.ask(wire.Close, h).status(wire.OK)
			h = c.ask(wire.Open, "f", wire.FlagRead, uint32(0)).handle()
			if got := string(c.ask(wire.Read, h, 0, uint32(99)).data()); got != tt.want {
				t.Errorf("committed: %q, want %q", got, tt.want)
			}
		})
	}
}

// Two clients append to one log and neither overwrites the other.
func TestTwoAppendersLoseNothing(t *testing.T) {
	t.Parallel()
	tr := newTree(t, newStore(t))
	a, b := converse(t, tr), converse(t, tr)
	ha := slices.Clone(a.ask(wire.Open, "log", appendFlags, uint32(0)).handle())
	hb := slices.Clone(b.ask(wire.Open, "log", appendFlags, uint32(0)).handle())
	a.ask(wire.Write, ha, 0, "a0").status(wire.OK)
	b.ask(wire.Write, hb, 0, "b0").status(wire.OK) // saw an empty file
	a.ask(wire.Write, ha, 2, "a1").status(wire.OK) // and this one two bytes
	b.ask(wire.Write, hb, 2, "b1").status(wire.OK)
	a.ask(wire.Write, ha, 4, "a2").status(wire.OK)
	if got := string(b.ask(wire.Read, hb, 0, uint32(99)).data()); got != "a0b0a1b1a2" {
		t.Errorf("got %q", got)
	}
}

// Who puts a log aside by copying and cutting it finds no hole in what follows.
func TestAppendGoesOnAtTheEndOfAFileThatWasCut(t *testing.T) {
	t.Parallel()
	size := func(n uint64) wire.Attrs { return wire.Attrs{Flags: wire.AttrSize, Size: n} }
	for name, cut := range map[string]struct {
		by   func(c, other *talk)
		want string
	}{
		"by another client": {func(_, other *talk) { other.ask(wire.Setstat, "log", size(0)).status(wire.OK) }, "23"},
		"by the client":     {func(c, _ *talk) { c.ask(wire.Setstat, "log", size(2)).status(wire.OK) }, "be23"},
		"by opening it": {func(_, other *talk) {
			other.ask(wire.Open, "log", wire.FlagWrite|wire.FlagTrunc, uint32(0)).handle()
		}, "23"},
		"and grown since": {func(_, other *talk) {
			h := slices.Clone(other.ask(wire.Open, "log", wire.FlagWrite|wire.FlagTrunc, uint32(0)).handle())
			other.ask(wire.Write, h, 0, "new").status(wire.OK)
		}, "new23"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t, newStore(t))
			c, other := converse(t, tr), converse(t, tr)
			h := slices.Clone(c.create("log"))
			c.ask(wire.Write, h, 0, "before").status(wire.OK)
			c.ask(wire.Close, h).status(wire.OK)
			h = slices.Clone(c.ask(wire.Open, "log", appendFlags, uint32(0)).handle())
			cut.by(c, other)
			c.ask(wire.Write, h, 6, "2").status(wire.OK)
			c.ask(wire.Write, h, 7, "3").status(wire.OK)
			c.ask(wire.Close, h).status(wire.OK)
			if got := c.get("log"); got != cut.want {
				t.Errorf("got %q, want %q", got, cut.want)
			}
		})
	}
	// What the client itself has cut, it may write disorderly.
	c := converse(t, newTree(t, newStore(t)))
	h := slices.Clone(c.ask(wire.Open, "log", appendFlags, uint32(0)).handle())
	c.ask(wire.Write, h, 0, "before").status(wire.OK)
	c.ask(wire.Fsetstat, h, size(2)).status(wire.OK)
	c.ask(wire.Write, h, 3, "3").status(wire.OK)
	c.ask(wire.Write, h, 2, "2").status(wire.OK)
	c.ask(wire.Close, h).status(wire.OK)
	if got := c.get("log"); got != "be23" {
		t.Errorf("got %q", got)
	}
}

// The file that is appended to keeps its handle when it is renamed.
func TestAppendFollowsTheFile(t *testing.T) {
	t.Parallel()
	c := converse(t, newTree(t, newStore(t)))
	h := slices.Clone(c.ask(wire.Open, "f", appendFlags, uint32(0)).handle())
	c.ask(wire.Write, h, 0, "01").status(wire.OK)
	c.ask(wire.Rename, "f", "g").status(wire.OK)
	c.ask(wire.Close, c.create("f")).status(wire.OK)
	c.ask(wire.Write, h, 4, "23").status(wire.OK) // out of order, and the name is another's
	c.ask(wire.Close, h).status(wire.OK)
	h = c.ask(wire.Open, "g", wire.FlagRead, uint32(0)).handle()
	if got := string(c.ask(wire.Read, h, 0, uint32(99)).data()); got != "0123" {
		t.Errorf("got %q", got)
	}
}
