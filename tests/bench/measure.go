package main

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// measure runs a workload's rounds on both servers in turn and gives a row for
// each of its steps.
func (b *bench) measure(ctx context.Context, w workload, rounds int) ([]row, error) {
	endpoints := []testbed.Endpoint{b.truckee.Endpoint, b.openssh.Endpoint}
	if w.prepare != nil {
		for _, e := range endpoints {
			if err := w.prepare(ctx, b, e); err != nil {
				return nil, err
			}
		}
	}
	rows := make([]row, len(w.steps))
	figures := make([][2][]float64, len(w.steps))
	cpu := make([][]float64, len(w.steps))
	for i, s := range w.steps {
		rows[i] = row{name: s.name, unit: s.unit, lowerIsBetter: s.lowerIsBetter, roundsMeasured: rounds}
	}
	for range rounds {
		for who, e := range endpoints {
			for i, s := range w.steps {
				if err := b.truckee.ResetPeak(); err != nil {
					return nil, err
				}
				before, err := b.truckee.Usage()
				if err != nil {
					return nil, fmt.Errorf("is truckee gone? %w", err)
				}
				v, err := s.run(ctx, b, e)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
				figures[i][who] = append(figures[i][who], v)
				if who != 0 {
					continue
				}
				after, err := b.truckee.Usage()
				if err != nil {
					return nil, err
				}
				rows[i].peakRSS = max(rows[i].peakRSS, after.PeakRSS)
				if s.bytes > 0 {
					cpu[i] = append(cpu[i], (after.CPU-before.CPU).Seconds()*gib/float64(s.bytes))
				}
			}
			if w.reset != nil {
				if err := w.reset(ctx, b, e); err != nil {
					return nil, err
				}
			}
		}
	}
	for i := range rows {
		rows[i].ours, rows[i].theirs = median(figures[i][0]), median(figures[i][1])
		rows[i].cpuPerGiB = median(cpu[i])
	}
	return rows, nil
}
