package blockstore_test

import (
	"errors"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A marker that is there once among some answers that it isn't is read; one that
// never is, and any other error, is believed.
func TestReadMarker(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, tt := range []struct {
		name    string
		answers []error // of read, one after the other; then the marker
		want    string
		err     error
		reads   int
	}{
		{"there", nil, "marker", nil, 1},
		{"overlooked at first", []error{kind.NotExist, kind.NotExist}, "marker", nil, 3},
		{"never there", []error{kind.NotExist, kind.NotExist, kind.NotExist, kind.NotExist, kind.NotExist}, "", nil, 4},
		{"another error", []error{kind.NotExist, broken}, "", broken, 2},
	} {
		reads := 0
		got, err := blockstore.ReadMarker(func() ([]byte, error) {
			reads++
			if reads <= len(tt.answers) {
				return nil, tt.answers[reads-1]
			}
			return []byte("marker"), nil
		})
		if string(got) != tt.want || !errors.Is(err, tt.err) || reads != tt.reads {
			t.Errorf("%s: %q, %v, after %d reads; want %q, %v, after %d", tt.name, got, err, reads, tt.want, tt.err, tt.reads)
		}
	}
}

// A block that is overlooked once is read; one that is absent twice is.
func TestReadBlock(t *testing.T) {
	t.Parallel()
	for overlooked, want := range []error{nil, nil, kind.NotExist} {
		reads := 0
		got, err := blockstore.ReadBlock(func() (int, error) {
			if reads++; reads <= overlooked {
				return 0, kind.NotExist
			}
			return 7, nil
		})
		if !errors.Is(err, want) || err == nil && got != 7 || reads != min(overlooked+1, 2) {
			t.Errorf("overlooked %d times: %d, %v, after %d reads", overlooked, got, err, reads)
		}
	}
}
