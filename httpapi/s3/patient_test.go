package s3

import (
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// drip gives a few bytes after each pause.
type drip struct {
	left, bytes int
	pause       time.Duration
}

func (d *drip) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(d.pause)
	d.left--
	return min(d.bytes, len(p)), nil
}

func (d *drip) Close() error { return nil }

// A body that drips is cut off when it has been slower than the least rate for two
// minutes in which it was waited for. What is done with it takes no time of the client's.
func TestBodiesHaveALeastRate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		rate  int64
		body  drip
		work  time.Duration // after each read
		want  error
		after time.Duration // at most
	}{
		{"a byte a second", 256, drip{1 << 20, 1, time.Second}, 0, os.ErrDeadlineExceeded, 121 * time.Second},
		{"just below", 256, drip{1 << 20, 255, time.Second}, 0, os.ErrDeadlineExceeded, 121 * time.Second},
		{"just at it", 256, drip{1000, 256, time.Second}, 0, nil, 1001 * time.Second},
		{"in bursts", 256, drip{100, 64 << 10, time.Minute}, 0, nil, 101 * time.Minute},
		{"while the disk is slow", 256, drip{1000, 25, time.Second / 10}, time.Minute, nil, 1003 * time.Minute},
		{"without a least rate", 0, drip{1000, 1, time.Minute}, 0, nil, 1003 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body := tt.body
				c := &call{server: &Server{MinRate: tt.rate}, bytes: &counted{ReadCloser: &body}}
				c.w = &answer{ResponseWriter: httptest.NewRecorder(), body: c.bytes}
				p, began := &patient{c: c}, time.Now()
				var err error
				for buffer := make([]byte, 64<<10); err == nil; time.Sleep(tt.work) {
					_, err = p.Read(buffer)
				}
				if errors.Is(err, io.EOF) {
					err = nil
				}
				if took := time.Since(began); !errors.Is(err, tt.want) || took > tt.after {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}
