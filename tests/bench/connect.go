package main

import (
	"context"

	"golang.org/x/sync/errgroup"
)

const (
	connectsInTurn = 20
	connectsEach   = 4 // of many at once
)

// connections are clients that log in, ask one thing and leave.
func connections() workload {
	once := func(ctx context.Context, t *target) error {
		_, err := t.SFTP(ctx, "pwd\n")
		return err
	}
	return workload{
		name: "connections", peers: true,
		steps: []step{
			{name: "connections, one after another", unit: "1/s", ops: connectsInTurn, bar: 2.5, run: timed(connectsInTurn, func(ctx context.Context, _ *bench, t *target) error {
				for range connectsInTurn {
					if err := once(ctx, t); err != nil {
						return err
					}
				}
				return nil
			})},
			{name: "connections, 16 at once", unit: "1/s", ops: many * connectsEach, bar: 2.5, run: timed(many*connectsEach, func(ctx context.Context, _ *bench, t *target) error {
				g, ctx := errgroup.WithContext(ctx)
				for range many {
					g.Go(func() error {
						for range connectsEach {
							if err := once(ctx, t); err != nil {
								return err
							}
						}
						return nil
					})
				}
				return g.Wait()
			})},
		},
	}
}
