package sftpd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// gate is a tree whose changes wait until the test lets them through, as those
// of a slow storage do.
type gate struct {
	tree
	mu      sync.Mutex
	waiting []string                 // what has begun, in that order
	open    map[string]chan struct{} // by name
}

func newGate(t *testing.T) *gate {
	return &gate{tree: newTree(t, newStore(t)), open: map[string]chan struct{}{}}
}

// hold makes what has the name wait.
func (g *gate) hold(name string) { g.open[name] = make(chan struct{}) }

func (g *gate) release(name string) { close(g.open[name]) }

func (g *gate) pass(ctx context.Context, name string) error {
	g.mu.Lock()
	g.waiting = append(g.waiting, name)
	ch := g.open[name]
	g.mu.Unlock()
	if ch == nil {
		return nil
	}
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begun is what has begun so far.
func (g *gate) begun() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.waiting, " ")
}

func (g *gate) Open(ctx context.Context, p filestore.Path, o filestore.OpenOptions) (file, error) {
	f, err := g.tree.Open(ctx, p, o)
	if err != nil {
		return nil, err
	}
	return &gatedFile{f, g, p.String()}, nil
}

func (g *gate) Mkdir(ctx context.Context, p filestore.Path, a filestore.Attr) error {
	if err := g.pass(ctx, p.String()); err != nil {
		return err
	}
	return g.tree.Mkdir(ctx, p, a)
}

func (g *gate) Remove(ctx context.Context, p filestore.Path) error {
	if err := g.pass(ctx, "rm"+p.String()); err != nil {
		return err
	}
	return g.tree.Remove(ctx, p)
}

type gatedFile struct {
	file
	g    *gate
	name string
}

func (f *gatedFile) Close(ctx context.Context) error {
	if err := f.g.pass(ctx, f.name); err != nil {
		f.file.Discard()
		return err
	}
	return f.file.Close(ctx)
}

func (f *gatedFile) Sync(ctx context.Context) error {
	if err := f.g.pass(ctx, "sync"+f.name); err != nil {
		return err
	}
	return f.file.Sync(ctx)
}

// pipelined sends requests without waiting; their ids count from 1.
type pipelined struct {
	t   *testing.T
	in  *io.PipeWriter
	out bytes.Buffer // what the session wrote; to be read when nothing moves
	id  uint32
	s   *session
	end chan error
}

// pipeline starts a session in a synctest bubble.
func pipeline(t *testing.T, tr tree) *pipelined {
	r, w := io.Pipe()
	p := &pipelined{t: t, in: w, end: make(chan error, 1)}
	s := bare(tr, bothEnds{r, &p.out})
	p.s = s
	go func() { p.end <- s.run(t.Context()) }()
	p.write(packet(wire.Init, nil, uint32(3)))
	synctest.Wait()
	p.out.Reset()
	return p
}

func (p *pipelined) write(b []byte) {
	if _, err := p.in.Write(b); err != nil {
		p.t.Error(err)
	}
}

// request makes the next request.
func (p *pipelined) request(typ wire.Type, fields ...any) []byte {
	p.id++
	return packet(typ, &p.id, fields...)
}

// send sends requests at once and waits until nothing moves.
func (p *pipelined) send(requests ...[]byte) {
	p.write(slices.Concat(requests...))
	synctest.Wait()
}

// answers gives what has been answered since the last call: "1:0" is request 1
// with status 0, "2:type 102" one that is no status.
func (p *pipelined) answers() string {
	synctest.Wait()
	var all []string
	for p.out.Len() > 0 {
		b := p.out.Next(4)
		b = p.out.Next(int(binary.BigEndian.Uint32(b)))
		id := binary.BigEndian.Uint32(b[1:])
		if wire.Type(b[0]) == wire.StatusReply {
			all = append(all, fmt.Sprintf("%d:%d", id, binary.BigEndian.Uint32(b[5:])))
		} else {
			all = append(all, fmt.Sprintf("%d:type %d", id, b[0]))
		}
	}
	return strings.Join(all, " ")
}

func (p *pipelined) expect(want string) {
	p.t.Helper()
	if got := p.answers(); got != want {
		p.t.Errorf("answered %q, want %q", got, want)
	}
}

