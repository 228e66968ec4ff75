package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	blockmemory "github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
	"github.com/truckee-fs/truckee/internal/kind"
)

// failing is a blockstore that stops to answer after so many more calls.
type failing struct {
	blockstore.Store
	puts, gets atomic.Int64 // that still succeed
}

func newFailing() *failing {
	f := &failing{Store: blockmemory.New()}
	f.mend()
	return f
}

func (f *failing) mend() {
	f.puts.Store(1 << 40)
	f.gets.Store(1 << 40)
}

func (f *failing) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	if f.puts.Add(-1) < 0 {
		return fmt.Errorf("put: %w", kind.Unavailable)
	}
	return f.Store.Put(ctx, id, data)
}

func (f *failing) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	if f.gets.Add(-1) < 0 {
		return nil, fmt.Errorf("get: %w", kind.Corrupt) // which no retry mends
	}
	return f.Store.Get(ctx, id)
}

// A PUT whose blocks can't be stored is told so, and changes nothing.
func TestFailingPuts(t *testing.T) {
	t.Parallel()
	blocks := newFailing()
	w := newWorldOn(t, blocks)
	w.bucket("data")
	w.put("data", "k", "old")
	for _, n := range []int64{2} {
		blocks.puts.Store(n)
		r := w.do("ann", "PUT", "/data/k", randomBytes(5<<20)).want(t, 503, "SlowDown")
		if r.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	blocks.mend()
	if r := w.get("data", "k").want(t, 200); string(r.body) != "old" {
		t.Errorf("there are %d bytes", len(r.body))
	}
}

// A GET whose blocks can't be read is an error of its own, or a connection that is
// cut: never a short body that looks whole, nor wrong bytes.
func TestFailingGets(t *testing.T) {
	t.Parallel()
	blocks := newFailing()
	w := newWorldOn(t, blocks)
	w.bucket("data")
	data := randomBytes(40 << 20) // more than is kept in memory
	w.put("data", "k", string(data))
	cut := 0
	for _, n := range []int64{0, 7, 30} {
		blocks.gets.Store(n)
		res, err := w.http.Client().Transport.RoundTrip(w.sign(request{method: "GET", target: "/data/k", user: "ann"}))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		switch {
		case res.StatusCode == http.StatusInternalServerError:
		case res.StatusCode != http.StatusOK:
			t.Errorf("%d %s", res.StatusCode, body)
		case !bytes.HasPrefix(data, body):
			t.Error("other bytes")
		case err == nil && len(body) != len(data):
			t.Errorf("%d bytes look whole", len(body))
		case err != nil:
			cut++
		}
	}
	if cut == 0 {
		t.Error("no answer was cut")
	}
	blocks.mend()
	if r := w.get("data", "k").want(t, 200); !bytes.Equal(r.body, data) {
		t.Error("afterwards: other bytes")
	}
}

// A bucket that is removed while something is put into it is gone.
func TestPutIntoWhatIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	pr, pw := io.Pipe()
	req := w.sign(request{method: "PUT", target: "/data/dir/k", user: "ann", header: http.Header{"X-Amz-Content-Sha256": {sigv4.Unsigned}}})
	req.Body, req.ContentLength = pr, 300<<10
	type outcome struct {
		res *http.Response
		err error
	}
	done := make(chan outcome)
	go func() {
		res, err := w.http.Client().Transport.RoundTrip(req)
		done <- outcome{res, err}
	}()
	_, _ = pw.Write(make([]byte, 200<<10))
	w.do("ann", "DELETE", "/data", nil).want(t, 204)
	_, _ = pw.Write(make([]byte, 100<<10))
	pw.Close()
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	defer got.res.Body.Close()
	body, _ := io.ReadAll(got.res.Body)
	if got.res.StatusCode != 404 || !bytes.Contains(body, []byte("NoSuchBucket")) {
		t.Errorf("%d %s", got.res.StatusCode, body)
	}
}
