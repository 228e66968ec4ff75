package main

import (
	"context"
	"math"
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

// collector adjusts the runtime's collector after each of its cycles.
type collector struct {
	percent bool  // GOGC, to the heap
	memory  int64 // the process's memory that the runtime's limit shall follow; 0: none does

	setPercent int
	setLimit   int64
}

// collectLeisurely adjusts until ctx ends: GOGC, and the limit that is set now, which
// is taken for that of the whole process. What the environment says stays.
func collectLeisurely(ctx context.Context) {
	c := collector{percent: os.Getenv("GOGC") == "", setPercent: 100}
	if limit := debug.SetMemoryLimit(-1); os.Getenv("GOMEMLIMIT") == "" && limit != math.MaxInt64 {
		c.memory, c.setLimit = limit, limit
		defer debug.SetMemoryLimit(limit)
	}
	c.run(ctx)
}

func (c *collector) run(ctx context.Context) {
	if !c.percent && c.memory == 0 {
		return
	}
	cycles := make(chan struct{}, 1)
	tellCycle(ctx, cycles)
	for {
		c.adjust()
		select {
		case <-ctx.Done():
			if c.percent {
				debug.SetGCPercent(100)
			}
			return
		case <-cycles:
		}
	}
}

// adjust sets what has changed: each setting stops the world for a moment.
func (c *collector) adjust() {
	h, ok := readHeap()
	if !ok {
		return // this runtime tells no such figures
	}
	if p := gcPercent(h.live); c.percent && p != c.setPercent {
		debug.SetGCPercent(p)
		c.setPercent = p
	}
	if c.memory == 0 {
		return
	}
	const step = 1 << 20
	if limit := runtimeLimit(c.memory, residentMemory(), h); max(limit-c.setLimit, c.setLimit-limit) >= step {
		debug.SetMemoryLimit(limit)
		c.setLimit = limit
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

// heap is what the runtime tells of its memory, in bytes.
type heap struct {
	live    uint64 // objects, as of the last cycle
	mapped  uint64 // all that it has of the system, and hasn't given back
	objects uint64 // of it: those alive and garbage
	free    uint64 // of it: what could be given back
}

func readHeap() (heap, bool) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	var v [5]uint64
	for i, s := range samples {
		if s.Value.Kind() != metrics.KindUint64 {
			return heap{}, false
		}
		v[i] = s.Value.Uint64()
	}
	return heap{live: v[0], mapped: v[1] - v[2], objects: v[3], free: v[4]}, true
}