// firstHandle is the handle that a session gives first; the second has index 1.
func firstHandle(i byte) []byte { return []byte{0, 0, 0, i, 0, 0, 0, 0} }

// What has nothing to do with a commit under way goes on beside it, and its
// answer waits for its turn.
func TestACommitHoldsUpNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		p := pipeline(t, g)
		g.hold("/a")
		p.send(p.request(wire.Open, "a", wr|creat, uint32(0)), p.request(wire.Write, firstHandle(0), 0, "contents"))
		p.expect("1:type 102 2:0")
		p.send(p.request(wire.Close, firstHandle(0)))                      // 3
		p.send(p.request(wire.Open, "b", wr|creat, uint32(0)))             // 4: reuses the first handle's place
		p.send(p.request(wire.Mkdir, "d", uint32(0)))                      // 5
		p.send(p.request(wire.Close, []byte{0, 0, 0, 0, 0, 0, 0, 1}))      // 6
		p.send(p.request(wire.Stat, "d"), p.request(wire.Stat, "nowhere")) // 7, 8
		p.expect("")
		if got := g.begun(); got != "/a /d /b" {
			t.Errorf("begun: %s", got)
		}
		g.release("/a")
		p.expect("3:0 4:type 102 5:0 6:0 7:type 105 8:2")
		p.in.Close()
		if err := <-p.end; err != nil {
			t.Error(err)
		}
	})
}

// What may depend on a commit under way waits for it.
func TestWhatDependsOnACommitWaits(t *testing.T) {
	for name, after := range map[string]func(*pipelined) []byte{
		"stat":        func(p *pipelined) []byte { return p.request(wire.Stat, "d/a") },
		"open":        func(p *pipelined) []byte { return p.request(wire.Open, "d/a", rd, uint32(0)) },
		"remove":      func(p *pipelined) []byte { return p.request(wire.Remove, "d/a") },
		"rename to":   func(p *pipelined) []byte { return p.request(wire.Rename, "x", "d/a") },
		"rename from": func(p *pipelined) []byte { return p.request(wire.Rename, "d/a", "x") },
		"below":       func(p *pipelined) []byte { return p.request(wire.Stat, "d/a/b") },
		"listing":     func(p *pipelined) []byte { return p.request(wire.Opendir, "d") },
		"rmdir":       func(p *pipelined) []byte { return p.request(wire.Rmdir, "d") },
		"root":        func(p *pipelined) []byte { return p.request(wire.Stat, "") },
		"an alias":    func(p *pipelined) []byte { return p.request(wire.Stat, "x%ff") },
		"decomposed":  func(p *pipelined) []byte { return p.request(wire.Stat, "cafe\u0301") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t)
				if err := g.tree.Mkdir(t.Context(), filestore.Path{"d"}, filestore.Attr{}); err != nil {
					t.Fatal(err)
				}
				g.hold("/d/a")
				p := pipeline(t, g)
				p.send(p.request(wire.Open, "d/a", wr|creat, uint32(0)), p.request(wire.Close, firstHandle(0)))
				p.send(after(p), p.request(wire.Stat, "unrelated"))
				p.expect("1:type 102")
				g.release("/d/a")
				if got := p.answers(); !strings.HasPrefix(got, "2:0 3:") || !strings.HasSuffix(got, " 4:2") {
					t.Errorf("answered %q", got)
				}
				p.in.Close()
				<-p.end
			})
		})
	}
}

// Changes that a client sends without waiting run together, unless one may
// depend on another.
func TestChangesFlyTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		p := pipeline(t, g)
		for _, n := range []string{"/a", "/b", "/c", "/c/d"} {
			g.hold(n)
		}
		p.send(p.request(wire.Mkdir, "a", uint32(0)), p.request(wire.Mkdir, "b", uint32(0)),
			p.request(wire.Mkdir, "c", uint32(0)), p.request(wire.Mkdir, "c/d", uint32(0)),
			p.request(wire.Stat, "e"))
		if got := g.begun(); strings.Contains(got, "/c/d") || len(strings.Fields(got)) != 3 {
			t.Errorf("begun: %s", got)
		}
		g.release("/b")
		p.expect("")
		g.release("/c")
		p.expect("")
		g.release("/a")
		p.expect("1:0 2:0 3:0")
		g.release("/c/d")
		p.expect("4:0 5:2")
		p.in.Close()
		<-p.end
	})
}

