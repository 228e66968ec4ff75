package testbed_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// echo is a server that sends back what it gets, behind a proxy.
func echo(t *testing.T) *testbed.Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	p, err := testbed.NewProxy(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		l.Close()
		wg.Wait()
	})
	return p
}

func dial(t *testing.T, p *testbed.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// send sends n bytes and gives what comes back of them.
func send(c net.Conn, n int) ([]byte, error) {
	go func() { _, _ = c.Write(make([]byte, n)) }()
	got := make([]byte, n)
	m, err := io.ReadFull(c, got)
	return got[:m], err
}

func TestProxyPassesBytesOn(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := dial(t, p)
	if got, err := send(c, 10<<20); err != nil || !bytes.Equal(got, make([]byte, 10<<20)) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %d bytes, %v", len(rest), err)
	}
	if p.Accepted() != 1 {
		t.Errorf("%d connections", p.Accepted())
	}
}

func TestProxyCutsAndFlipsWhereItIsTold(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := dial(t, p)
	p.Set(testbed.Faults{FlipDown: 1000})
	got, err := send(c, 100_500)
	if err != nil {
		t.Fatal(err)
	}
	flipped := 0
	for i, b := range got {
		if b != 0 {
			if flipped++; (i+1)%1000 != 0 {
				t.Fatalf("byte %d is flipped", i)
			}
		}
	}
	if flipped != 100 {
		t.Errorf("%d bytes flipped", flipped)
	}
	p.Set(testbed.Faults{CutDown: 5000})
	if got, err := send(c, 100_000); err == nil || len(got) > 5000 {
		t.Errorf("%d bytes after the cut, %v", len(got), err)
	}
	p.Set(testbed.Faults{CutUp: 5000})
	if got, err := send(dial(t, p), 100_000); err == nil || len(got) > 5000 {
		t.Errorf("%d bytes after the cut, %v", len(got), err)
	}
}

func TestProxyHangsAndComesBack(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := dial(t, p)
	if _, err := send(c, 10); err != nil {
		t.Fatal(err)
	}
	p.Set(testbed.Faults{Hang: true})
	late := dial(t, p) // connects, and hears nothing
	for _, c := range []net.Conn{c, late} {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes, %v, from a host that hangs", n, err)
		}
		_ = c.SetReadDeadline(time.Time{})
	}
	p.Set(testbed.Faults{})
	for _, c := range []net.Conn{c, late} {
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("after the hang: %d bytes, %v", n, err)
		}
	}
}

func TestProxyRefusesAndReplies(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := dial(t, p)
	if _, err := send(c, 10); err != nil {
		t.Fatal(err)
	}
	p.Set(testbed.Faults{Refuse: true})
	if _, err := send(c, 10); err == nil {
		t.Error("an open connection goes on")
	}
	if c, err := net.Dial("tcp", p.Addr()); err == nil { // the reset may come before the connection is known to be one
		if _, err := send(c, 10); err == nil {
			t.Error("a refused connection answers")
		}
		c.Close()
	}
	p.Set(testbed.Faults{Reply: testbed.InternalError})
	resp, err := http.Post("http://"+p.Addr(), "", bytes.NewReader(make([]byte, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestProxyAddsLatencyNotLessThroughput(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := dial(t, p)
	const latency = 200 * time.Millisecond
	p.Set(testbed.Faults{Latency: latency})
	start := time.Now()
	if _, err := send(c, 1); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d < latency {
		t.Errorf("a round trip took %v", d)
	}
	start = time.Now()
	if _, err := send(c, 2<<20); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 60*latency { // one chunk a round trip would be 128 of them
		t.Errorf("2 MiB took %v", d)
	}
}
