package main

import (
	"context"
	"regexp"
	"time"
)

const gib = 1 << 30

// workload is something to time on each target. Its steps are timed apart, in
// their order, and give a row each.
type workload struct {
	name  string
	steps []step
	// rounds bounds how often it is measured; 0: as often as asked for.
	rounds int
	// peers have it measured on them, too; alone has only truckee measured.
	peers, alone bool
	// between are two targets to compare in place of truckee and OpenSSH.
	between func(b *bench) (ours, theirs *target)
	// prepare makes what the steps need, once a target, untimed.
	prepare func(ctx context.Context, b *bench, t *target) error
	// reset brings the target back after a round, untimed.
	reset func(ctx context.Context, b *bench, t *target) error
}

// step is what a row tells.
type step struct {
	name          string
	unit          string
	lowerIsBetter bool
	bytes         int64   // moved by one run, for processor time a GiB
	ops           int     // done by one run, for processor time an operation
	bar           float64 // the ratio to reach; 0: none
	atMost        float64 // the figure not to exceed; 0: none
	cold          bool    // see target.chill
	hidden        bool    // run for those behind it, and not shown
	// run does it and gives the figure.
	run func(ctx context.Context, b *bench, t *target) (float64, error)
}

// selected is w with the steps that are to be measured and those before them.
func (w workload) selected(only *regexp.Regexp) workload {
	if only.MatchString(w.name) {
		return w
	}
	last := 0
	steps := append([]step(nil), w.steps...)
	for i := range steps {
		if only.MatchString(steps[i].name) {
			last = i + 1
		} else {
			steps[i].hidden = true
		}
	}
	w.steps = steps[:last]
	return w
}

// timed makes a step's figure of the amount of work and the time it took.
func timed(amount float64, do func(ctx context.Context, b *bench, t *target) error) func(context.Context, *bench, *target) (float64, error) {
	return func(ctx context.Context, b *bench, t *target) (float64, error) {
		start := time.Now()
		if err := do(ctx, b, t); err != nil {
			return 0, err
		}
		return amount / time.Since(start).Seconds(), nil
	}
}

// batch is a step that runs an sftp batch.
func batch(text func(b *bench) string, extra ...string) func(context.Context, *bench, *target) error {
	return func(ctx context.Context, b *bench, t *target) error {
		_, err := t.SFTP(ctx, text(b), extra...)
		return err
	}
}

// workloads are all, in the order of the table.
func workloads() []workload {
	var all []workload
	all = append(all, transfers()...)
	all = append(all, smallFiles()...)
	all = append(all, mounts()...)
	all = append(all, connections(), latencies(), farAway())
	all = append(all, directoriesOf(100), directoriesOf(10_000), directoriesOf(100_000), directoriesOf(1_000_000))
	return append(all, memories()...)
}
