package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// roomyHeap is how large the heap may always become before garbage is collected, in
// bytes. The runtime alone lets it grow by as much as is alive: with the few MiB of a
// node that serves many small requests it would collect every few milliseconds.
const roomyHeap = 40 << 20

// gcPercent is the runtime's GOGC by which a heap of which so many bytes are alive
// grows to roomyHeap: 100, its default, for larger ones.
func gcPercent(live uint64) int {
	const least, most, step = 100, 800, 50
	if live == 0 {
		return least
	}
	percent := int(100 * (roomyHeap - min(live, roomyHeap)) / live)
	return min(max(percent/step*step, least), most)
}

// collectLeisurely adjusts the collector after each of its cycles, until ctx ends. What
// GOGC in the environment says stays.
func collectLeisurely(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	cycles := make(chan struct{}, 1)
	tellCycle(ctx, cycles)
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for now := 100; ; {
		select {
		case <-ctx.Done():
			debug.SetGCPercent(100)
			return
		case <-cycles:
		}
		metrics.Read(sample)
		if sample[0].Value.Kind() != metrics.KindUint64 {
			return // this runtime tells no such figure
		}
		if p := gcPercent(sample[0].Value.Uint64()); p != now {
			debug.SetGCPercent(p)
			now = p
		}
	}
}

// tellCycle sends to cycles after each cycle of the collector, which finds an object
// then that nobody holds.
func tellCycle(ctx context.Context, cycles chan<- struct{}) {
	type sentinel struct{ _ [16]byte }
	runtime.AddCleanup(new(sentinel), func(struct{}) {
		if ctx.Err() != nil {
			return
		}
		select {
		case cycles <- struct{}{}:
		default:
		}
		tellCycle(ctx, cycles)
	}, struct{}{})
}
