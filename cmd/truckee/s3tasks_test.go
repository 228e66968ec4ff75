package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A task is done when it is this gateway's turn, and goes on after an error.
func TestTasksGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var did []time.Duration
		begun, last := time.Now(), time.Time{}
		turn := func(_ context.Context, name string, every time.Duration) (bool, error) {
			if name != "test" {
				t.Errorf("turn of %q", name)
			}
			if now := time.Now(); last.IsZero() || now.Sub(last) >= every {
				last = now
				return true, nil
			}
			return false, nil
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			task{"test", time.Minute, func(context.Context) error {
				did = append(did, time.Since(begun))
				return errors.New("this time it fails")
			}}.run(ctx, turn, slog.New(slog.DiscardHandler))
		})
		time.Sleep(3*time.Minute + time.Second)
		cancel()
		wg.Wait()
		if len(did) != 4 || did[0] != 0 || did[3] != 3*time.Minute {
			t.Errorf("done at %v", did)
		}
	})
}

func TestUploadsEvery(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{time.Second: time.Second, time.Minute: 6 * time.Second, 168 * time.Hour: time.Hour} {
		if got := uploadsEvery(after); got != want {
			t.Errorf("uploads that expire after %v are looked over every %v", after, got)
		}
	}
}
