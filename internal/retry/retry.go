// Package retry tries again what failed because something did not answer
// (kind.Unavailable), and nothing else: any other error would only come again.
// It is the one place that does so; drivers don't retry by themselves.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
)

// attempts is how often a call is made. The delays between them are 10, 50, 250
// ms and 1.25 s, each by up to a half longer, so that those who failed together
// don't come back together.
const attempts = 5

// Do calls f until it returns nil or an error of another kind than Unavailable,
// five times at most, and returns the last error. It gives up early when ctx
// ends. f must be safe to repeat after an attempt whose outcome is unknown.
func Do(ctx context.Context, f func() error) error {
	err := f()
	d := 10 * time.Millisecond
	for range attempts - 1 {
		if !errors.Is(err, kind.Unavailable) || !pace.Sleep(ctx, d+rand.N(d/2)) {
			return err
		}
		err = f()
		d *= 5
	}
	return err
}

// Value is Do for a function with a result.
func Value[T any](ctx context.Context, f func() (T, error)) (T, error) {
	var v T
	err := Do(ctx, func() (err error) {
		v, err = f()
		return err
	})
	return v, err
}
