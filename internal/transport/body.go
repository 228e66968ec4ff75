package transport

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Body is a request body over the caller's bytes, without a copy. An
// http.Transport may go on reading a body after the request has returned (its
// answer came early, its context ended); after Release it reads nothing more.
// It hides every method but Read, Seek and Close, so that nobody takes the bytes
// by another way.
type Body struct {
	mu       sync.Mutex // guards the fields below
	data     []byte
	at       int
	released bool
}

var (
	errReleased = errors.New("the request is over")
	errSeek     = errors.New("seek outside of the body")
)

// NewBody gives a body over data. Whoever made it calls Release.
func NewBody(data []byte) *Body { return &Body{data: data} }

// Release returns when nobody reads the bytes, nor writes them to a connection,
// which ends with the request; every later attempt fails.
func (b *Body) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released, b.data, b.at = true, nil, 0
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.released:
		return 0, errReleased
	case b.at == len(b.data):
		return 0, io.EOF
	}
	n := copy(p, b.data[b.at:])
	b.at += n
	return n, nil
}

// Seek implements io.Seeker, within the body.
func (b *Body) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return 0, errReleased
	}
	switch whence {
	case io.SeekCurrent:
		offset += int64(b.at)
	case io.SeekEnd:
		offset += int64(len(b.data))
	}
	if offset < 0 || offset > int64(len(b.data)) {
		return 0, errSeek
	}
	b.at = int(offset)
	return offset, nil
}

// Close does nothing: the request may be made again.
func (b *Body) Close() error { return nil }

// size is how many bytes the body has, those that were read included.
func (b *Body) size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(len(b.data))
}

// piece is how much of a body goes to a connection in one call: much more than
// what an http.Transport copies at a time, and less than what Release would have
// to wait for on a slow line.
const piece = 256 << 10

// sendTo writes what is left, most bytes of it, straight from the caller's bytes.
func (b *Body) sendTo(w io.Writer, most int64) (sent int64, err error) {
	for n := 1; n > 0 && err == nil && sent < most; sent += int64(n) {
		n, err = b.sendPiece(w, min(most-sent, piece))
	}
	return sent, err
}

func (b *Body) sendPiece(w io.Writer, most int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return 0, errReleased
	}
	left := b.data[b.at:]
	if len(left) == 0 {
		return 0, nil
	}
	n, err := w.Write(left[:min(int64(len(left)), most)])
	b.at += n
	return n, err
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
