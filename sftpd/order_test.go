package sftpd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// hesitant is a tree whose changes let others go first now and then.
type hesitant struct {
	tree
	rnd func() int
}

func (h hesitant) hesitate() {
	for range h.rnd() {
		runtime.Gosched()
	}
}

func (h hesitant) Mkdir(ctx context.Context, p filestore.Path, a filestore.Attr) error {
	h.hesitate()
	return h.tree.Mkdir(ctx, p, a)
}

func (h hesitant) Rmdir(ctx context.Context, p filestore.Path) error {
	h.hesitate()
	return h.tree.Rmdir(ctx, p)
}

func (h hesitant) Remove(ctx context.Context, p filestore.Path) error {
	h.hesitate()
	return h.tree.Remove(ctx, p)
}

func (h hesitant) Rename(ctx context.Context, from, to filestore.Path, m filestore.RenameMode) error {
	h.hesitate()
	return h.tree.Rename(ctx, from, to, m)
}

func (h hesitant) Symlink(ctx context.Context, p filestore.Path, target string, a filestore.Attr) error {
	h.hesitate()
	return h.tree.Symlink(ctx, p, target, a)
}

func (h hesitant) Link(ctx context.Context, from, to filestore.Path) error {
	h.hesitate()
	return h.tree.Link(ctx, from, to)
}

func (h hesitant) SetAttr(ctx context.Context, p filestore.Path, a filestore.Attr, follow bool) error {
	h.hesitate()
	return h.tree.SetAttr(ctx, p, a, follow)
}

func (h hesitant) Open(ctx context.Context, p filestore.Path, o filestore.OpenOptions) (file, error) {
	f, err := h.tree.Open(ctx, p, o)
	if err != nil {
		return nil, err
	}
	return hesitantFile{f, h}, nil
}

type hesitantFile struct {
	file
	h hesitant
}

func (f hesitantFile) Close(ctx context.Context) error {
	f.h.hesitate()
	return f.file.Close(ctx)
}

func (f hesitantFile) Sync(ctx context.Context) error {
	f.h.hesitate()
	return f.file.Sync(ctx)
}

// program makes a session's requests out of bytes: few names, so that they meet.
func program(b []byte) (requests [][]byte) {
	names := []string{"a", "b", "d", "d/a", "d/b", "e", "e/a", "l", "l/a", "d/e", "m", "../d/./a", "%2e", ""}
	id := uint32(0)
	add := func(t wire.Type, fields ...any) {
		id++
		requests = append(requests, packet(t, &id, fields...))
	}
	for len(b) >= 3 && len(requests) < 60 {
		op, x, y := b[0], names[int(b[1])%len(names)], names[int(b[2])%len(names)]
		h := []byte{0, 0, 0, b[1] % 4, 0, 0, 0, b[2] % 4}
		b = b[3:]
		switch op % 18 {
		case 0:
			add(wire.Mkdir, x, uint32(0))
		case 1:
			add(wire.Rmdir, x)
		case 2:
			add(wire.Remove, x)
		case 3:
			add(wire.Rename, x, y)
		case 4:
			add(wire.Extended, wire.ExtPosixRename, x, y)
		case 5:
			add(wire.Symlink, y, x)
		case 6:
			add(wire.Stat, x)
		case 7:
			add(wire.Lstat, x)
		case 8, 9:
			add(wire.Open, x, rd|wr|creat, uint32(0))
		case 10:
			add(wire.Open, x, uint32(len(y))*7&0x3f, uint32(0)) // any flags
		case 11:
			add(wire.Write, h, 0, y+"-contents")
		case 12, 13:
			add(wire.Close, h)
		case 14:
			add(wire.Extended, wire.ExtFsync, h)
		case 15:
			add(wire.Setstat, x, wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o700})
		case 16:
			add(wire.Extended, wire.ExtHardlink, x, y)
		case 17:
			add(wire.Read, h, 0, uint32(100))
		}
	}
	for _, dir := range []string{"", "d", "e"} {
		add(wire.Opendir, dir)
	}
	for i := range byte(6) {
		for gen := range byte(3) {
			add(wire.Readdir, []byte{0, 0, 0, i, 0, 0, 0, gen})
		}
	}
	return requests
}

