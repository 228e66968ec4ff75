package sftpd

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What sniff has looked at is read again, byte for byte, whatever the sizes.
func TestPeekedBytesAreReplayed(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	data := make([]byte, 3*firstRead+17)
	for i := range data {
		data[i] = byte(i * 7)
	}
	go func() {
		for b := data; len(b) > 0; {
			n := min(len(b), 1+rand.IntN(5000))
			if _, err := near.Write(b[:n]); err != nil {
				return
			}
			b = b[n:]
		}
		near.Close()
	}()
	c := newBufferedConn(far)
	for len(c.peeked()) < 2*firstRead {
		if err := c.peekMore(); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.HasPrefix(data, c.peeked()) {
		t.Fatal("peeked at something else")
	}
	var got []byte
	for sizes := []int{1, 4, 100, 4096, 9000, 70000}; ; {
		b := make([]byte, sizes[rand.IntN(len(sizes))])
		n, err := c.Read(b)
		got = append(got, b[:n]...)
		if err != nil {
			break
		}
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes read of %d, or others", len(got), len(data))
	}
	if c.received() != int64(len(data)) {
		t.Errorf("%d bytes counted", c.received())
	}
}

func TestAnnouncedLineIsSentOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		write string
		want  string
		ok    bool
	}{
		{"SSH-2.0-x\r\n", "SSH-2.0-x\r\n", true},
		{"SSH-2.0-x\r\nmore", "SSH-2.0-x\r\nmore", true},
		{"SSH-2.0-y\r\n", "SSH-2.0-x\r\n", false},
		{"SSH", "SSH-2.0-x\r\n", false},
	} {
		near, far := net.Pipe()
		c := newBufferedConn(far)
		go func() {
			_ = c.announce("SSH-2.0-x\r\n")
			n, err := c.Write([]byte(tt.write))
			if (err == nil) != tt.ok || err == nil && n != len(tt.write) {
				t.Errorf("write of %q: %d, %v", tt.write, n, err)
			}
			c.Close()
		}()
		if got, _ := io.ReadAll(near); string(got) != tt.want {
			t.Errorf("write of %q: sent %q", tt.write, got)
		}
	}
}

// Writes arrive in order and whole, from a writer that reuses its buffer,
// whether it sends them itself or has them sent.
func TestWritesAreSentInOrder(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	c := newBufferedConn(far)
	var want []byte
	go func() {
		b := make([]byte, 12000)
		for i := range 2000 {
			for j := range b {
				b[j] = byte(i)
			}
			p := b[:1+i*7919%len(b)]
			want = append(want, p...)
			if _, err := c.Write(p); err != nil {
				t.Error(err)
			}
		}
		c.Close()
	}()
	got, err := io.ReadAll(near)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, or others, of %d: %v", len(got), len(want), err)
	}
}

// What the system takes without waiting is sent by its writer; the rest, and
// all that comes behind it, the sender sends, in order.
func TestWritesNeedNoSender(t *testing.T) {
	t.Parallel()
	near, far := unixPair(t)
	c := newBufferedConn(far)
	var want []byte
	write := func(i int) {
		p := bytes.Repeat([]byte{byte(i)}, 1+i*7919%5000)
		want = append(want, p...)
		if _, err := c.Write(p); err != nil {
			t.Error(err)
		}
	}
	write(0)
	if c.started {
		t.Error("a sender was started for nothing")
	}
	i := 1
	for ; !c.started && i < 10000; i++ {
		write(i) // nobody reads
	}
	if !c.started {
		t.Fatal("the system takes all")
	}
	read := make(chan []byte)
	go func() {
		got, err := io.ReadAll(near)
		if err != nil {
			t.Error(err)
		}
		read <- got
	}()
	for range 1000 {
		write(i)
		i++
	}
	c.Close()
	if got := <-read; !bytes.Equal(got, want) {
		t.Errorf("%d bytes, or others, of %d", len(got), len(want))
	}
}

// unixPair is a connection with the system's buffers.
func unixPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "truckee-") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial("unix", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	return near, far
}

// A peer that does not read holds up its writers after maxPending bytes, and
// no goroutine longer than Close's patience.
func TestUnreadWritesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		c := newBufferedConn(far)
		var wg sync.WaitGroup
		var taken int
		wg.Go(func() {
			for {
				n, err := c.Write(make([]byte, 10000))
				if err != nil {
					return
				}
				taken += n
			}
		})
		synctest.Wait()
		if taken > 2*maxPending {
			t.Errorf("%d bytes taken", taken)
		}
		start := time.Now()
		c.Close()
		if d := time.Since(start); d > closeLinger {
			t.Errorf("Close took %v", d)
		}
		wg.Wait()
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("write after close")
		}
		c.Close()
	})
}

func TestAbortReleasesEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		c := newBufferedConn(far)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					if _, err := c.Write(make([]byte, maxPending)); err != nil {
						return
					}
				}
			})
		}
		wg.Go(func() {
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("read something")
			}
		})
		synctest.Wait()
		c.abort()
		wg.Wait()
		if err := c.Close(); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	})
}

func TestWriteErrorsAreReported(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	c := newBufferedConn(far)
	near.Close()
	for range 100 {
		if _, err := c.Write([]byte("x")); err != nil {
			c.Close()
			return
		}
	}
	<-c.ended
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("no error")
	}
}
