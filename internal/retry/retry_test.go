package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
)

func TestOnlyUnavailableIsTriedAgain(t *testing.T) {
	unavailable := fmt.Errorf("op: %w", kind.Unavailable)
	tests := []struct {
		name  string
		errs  []error // of the attempts, the last for all that follow
		calls int
		want  error
	}{
		{"success", []error{nil}, 1, nil},
		{"another kind", []error{kind.Corrupt}, 1, kind.Corrupt},
		{"once", []error{unavailable, nil}, 2, nil},
		{"then another kind", []error{unavailable, kind.NoSpace}, 2, kind.NoSpace},
		{"for ever", []error{unavailable}, 5, kind.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				err := retry.Do(t.Context(), func() error {
					calls++
					return tt.errs[min(calls, len(tt.errs))-1]
				})
				if calls != tt.calls || !errors.Is(err, tt.want) {
					t.Errorf("%d calls, %v; want %d, %v", calls, err, tt.calls, tt.want)
				}
			})
		})
	}
}

func TestEndOfTheContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begin := time.Now()
		if _, err := retry.Value(ctx, func() (int, error) { return 0, kind.Unavailable }); !errors.Is(err, kind.Unavailable) {
			t.Error(err)
		}
		if waited := time.Since(begin); waited > time.Millisecond {
			t.Errorf("waited %v", waited)
		}
	})
}
