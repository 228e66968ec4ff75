package main

import (
	"context"
	"fmt"
	"os"
)

// measure runs a workload's rounds on its targets in turn and gives a row for
// each of its steps.
func (b *bench) measure(ctx context.Context, w workload) ([]row, error) {
	targets := b.targetsOf(w)
	rows := make([]row, len(w.steps))
	for i, s := range w.steps {
		rows[i] = row{step: s, cells: make([]cell, len(targets))}
	}
	for who, t := range targets {
		if w.prepare != nil {
			if err := w.prepare(ctx, b, t); err != nil {
				if who < 2 {
					return nil, fmt.Errorf("%s: %w", t.Name, err)
				}
				failed(rows, who, err)
			}
		}
	}
	rounds := b.rounds
	if w.rounds > 0 {
		rounds = min(rounds, w.rounds)
	}
	for range rounds {
		for who, t := range targets {
			if rows[0].cells[who].err != nil {
				continue
			}
			for i := range rows {
				if err := b.once(ctx, &rows[i], who, t); err != nil {
					if who < 2 {
						return nil, fmt.Errorf("%s: %s: %w", t.Name, rows[i].name, err)
					}
					fmt.Fprintf(os.Stderr, "bench: %s: %s: %v\n", t.Name, rows[i].name, err)
					failed(rows[i:], who, err)
					break
				}
			}
			if w.reset != nil {
				if err := w.reset(ctx, b, t); err != nil && who < 2 {
					return nil, fmt.Errorf("%s: %w", t.Name, err)
				}
			}
		}
	}
	shown := rows[:0]
	for _, r := range rows {
		if !r.hidden {
			shown = append(shown, r)
		}
	}
	return shown, nil
}

// failed notes that a peer can't do it.
func failed(rows []row, who int, err error) {
	for i := range rows {
		rows[i].cells[who].err = err
	}
}

func (b *bench) targetsOf(w workload) []*target {
	switch {
	case w.between != nil:
		ours, theirs := w.between(b)
		return []*target{ours, theirs}
	case w.alone:
		return b.targets[:1]
	case w.peers:
		return b.targets
	}
	return b.targets[:2]
}

// once runs one step on one target.
func (b *bench) once(ctx context.Context, r *row, who int, t *target) error {
	c := &r.cells[who]
	if r.cold {
		if err := t.chill(ctx); err != nil {
			return err
		}
	}
	if err := t.resetPeak(); err != nil {
		return err
	}
	before, err := t.cpu()
	if err != nil {
		return err
	}
	v, err := r.run(ctx, b, t)
	if err != nil {
		return err
	}
	t.rest()
	after, err := t.cpu()
	if err != nil {
		return err
	}
	c.figures = append(c.figures, v)
	used := (after - before).Seconds()
	switch {
	case r.bytes > 0:
		c.cpu = append(c.cpu, used*gib/float64(r.bytes))
	case r.ops > 0:
		c.cpu = append(c.cpu, used*1000/float64(r.ops))
	}
	if who == 0 {
		peak, err := t.memory("VmHWM")
		if err != nil {
			return err
		}
		r.peak = max(r.peak, peak)
	}
	return nil
}
