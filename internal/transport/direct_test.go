package transport_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/truckee-fs/truckee/internal/transport"
)

// wrapped is a body as libraries pass it on. read: somebody took the bytes by it.
type wrapped struct {
	*transport.Body
	read bool
}

func (w *wrapped) Read(p []byte) (int, error) {
	w.read = true
	return w.Body.Read(p)
}

// What a library wraps goes whole, and as it lies there, also when a request is
// made again; another body than the named one goes as it comes.
func TestDirect(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer s.Close()
	pool := transport.New(transport.Options{Stall: 100 * stall, Conns: 4})
	defer pool.CloseIdleConnections()
	rt := transport.Direct(pool)
	for _, size := range []int{1, 300, 1<<20 + 17} {
		data := bytes.Repeat([]byte("truckee"), size)[:size]
		body := transport.NewBody(data)
		ctx := transport.WithBody(t.Context(), body)
		send := func(b io.ReadCloser, n int) []byte {
			t.Helper()
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.URL, b)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = int64(n)
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Error(err)
			}
			return got
		}
		for range 2 {
			if _, err := body.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			w := &wrapped{Body: body}
			if got := send(w, size); !bytes.Equal(got, data) || w.read {
				t.Errorf("%d of %d bytes arrive, by way of what wraps them %v", len(got), size, w.read)
			}
		}
		if got := send(io.NopCloser(bytes.NewReader([]byte("other"))), 5); string(got) != "other" {
			t.Errorf("another body arrives as %q", got)
		}
		body.Release()
	}
}

// Release returns although the server takes nothing, once the request has ended.
func TestReleaseAmidASend(t *testing.T) {
	t.Parallel()
	begun, over := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(begun); <-over }))
	defer s.Close()
	defer close(over)
	data := make([]byte, 32<<20) // more than the kernel takes
	body := transport.NewBody(data)
	ctx, cancel := context.WithCancel(transport.WithBody(t.Context(), body))
	go func() { <-begun; cancel() }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.URL, &wrapped{Body: body})
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(data))
	pool := transport.New(transport.Options{Stall: 1000 * stall, Conns: 4})
	defer pool.CloseIdleConnections()
	if resp, err := transport.Direct(pool).RoundTrip(req); err == nil {
		resp.Body.Close()
		t.Error("an answer from nowhere")
	}
	body.Release()
	clear(data) // the race detector tells who still reads
}
