package sshserver

import (
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// A client that doesn't finish a key exchange is cut off, however much else it
// sends: neither one that never answers ours nor one that only begins its own
// keeps its connection.
func TestKeyExchangesEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		own  bool // it begins
		word []byte
	}{
		"ours isn't answered, but ignored": {false, message(msgIgnore, "x")},
		"ours isn't answered, but asked":   {false, message(msgGlobalRequest, "x", 0)},
		"its own is begun only":            {true, message(msgIgnore, "x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				near, far := memoryPair()
				m := established(far, open(t))
				began, ended := time.Now(), make(chan struct{})
				go func() { serveFew(m, 1); close(ended) }()
				client := newTransport(near, rand.Reader)
				if tt.own {
					if err := client.writePacket(someKexInit()); err != nil {
						t.Fatal(err)
					}
				} else {
					m.conn.requestKeyExchange()
				}
				var trickle sync.WaitGroup
				trickle.Go(func() {
					for client.writePacket(append([]byte{}, tt.word...)) == nil {
						time.Sleep(time.Second)
					}
				})
				<-ended
				<-m.conn.kexLoopDone
				took := time.Since(began)
				trickle.Wait()
				if took != maxKexTime {
					t.Errorf("it took %v", took)
				}
				if err := m.conn.getWriteError(); !tt.own && !errors.Is(err, errSlowKex) {
					t.Error(err)
				}
			})
		})
	}
}

// An exchange that has ended cuts nobody off.
func TestKeyExchangesThatEndedLeaveNoLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := memoryPair()
		config := open(t)
		config.RekeyThreshold = 4 << 10
		c := connectOver(t, near, far, trusting(), config, map[string]handler{"echo": echo})
		ch := openChannel(t, c, "echo")
		for range 3 {
			go func() { _ = send(ch, 1, 64<<10) }()
			if err := receive(ch, 1, 64<<10); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * maxKexTime)
		}
	})
}

// someKexInit is what a client may begin a key exchange with.
func someKexInit() []byte {
	return ssh.Marshal(&kexInitMsg{
		KexAlgos: []string{ssh.KeyExchangeCurve25519}, ServerHostKeyAlgos: []string{ssh.KeyAlgoED25519},
		CiphersClientServer: []string{ssh.CipherAES128GCM}, CiphersServerClient: []string{ssh.CipherAES128GCM},
		CompressionClientServer: supportedCompressions, CompressionServerClient: supportedCompressions,
	})
}

// memoryConn is one end of a connection without a network, whose writes don't
// wait, for tests in which time passes by itself.
type memoryConn struct {
	net.Conn // of what is not needed
	in, out  *memoryPipe
}

type memoryPipe struct {
	sync.Cond
	b      []byte
	closed bool
}

func memoryPair() (client, server net.Conn) {
	a, b := &memoryPipe{Cond: sync.Cond{L: new(sync.Mutex)}}, &memoryPipe{Cond: sync.Cond{L: new(sync.Mutex)}}
	return &memoryConn{in: a, out: b}, &memoryConn{in: b, out: a}
}

func (c *memoryConn) Read(p []byte) (int, error) {
	c.in.L.Lock()
	defer c.in.L.Unlock()
	for len(c.in.b) == 0 && !c.in.closed {
		c.in.Wait()
	}
	if len(c.in.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.in.b)
	c.in.b = c.in.b[n:]
	return n, nil
}

func (c *memoryConn) Write(p []byte) (int, error) {
	c.out.L.Lock()
	defer c.out.L.Unlock()
	if c.out.closed {
		return 0, net.ErrClosed
	}
	c.out.b = append(c.out.b, p...)
	c.out.Broadcast()
	return len(p), nil
}

func (c *memoryConn) Close() error {
	for _, p := range []*memoryPipe{c.in, c.out} {
		p.L.Lock()
		p.closed = true
		p.Broadcast()
		p.L.Unlock()
	}
	return nil
}

func (*memoryConn) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (*memoryConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }
