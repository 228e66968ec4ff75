package sftpd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// ended waits for the client's connection to end and returns after how long.
func ended(c *ssh.Client) time.Duration {
	start := time.Now()
	_ = c.Wait()
	return time.Since(start)
}

func TestHandshakeHasATimeLimit(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "SSH-2.0-slow\r\n", "GET / HTTP/1.1\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			h := serve(t, func(s *Server) { s.HandshakeTimeout = time.Minute })
			nc, err := h.listen.dial()
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			go func() { _, _ = io.WriteString(nc, said) }()
			_, _ = io.Copy(io.Discard, nc)
			if d := time.Since(start); d > time.Minute+closeLinger {
				t.Errorf("%q: ended after %v", said, d)
			}
		})
	}
}

// The server speaks first, and a client that waits for its key exchange
// message gets it.
func TestPatientClientsAreServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, func(s *Server) { s.Version = "Truckee_test" })
		nc, err := h.listen.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		r := bufio.NewReader(nc)
		if line, err := r.ReadString('\n'); line != "SSH-2.0-Truckee_test\r\n" || err != nil {
			t.Fatalf("first line %q, %v", line, err)
		}
		start := time.Now()
		if _, err := io.WriteString(nc, "SSH-2.0-patient\r\n"); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 6)
		if _, err := io.ReadFull(r, head); err != nil || head[5] != msgKexInit {
			t.Fatalf("got %v, %v", head, err)
		}
		if d := time.Since(start); d != 500*time.Millisecond {
			t.Errorf("waited %v", d)
		}
		rest := make([]byte, r.Buffered())
		_, _ = io.ReadFull(r, rest)
		for _, c := range []string{ssh.CipherChaCha20Poly1305, ssh.CipherAES128CTR} {
			if !strings.Contains(string(rest), c) {
				t.Errorf("%s is not announced", c)
			}
		}
	})
}

func TestConnectionsThatSayNothingAreNoEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, nil)
		nc, err := h.listen.dial()
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		synctest.Wait()
		if log := h.log.String(); strings.Contains(log, "level=INFO") || strings.Contains(log, "level=WARN") {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, func(s *Server) { s.IdleTimeout, s.KeepAlive = 10*time.Minute, -1 })
		c := h.login()
		s := h.sftp(c)
		f, err := s.Create("/f")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // an open file keeps the connection
		if _, err := f.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			time.Sleep(5 * time.Minute)
			if _, err := s.Stat("/f"); err != nil {
				t.Fatal(err)
			}
		}
		if d := ended(c); d < 10*time.Minute || d > 13*time.Minute {
			t.Errorf("ended after %v", d)
		}
	})
}

func TestSilentClientsAreAskedForASign(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, nil)
		c := h.login()
		h.sftp(c)
		time.Sleep(24 * time.Hour) // the client answers, and stays
		if _, err := c.NewSession(); err != nil {
			t.Errorf("after a day: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, nil)
		near, far := newPipe()
		deaf := &deafConn{Conn: near, deaf: make(chan struct{})}
		go func() { h.listen.conns <- far }()
		conn, chans, reqs, err := ssh.NewClientConn(deaf, "pipe", config("alice"))
		if err != nil {
			t.Fatal(err)
		}
		c := ssh.NewClient(conn, chans, reqs)
		defer c.Close()
		h.sftp(c)
		close(deaf.deaf)
		start := time.Now()
		for h.connections() > 0 {
			time.Sleep(time.Second)
		}
		if d := time.Since(start); d < 3*time.Minute || d > 6*time.Minute {
			t.Errorf("ended after %v", d)
		}
	})
}

func TestShutdownWaitsForOpenFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, nil)
		busy, resting := h.login(), h.login()
		h.sftp(resting)
		f, err := h.sftp(busy).Create("/f")
		if err != nil {
			t.Fatal(err)
		}
		down := make(chan error, 1)
		go func() { down <- h.srv.Shutdown(t.Context()) }()
		if d := ended(resting); d > 2*drainRest {
			t.Errorf("a resting connection ended after %v", d)
		}
		time.Sleep(time.Hour)
		if _, err := f.Write([]byte("still here")); err != nil {
			t.Errorf("write while shutting down: %v", err)
		}
		select {
		case err := <-down:
			t.Fatalf("Shutdown returned %v with a file open", err)
		default:
		}
		if err := f.Close(); err != nil {
			t.Errorf("close while shutting down: %v", err)
		}
		if err := <-down; err != nil {
			t.Errorf("Shutdown returned %v", err)
		}
		if err := <-h.served; err != nil {
			t.Errorf("Serve returned %v", err)
		}
		if h.tree.discards.Load() != 0 {
			t.Errorf("%d discards", h.tree.discards.Load())
		}
	})
}

func TestShutdownCutsWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, nil)
		if _, err := h.sftp(h.login()).Create("/f"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := h.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
		if h.tree.discards.Load() != 1 || h.connections() != 0 {
			t.Errorf("%d discards, %d connections", h.tree.discards.Load(), h.connections())
		}
	})
}
