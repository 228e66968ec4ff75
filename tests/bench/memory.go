package main

import (
	"context"
	"io"
	"path"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	idlers    = 64
	streamers = 8
)

// memories are what a connection costs the server, in resident memory: the
// difference to a server that has just started and served one.
func memories() []workload {
	return []workload{{
		name: "memory", alone: true, rounds: 1,
		steps: []step{
			{name: "memory of an idle connection", unit: "MiB", lowerIsBetter: true, atMost: 1, cold: true, run: idle},
			{name: "memory of a connection that puts 256 MiB", unit: "MiB", lowerIsBetter: true, atMost: 20, cold: true, run: streaming(put)},
			{name: "memory of a connection that gets 256 MiB", unit: "MiB", lowerIsBetter: true, atMost: 20, cold: true, run: streaming(get)},
		},
	}}
}

// idle connects, lists, and rests.
func idle(_ context.Context, _ *bench, t *target) (float64, error) {
	first, err := t.connect()
	if err != nil {
		return 0, err
	}
	defer first.Close()
	if _, err := first.Stat("/"); err != nil {
		return 0, err
	}
	before, err := t.memory("VmRSS")
	if err != nil {
		return 0, err
	}
	for range idlers {
		c, err := t.connect()
		if err != nil {
			return 0, err
		}
		defer c.Close()
		if _, err := c.Stat("/"); err != nil {
			return 0, err
		}
	}
	time.Sleep(time.Second)
	after, err := t.memory("VmRSS")
	return float64(after-before) / idlers / (1 << 20), err
}

// streaming has several connections each move a file of their own.
func streaming(move func(c *client, name string) error) func(context.Context, *bench, *target) (float64, error) {
	return func(_ context.Context, _ *bench, t *target) (float64, error) {
		var clients []*client
		for range streamers {
			c, err := t.connect()
			if err != nil {
				return 0, err
			}
			defer c.Close()
			clients = append(clients, c)
		}
		if err := t.resetPeak(); err != nil {
			return 0, err
		}
		before, err := t.memory("VmRSS")
		if err != nil {
			return 0, err
		}
		var g errgroup.Group
		for i, c := range clients {
			g.Go(func() error { return move(c, path.Join(t.Root, "stream"+string(rune('a'+i)))) })
		}
		if err := g.Wait(); err != nil {
			return 0, err
		}
		after, err := t.memory("VmHWM")
		return float64(after-before) / streamers / (1 << 20), err
	}
}

const streamed = 256 << 20

func put(c *client, name string) error {
	f, err := c.Create(name)
	if err != nil {
		return err
	}
	if _, err := f.ReadFromWithConcurrency(io.LimitReader(&noise{}, streamed), 64); err != nil {
		return err
	}
	return f.Close()
}

func get(c *client, name string) error {
	f, err := c.Open(name)
	if err != nil {
		return err
	}
	if _, err := f.WriteTo(io.Discard); err != nil {
		return err
	}
	return f.Close()
}

// noise are bytes that differ from block to block.
type noise struct{ n uint64 }

func (r *noise) Read(p []byte) (int, error) {
	for i := range p {
		r.n = r.n*6364136223846793005 + 1442695040888963407
		p[i] = byte(r.n >> 56)
	}
	return len(p), nil
}
