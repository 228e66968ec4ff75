package main

import (
	"context"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// load runs step by so many clients, over and over, for a time, or until there was a
// number of steps, and tells how many there were a second. step is told which client
// it is and how many steps that one has made.
func (b *bench) load(ctx context.Context, clients, steps int, step func(ctx context.Context, client, n int) error) (float64, error) {
	var done, taken atomic.Int64
	begin := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for c := range clients {
		g.Go(func() error {
			for n := 0; ; n++ {
				if steps > 0 && taken.Add(1) > int64(steps) || steps == 0 && time.Since(begin) >= b.time {
					return nil
				}
				if err := step(ctx, c, n); err != nil {
					return err
				}
				done.Add(1)
			}
		})
	}
	err := g.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds(), err
}

// usage is what a process has used.
type usage struct {
	cpu  time.Duration
	peak int64 // bytes of resident memory at most, since resetPeak
}

// clientTime is what the clients have used of a processor: this process, and those
// that it has started and that have ended, which the servers have not.
func clientTime() (time.Duration, error) {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			return 0, err
		}
		sum += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return sum, nil
}

// processUsage reads /proc (proc(5)).
func processUsage(pid int) (usage, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return usage{}, err
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return usage{}, err
	}
	return parseUsage(stat, status)
}

// resetPeak sets a process's peak memory back to its present size.
func resetPeak(pid int) error {
	return os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte("5"), 0)
}