// A path through a symbolic link may lead to anything, so that it waits for all
// changes of names.
func TestLinksWaitForChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		ctx := t.Context()
		if err := g.tree.Symlink(ctx, filestore.Path{"link"}, "d", filestore.Attr{}); err != nil {
			t.Fatal(err)
		}
		g.hold("/d")
		p := pipeline(t, g)
		p.send(p.request(wire.Mkdir, "d", uint32(0)), p.request(wire.Mkdir, "link/in", uint32(0)), p.request(wire.Stat, "x"))
		if got := g.begun(); got != "/d" {
			t.Errorf("begun: %s", got)
		}
		g.release("/d")
		p.expect("1:0 2:0 3:2")
		p.in.Close()
		<-p.end
	})
}

// Requests on a handle keep their order, whatever the first of them waits for.
func TestAHandleIsUsedByOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		g.hold("sync/a")
		p := pipeline(t, g)
		p.send(p.request(wire.Open, "a", rd|wr|creat, uint32(0)), p.request(wire.Open, "b", wr|creat, uint32(0)))
		p.expect("1:type 102 2:type 102")
		p.send(p.request(wire.Extended, wire.ExtFsync, firstHandle(0)), p.request(wire.Write, firstHandle(1), 0, "x"),
			p.request(wire.Close, firstHandle(0)), p.request(wire.Write, firstHandle(1), 1, "y"))
		p.expect("")
		if got := g.begun(); got != "sync/a" {
			t.Errorf("begun: %s", got)
		}
		g.release("sync/a")
		p.expect("3:0 4:0 5:0 6:0")
		p.in.Close()
		<-p.end
	})
}

// Who is gone can't hear the answer, but what he had sent counts: sshfs answers
// close() before we do.
func TestWhatWasSentBeforeHangingUpCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		g.hold("/a")
		r, w := io.Pipe()
		s := bare(g, bothEnds{r, brokenWriter{}})
		end := make(chan error, 1)
		go func() { end <- s.run(t.Context()) }()
		p := &pipelined{t: t, in: w}
		p.send(packet(wire.Init, nil, uint32(3)), p.request(wire.Open, "a", wr|creat, uint32(0)),
			p.request(wire.Open, "b", wr|creat, uint32(0)), p.request(wire.Write, firstHandle(0), 0, "contents"),
			p.request(wire.Close, firstHandle(0)), p.request(wire.Mkdir, "d", uint32(0)))
		w.Close()
		synctest.Wait()
		select {
		case err := <-end:
			t.Fatalf("the session ended before its commit: %v", err)
		default:
		}
		g.release("/a")
		if err := <-end; !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("ended with %v", err)
		}
		for name, want := range map[string]kind.Kind{"a": 0, "d": 0, "b": kind.NotExist} {
			if _, err := g.Stat(t.Context(), filestore.Path{name}); kind.Of(err) != want {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Neither flights nor the answers that wait behind them grow without bound.
func TestFlightsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		g.hold("/a")
		p := pipeline(t, g)
		p.send(p.request(wire.Open, "a", wr|creat, uint32(0)), p.request(wire.Open, "b", rd|wr|creat, uint32(0)),
			p.request(wire.Write, firstHandle(1), 0, strings.Repeat("x", 100<<10)), p.request(wire.Close, firstHandle(0)))
		p.expect("1:type 102 2:type 102 3:0")
		sent := make(chan int)
		go func() {
			n := 0
			for range 100 { // 10 MB of answers
				p.write(p.request(wire.Read, firstHandle(1), 0, uint32(100<<10)))
				n++
			}
			sent <- n
		}()
		synctest.Wait()
		select {
		case <-sent:
			t.Error("the session reads on without bound")
		default:
		}
		g.release("/a")
		<-sent
		if got := len(strings.Fields(p.answers())); got != 1+2*100 { // "id:type", "103"
			t.Errorf("%d words of answers", got)
		}
		p.in.Close()
		<-p.end
	})
}

