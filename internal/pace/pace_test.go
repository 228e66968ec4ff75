package pace_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
)

func TestWaitKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(1000)
		begin := time.Now()
		for range 100 {
			if err := p.Wait(t.Context(), 100); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("10000 units at 1000 a second took %v", took)
		}
	})
}

func TestNoRateIsNoBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		for range 100 {
			if err := pace.New(0).Wait(t.Context(), 1<<40); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(begin) > 0 {
			t.Error("waited")
		}
	})
}

func TestEndOfTheContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p := pace.New(1)
		if err := p.Wait(ctx, 100); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := p.Wait(ctx, 1); kind.Of(err) != kind.Canceled || time.Since(begin) > time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := p.Wait(ctx, 1); kind.Of(err) != kind.Canceled {
			t.Errorf("%v", err)
		}
	})
}

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tell := pace.Every(time.Second)
		told := 0
		for range 35 {
			time.Sleep(100 * time.Millisecond)
			if tell() {
				told++
			}
		}
		if told != 3 {
			t.Errorf("told %d times in 3.5 seconds", told)
		}
	})
}
