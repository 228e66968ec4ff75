package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/transport"
)

const stall = 200 * time.Millisecond

func do(t *testing.T, stall time.Duration, s *httptest.Server, body io.Reader) (*http.Response, error) {
	t.Helper()
	rt := transport.New(transport.Options{Stall: stall, Conns: 4})
	t.Cleanup(rt.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	return rt.RoundTrip(req)
}

func TestStall(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer s.Close()
	defer close(over)
	start := time.Now()
	resp, err := do(t, stall, s, strings.NewReader("x"))
	if err == nil {
		resp.Body.Close()
	}
	if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took < stall {
		t.Errorf("a server that does not answer: %v after %v", err, took)
	}
}

// What takes longer than the stall, and moves all the time, goes through, also
// when all that moves is in the kernel.
func TestSlowIsNoStall(t *testing.T) {
	t.Parallel()
	const stall = 5 * stall // so that a machine that is busy doesn't look like one
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(stall / 10)
		defer tick.Stop()
		for {
			<-tick.C
			if _, err := io.CopyN(io.Discard, r.Body, 64<<10); err != nil {
				break
			}
		}
		for range 8 {
			<-tick.C
			_, _ = w.Write([]byte("y"))
			w.(http.Flusher).Flush()
		}
	}))
	s.Listener = narrow{s.Listener}
	s.Start()
	defer s.Close()
	body := transport.NewBody(make([]byte, 2<<20)) // 32 ticks, more than three stalls
	defer body.Release()
	resp, err := do(t, stall, s, body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || len(b) != 8 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// narrow makes a listener whose connections hold few bytes that nobody has read,
// but several segments of the loopback's 64 KiB: with less TCP waits for its timers.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetReadBuffer(256 << 10)
	}
	return c, err
}

func TestBodyAfterRelease(t *testing.T) {
	t.Parallel()
	b := transport.NewBody([]byte("hello"))
	p := make([]byte, 3)
	if n, err := b.Read(p); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if off, err := b.Seek(1, io.SeekStart); off != 1 || err != nil {
		t.Fatal(off, err)
	}
	if rest, err := io.ReadAll(b); string(rest) != "ello" || err != nil {
		t.Fatalf("%q, %v", rest, err)
	}
	b.Release()
	if n, err := b.Read(p); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read after release: %d bytes, %v", n, err)
	}
	if _, err := b.Seek(0, io.SeekStart); err == nil {
		t.Error("seek after release")
	}
}

func TestReadAll(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		body          int
		length, limit int64
		want          kind.Kind
	}{
		{"whole", 10, 10, 10, 0},
		{"whole, without a length", 10, -1, 10, 0},
		{"empty", 0, 0, 10, 0},
		{"cut short", 9, 10, 10, kind.Unavailable},
		{"too long", 11, 11, 10, kind.Corrupt},
		{"too long, without a length", 11, -1, 10, kind.Corrupt},
		{"a length to exhaust memory", 1, 1 << 60, 10, kind.Corrupt},
	} {
		data, err := transport.ReadAll(bytes.NewReader(make([]byte, tt.body)), tt.length, tt.limit)
		if kind.Of(err) != tt.want || err == nil && len(data) != tt.body {
			t.Errorf("%s: %d bytes, %v", tt.name, len(data), err)
		}
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	ctx, cancel := transport.Bound(t.Context(), time.Millisecond)
	defer cancel()
	<-ctx.Done()
	if err := context.Cause(ctx); errors.Is(err, context.Canceled) || t.Context().Err() != nil {
		t.Error(err)
	}
}

func TestCAs(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // a client goes away amid the handshake
	s.StartTLS()
	defer s.Close()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".absent"} {
		if _, err := transport.CAs(file); kind.Of(err) != kind.Invalid {
			t.Errorf("%s: %v", file, err)
		}
	}
	// Whom the system doesn't know is refused.
	if resp, err := do(t, stall, s, nil); err == nil {
		resp.Body.Close()
		t.Error("an unknown authority passed")
	}
}
