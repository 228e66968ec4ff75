package sftpd

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// slowOpen is a gate whose opens for reading wait, too, or panic.
type slowOpen struct {
	*gate
	bug bool
}

func (s slowOpen) Open(ctx context.Context, p filestore.Path, o filestore.OpenOptions) (file, error) {
	if o.Write {
		return s.gate.Open(ctx, p, o)
	}
	if err := s.pass(ctx, "open"+p.String()); err != nil {
		return nil, err
	}
	if s.bug {
		panic("a bug")
	}
	return s.gate.Open(ctx, p, o)
}

// The reply of a commit that is done reaches the client, whatever the request that
// waited for it does next, or another commit that this one waits for as well.
func TestAReplyIsHeldForAMoment(t *testing.T) {
	for name, test := range map[string]struct {
		hold     []string
		requests func(p *pipelined) [][]byte
		want     string
	}{
		"the next request takes long": {[]string{"open/a"}, func(p *pipelined) [][]byte {
			return [][]byte{p.request(wire.Close, firstHandle(0)), p.request(wire.Open, "a", wire.FlagRead, uint32(0))}
		}, "3:0"},
		"a change of the same": {[]string{"rm/a"}, func(p *pipelined) [][]byte {
			return [][]byte{p.request(wire.Close, firstHandle(0)), p.request(wire.Remove, "a"), p.request(wire.Lstat, "b")}
		}, "3:0"},
		"another commit takes long": {[]string{"/b"}, func(p *pipelined) [][]byte {
			return [][]byte{p.request(wire.Close, firstHandle(0)), p.request(wire.Close, firstHandle(1)), p.request(wire.Lstat, "/")}
		}, "3:0"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t)
				for _, h := range test.hold {
					g.hold(h)
				}
				p := pipeline(t, slowOpen{gate: g})
				p.send(p.request(wire.Open, "a", wr|creat, uint32(0)), p.request(wire.Open, "b", wr|creat, uint32(0)))
				p.expect("1:type 102 2:type 102")
				p.send(test.requests(p)...)
				time.Sleep(time.Second)
				synctest.Wait()
				p.expect(test.want)
				for _, h := range test.hold {
					g.release(h)
				}
				synctest.Wait()
				p.in.Close()
				if err := <-p.end; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Nor is it lost when the session ends by a bug, or by somebody who cuts it.
func TestAHeldReplyIsSentAtTheEnd(t *testing.T) {
	for name, bug := range map[string]bool{"a bug": true, "cut": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t)
				g.hold("open/a")
				r, w := io.Pipe()
				var out bytes.Buffer
				s := bare(slowOpen{g, bug}, bothEnds{r, &out})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var over sync.WaitGroup
				over.Go(func() {
					defer func() { _ = recover() }()
					_ = s.run(ctx)
				})
				p := &pipelined{t: t, in: w}
				p.send(packet(wire.Init, nil, uint32(3)), p.request(wire.Open, "a", wr|creat, uint32(0)))
				out.Reset()
				p.send(slices.Concat(p.request(wire.Close, firstHandle(0)), p.request(wire.Open, "a", wire.FlagRead, uint32(0)), p.request(wire.Lstat, "b")))
				if bug {
					g.release("open/a")
				} else {
					cancel()
				}
				over.Wait()
				p.out = out
				p.expect("2:0")
				w.Close()
			})
		})
	}
}
