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

func TestRuntimeLimit(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, tt := range map[string]struct {
		limit, resident int64
		h               heap
		want            int64
	}{
		"what lies outside of the runtime's memory counts":   {136 * mib, 100 * mib, heap{live: 20 * mib, mapped: 60 * mib, objects: 40 * mib, free: 20 * mib}, 96 * mib},
		"pages of the heap that nobody has touched yet":      {136 * mib, 50 * mib, heap{live: 20 * mib, mapped: 60 * mib, objects: 40 * mib, free: 20 * mib}, 136 * mib},
		"nobody tells what is resident":                      {136 * mib, 0, heap{live: 20 * mib, mapped: 60 * mib, objects: 40 * mib, free: 20 * mib}, 136 * mib},
		"what is alive gets its room, and that for garbage":  {136 * mib, 160 * mib, heap{live: 105 * mib, mapped: 120 * mib, objects: 110 * mib, free: 5 * mib}, (105 + 5 + 8) * mib},
		"figures that were read one after another may clash": {16 * mib, 160 * mib, heap{live: 105 * mib, mapped: 100 * mib, objects: 105 * mib}, (105 + 8) * mib},
	} {
		if got := runtimeLimit(tt.limit, tt.resident, tt.h); got != tt.want {
			t.Errorf("%s: %d MiB, want %d", name, got/mib, tt.want/mib)
		}
	}
}

// TestWhatIsOutsideOfTheHeapCounts reads the real figures.
func TestWhatIsOutsideOfTheHeapCounts(t *testing.T) {
	t.Parallel()
	h, ok := readHeap()
	if !ok || h.mapped == 0 || h.objects == 0 || h.objects+h.free > h.mapped {
		t.Fatalf("the heap is %+v, %t", h, ok)
	}
	if resident := residentMemory(); runtime.GOOS == "linux" && resident < 1<<20 {
		t.Errorf("%d bytes are resident", resident)
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
