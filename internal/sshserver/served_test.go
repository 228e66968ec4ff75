package sshserver

import (
	"io"
	"net"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// corked is a connection that can hold back what is written, to let it go at once.
type corked struct {
	net.Conn
	mu   sync.Mutex // guards the fields below
	on   bool
	held []byte
}

func (c *corked) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.on {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

// cork holds back what f writes, and returns it.
func (c *corked) cork(f func()) []byte {
	c.mu.Lock()
	c.on, c.held = true, nil
	c.mu.Unlock()
	f()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = false
	return c.held
}

// A Read that reads packets itself takes all that have come with the first, as far
// as there is room, and doesn't wait for one of which only a part has come.
func TestAReadTakesWhatHasComeTogether(t *testing.T) {
	t.Parallel()
	const packets, size = 20, 10
	near, far := pair(t) // whose one small Write is there as a whole, or not yet
	client := &corked{Conn: near}
	var m *mux
	reads := make(chan int, packets+1)
	c := connectOver(t, client, far, trusting(), open(t), map[string]handler{
		"sink": func(_ *ServerConn, ch ssh.Channel) {
			m = ch.(*channel).mux
			b := make([]byte, 4096)
			for {
				n, err := ch.Read(b)
				if n > 0 {
					reads <- n
				}
				if err != nil {
					return
				}
			}
		},
	})
	ch := openChannel(t, c, "sink")
	inside := func() bool {
		m.lead.mu.Lock()
		defer m.lead.mu.Unlock()
		return m.lead.holder != nil && m.lead.inside
	}
	// together gives packets as they are sent, while the handler's Read waits for them
	// itself.
	together := func() []byte {
		t.Helper()
		eventually(t, "the lead is lent", func() bool {
			if _, err := ch.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
			if n := <-reads; n != 1 {
				t.Fatalf("a read of %d bytes, 1 was sent", n)
			}
			return inside()
		})
		return client.cork(func() {
			for range packets {
				if _, err := ch.Write(make([]byte, size)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	release := func(b []byte) {
		t.Helper()
		if _, err := near.Write(b); err != nil {
			t.Fatal(err)
		}
	}

	release(together())
	if n := <-reads; n != packets*size {
		t.Errorf("a read of %d bytes, where %d came together", n, packets*size)
	}
	b := together()
	release(b[:len(b)-1])
	if n := <-reads; n != (packets-1)*size {
		t.Errorf("a read of %d bytes, where %d came, and a part of a packet", n, (packets-1)*size)
	}
	release(b[len(b)-1:])
	if n := <-reads; n != size {
		t.Errorf("a read of %d bytes, where the rest of a packet of %d came", n, size)
	}
	if err := ch.Close(); err != nil && err != io.EOF {
		t.Error(err)
	}
}