// A bug in a flight is answered and logged, and ends nothing else.
func TestAPanicInFlightIsAnswered(t *testing.T) {
	t.Parallel()
	c := converse(t, panicking{newSpy(t)})
	var bugs []any
	c.s.bug = func(v any) { bugs = append(bugs, v) }
	h := slices.Clone(c.create("f"))
	c.ask(wire.Close, h).status(wire.Failure)
	c.ask(wire.Stat, "/").is(wire.AttrsReply)
	if len(bugs) != 1 {
		t.Errorf("bugs: %v", bugs)
	}
}

type panicking struct{ *spyTree }

func (p panicking) Open(ctx context.Context, path filestore.Path, o filestore.OpenOptions) (file, error) {
	f, err := p.spyTree.Open(ctx, path, o)
	return panickingFile{f}, err
}

type panickingFile struct{ file }

func (panickingFile) Close(context.Context) error { panic("a bug") }

// Small answers are bounded, too, by what they take in memory.
func TestSmallAnswersBehindAFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		g.hold("/a")
		p := pipeline(t, g)
		p.send(p.request(wire.Open, "a", wr|creat, uint32(0)), p.request(wire.Close, firstHandle(0)))
		const many = 20_000
		sent := make(chan bool)
		go func() {
			for range many {
				p.write(p.request(wire.Realpath, "/"))
			}
			close(sent)
		}()
		synctest.Wait()
		select {
		case <-sent:
			t.Error("the session reads on without bound")
		default:
		}
		g.release("/a")
		<-sent
		if got := strings.Count(p.answers(), "type 104"); got != many {
			t.Errorf("%d answers", got)
		}
		p.in.Close()
		<-p.end
	})
}

// Of requests that work on whole files one runs at a time in a connection; others
// go on, and a session that ends waits for none.
func TestHeavyRequestsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		p := pipeline(t, g)
		p.send(p.request(wire.Open, "a", rd|wr|creat, uint32(0)), p.request(wire.Open, "b", rd|wr|creat, uint32(0)))
		p.expect("1:type 102 2:type 102")
		p.s.heavyOnes <- struct{}{} // another session's
		p.send(p.request(wire.Extended, wire.ExtCheckFileHandle, firstHandle(0), "md5", 0, 0, uint32(0)),
			p.request(wire.Extended, wire.ExtCheckFileName, "b", "md5", 0, 0, uint32(0)), p.request(wire.Mkdir, "d", uint32(0)))
		p.expect("")
		if got := g.begun(); got != "/d" {
			t.Errorf("begun: %s", got)
		}
		<-p.s.heavyOnes
		p.expect("3:type 201 4:type 201 5:0")
		p.in.Close()
		<-p.end
	})
}

// countedWrites counts how often is written.
type countedWrites struct {
	bytes.Buffer
	n int
}

func (w *countedWrites) Write(b []byte) (int, error) {
	w.n++
	return w.Buffer.Write(b)
}

// What comes with a CLOSE and waits for it is answered together with it, whether
// the session runs the commit itself or has begun to wait for it.
func TestADependentRequestIsAnsweredWithTheCommit(t *testing.T) {
	for name, apart := range map[string]bool{"in one packet": false, "while it commits": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t)
				g.hold("/a")
				r, w := io.Pipe()
				var out countedWrites
				s := bare(g, bothEnds{r, &out})
				end := make(chan error, 1)
				go func() { end <- s.run(t.Context()) }()
				p := &pipelined{t: t, in: w}
				p.send(packet(wire.Init, nil, uint32(3)), p.request(wire.Open, "a", wr|creat, uint32(0)))
				out.Reset()
				closing, next := p.request(wire.Close, firstHandle(0)), slices.Concat(
					p.request(wire.Open, "a", wr, uint32(0)), p.request(wire.Lstat, "a"))
				if apart {
					p.send(closing)
					p.send(next)
				} else {
					p.send(closing, next)
				}
				out.n = 0
				g.release("/a")
				synctest.Wait()
				if out.n != 1 {
					t.Errorf("%d writes", out.n)
				}
				p.out = out.Buffer
				p.expect("2:0 3:type 102 4:type 105")
				w.Close()
				if err := <-end; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