// answersTo runs a program on a new tree, all at once or one after another, and
// describes the answers.
func answersTo(t *testing.T, requests [][]byte, atOnce bool, rnd func() int) []string {
	t.Helper()
	tr := hesitant{newTree(t, newStore(t)), rnd}
	var out bytes.Buffer
	hello := packet(wire.Init, nil, uint32(3))
	if atOnce {
		s := bare(tr, bothEnds{bytes.NewReader(append(hello, bytes.Join(requests, nil)...)), &out})
		if err := s.run(t.Context()); err != nil {
			t.Fatal(err)
		}
	} else {
		r := &stepwise{steps: append([][]byte{hello}, requests...)}
		s := bare(tr, bothEnds{r, &out})
		r.s = s
		if err := s.run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return describe(&out)
}

// stepwise gives one request at a time, when all before it have been answered.
type stepwise struct {
	steps [][]byte
	s     *session
}

func (r *stepwise) Read(b []byte) (int, error) {
	r.s.await(nil)
	if len(r.steps) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.steps[0])
	if r.steps[0] = r.steps[0][n:]; len(r.steps[0]) == 0 {
		r.steps = r.steps[1:]
	}
	return n, nil
}

// describe tells of each reply what doesn't depend on the time of day.
func describe(out *bytes.Buffer) (all []string) {
	for out.Len() > 0 {
		n := wire.NewDecoder(out.Next(4))
		p := out.Next(int(n.Uint32()))
		d := wire.NewDecoder(p[1:])
		text := fmt.Sprint(wire.Type(p[0]), d.Uint32())
		switch wire.Type(p[0]) {
		case wire.StatusReply:
			text = fmt.Sprint(text, " status ", d.Uint32(), " ", string(d.Bytes()))
		case wire.AttrsReply:
			a := d.Attrs()
			text = fmt.Sprintf("%s size %d mode %o", text, a.Size, a.Mode)
		case wire.HandleReply, wire.DataReply:
			text = fmt.Sprintf("%s %q", text, d.Bytes())
		case wire.NameReply:
			for k := d.Uint32(); k > 0; k-- {
				name := d.Bytes()
				d.Bytes()
				a := d.Attrs()
				text = fmt.Sprintf("%s %q %o %d", text, name, a.Mode, a.Size)
			}
		}
		all = append(all, text)
	}
	return all
}

func comparePrograms(t *testing.T, b []byte, seed uint64) {
	t.Helper()
	requests := program(b)
	source := rand.New(rand.NewPCG(seed, 0))
	lock := make(chan struct{}, 1)
	rnd := func() int {
		lock <- struct{}{}
		defer func() { <-lock }()
		return source.IntN(20)
	}
	want := answersTo(t, requests, false, func() int { return 0 })
	got := answersTo(t, requests, true, rnd)
	for i := range max(len(want), len(got)) {
		w, g := "nothing", "nothing"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			t.Fatalf("bytes %x: answer %d to what is sent at once: %s\none after another: %s", b, i, g, w)
		}
	}
}

// Whatever a client sends, it is answered alike whether it waits for the answers
// or not.
func TestFlightsChangeNoAnswer(t *testing.T) {
	t.Parallel()
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for seed := range uint64(rounds) {
		source := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, 3*40)
		for i := range b {
			b[i] = byte(source.Uint32())
		}
		comparePrograms(t, b, seed)
	}
}

// FuzzFlights is TestFlightsChangeNoAnswer with programs that were not drawn.
func FuzzFlights(f *testing.F) {
	f.Add([]byte{0, 2, 0, 8, 3, 0, 12, 0, 0, 2, 3, 0, 1, 2, 0, 5, 7, 2, 0, 7, 0, 6, 8, 0}, uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) { comparePrograms(t, b, seed) })
}
