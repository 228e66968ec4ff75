package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Body is a request body over the caller's bytes, without a copy. An
// http.Transport may go on reading a body after the request has returned (its
// answer came early, its context ended); after Release it reads nothing more.
// It hides every method but Read and Seek, so that nobody takes the bytes by
// another way.
type Body struct {
	mu       sync.Mutex // guards the fields below
	r        *bytes.Reader
	released bool
}

var errReleased = errors.New("the request is over")

// NewBody gives a body over data. Whoever made it calls Release.
func NewBody(data []byte) *Body { return &Body{r: bytes.NewReader(data)} }

// Release returns when no Read is under way; every later one fails.
func (b *Body) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = true
	b.r.Reset(nil)
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return 0, errReleased
	}
	return b.r.Read(p)
}

// Seek implements io.Seeker.
func (b *Body) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return 0, errReleased
	}
	return b.r.Seek(offset, whence)
}

// ReadAll reads an answer's body of the length that its header tells, -1 if it
// doesn't, into a slice of that size. A body of more than limit bytes is
// Corrupt; one that ends early is Unavailable.
func ReadAll(r io.Reader, length, limit int64) ([]byte, error) {
	if length > limit {
		return nil, fmt.Errorf("%d bytes, at most %d: %w", length, limit, kind.Corrupt)
	}
	if length < 0 {
		data, err := io.ReadAll(io.LimitReader(r, limit+1))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", kind.Unavailable, err)
		}
		if int64(len(data)) > limit {
			return nil, fmt.Errorf("more than %d bytes: %w", limit, kind.Corrupt)
		}
		return data, nil
	}
	data := make([]byte, length)
	if n, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("%d of %d bytes: %w: %w", n, length, kind.Unavailable, err)
	}
	return data, nil
}
