package gate_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/truckee-fs/truckee/internal/gate"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestCloseWaitsForThoseInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate.Gate
		leave, err := g.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		closed, firsts := 0, 0
		for range 2 {
			go func() {
				first := g.Close()
				mu.Lock()
				defer mu.Unlock()
				closed++
				if first {
					firsts++
				}
			}()
		}
		synctest.Wait()
		if closed != 0 {
			t.Error("Close returned with a call inside")
		}
		if _, err := g.Enter(t.Context()); kind.Of(err) != kind.Closed {
			t.Errorf("enter after Close: %v", err)
		}
		leave()
		synctest.Wait()
		if closed != 2 || firsts != 1 {
			t.Errorf("%d of 2 Closes returned, %d first", closed, firsts)
		}
	})
}

func TestEnterWithAnEndedContext(t *testing.T) {
	var g gate.Gate
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Enter(ctx); kind.Of(err) != kind.Canceled {
		t.Error(err)
	}
	if !g.Close() {
		t.Error("not the first to close")
	}
}
