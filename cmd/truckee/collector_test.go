package main

import (
	"context"
	"runtime"
	"testing"
)

func TestGCPercent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		live uint64
		want int
	}{
		{0, 100}, {1 << 10, 800}, {4 << 20, 800}, {5 << 20, 700}, {8 << 20, 400}, {10 << 20, 300}, {13 << 20, 200}, {16 << 20, 150}, {20 << 20, 100}, {40 << 20, 100}, {1 << 40, 100},
	} {
		got := gcPercent(tt.live)
		if got != tt.want {
			t.Errorf("with %d bytes alive: %d, want %d", tt.live, got, tt.want)
		}
		if grown := tt.live + tt.live*uint64(got)/100; got > 100 && grown > roomyHeap {
			t.Errorf("with %d bytes alive the heap grows to %d", tt.live, grown)
		}
	}
}

func TestEachCycleIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cycles := make(chan struct{}, 1)
	tellCycle(ctx, cycles)
	for range 3 {
		told := false
		for !told {
			runtime.GC() // the object may have been found, and its cleanup still wait
			select {
			case <-cycles:
				told = true
			default:
				runtime.Gosched()
			}
		}
	}
}
