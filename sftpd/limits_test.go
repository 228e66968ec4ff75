package sftpd

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/pace"
)

// All connections of an account share one rate, each way.
func TestRateIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rate, each = 64 << 10, 4 << 20
		up, down := (&crowd{}).paces(rate, 2*rate)
		var ours, theirs []net.Conn
		for range 2 {
			a, b := net.Pipe()
			c := newBufferedConn(a)
			c.pace(up, down)
			ours, theirs = append(ours, c), append(theirs, b)
		}
		start := time.Now()
		done := make(chan error)
		for i := range ours {
			go func() {
				_, err := theirs[i].Write(make([]byte, each))
				done <- err
			}()
			go func() {
				var err error
				for range each / 32768 { // as the SSH layer reads
					if _, e := io.ReadFull(ours[i], make([]byte, 32768)); e != nil {
						err = e
					}
				}
				done <- err
			}()
		}
		for range 4 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if took, want := time.Since(start), 2*each/rate*time.Second; took < want*8/10 || took > want+time.Second {
			t.Errorf("up took %v, want about %v", took, want)
		}
		start = time.Now()
		for i := range ours {
			go func() {
				for range each / 1024 {
					if _, err := ours[i].Write(make([]byte, 1024)); err != nil {
						break
					}
				}
			}()
			go func() {
				_, err := io.ReadFull(theirs[i], make([]byte, each))
				done <- err
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if took, want := time.Since(start), each/rate*time.Second; took < want*8/10 || took > want+2*time.Second {
			t.Errorf("down took %v, want about %v", took, want)
		}
		for i := range ours {
			ours[i].Close()
			theirs[i].Close()
		}
	})
}

// A slow connection is closed at once, not when its rate allows.
func TestRateDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		c := newBufferedConn(a)
		c.pace(nil, pace.New(1))
		got := make(chan int)
		go func() {
			all, _ := io.ReadAll(b)
			got <- len(all)
		}()
		for range 5 {
			if _, err := c.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		start := time.Now()
		c.Close()
		if n := <-got; n != 5000 {
			t.Errorf("%d bytes arrived, want 5000", n)
		}
		if took := time.Since(start); took > closeLinger {
			t.Errorf("the end took %v", took)
		}
	})
}

func TestNoPasswords(t *testing.T) {
	t.Parallel()
	h := serve(t, func(s *Server) { s.NoPasswords = true })
	if c, err := h.dial(config("alice")); err == nil {
		c.Close()
		t.Error("a password logs in")
	}
	c, err := h.dial(config("alice", ssh.PublicKeys(keys().ed25519)))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
