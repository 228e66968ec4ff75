package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"time"
)

const latencyOps = 400

// latencies are what one client waits for small operations, one at a time.
func latencies() workload {
	w := workload{
		name: "latency", peers: true,
		prepare: func(_ context.Context, _ *bench, t *target) error {
			c, err := t.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			return writeSmall(c, path.Join(t.Root, "latency"), 0)
		},
	}
	for _, op := range []struct {
		name string
		do   func(c *client, root string, i int) error
	}{
		{"stat", func(c *client, root string, _ int) error { _, err := c.Stat(path.Join(root, "latency")); return err }},
		{"open, read 4 KiB, close", func(c *client, root string, _ int) error { return readSmall(c, path.Join(root, "latency")) }},
		{"create, write 4 KiB, close", func(c *client, root string, i int) error {
			return writeSmall(c, path.Join(root, fmt.Sprint("latency", i)), os.O_EXCL)
		}},
		{"remove", func(c *client, root string, i int) error { return c.Remove(path.Join(root, fmt.Sprint("latency", i))) }},
		{"mkdir", func(c *client, root string, i int) error { return c.Mkdir(path.Join(root, fmt.Sprint("from", i))) }},
		{"rename", func(c *client, root string, i int) error {
			return c.Rename(path.Join(root, fmt.Sprint("from", i)), path.Join(root, fmt.Sprint("to", i)))
		}},
		{"rmdir", func(c *client, root string, i int) error {
			return c.RemoveDirectory(path.Join(root, fmt.Sprint("to", i)))
		}},
	} {
		worst := "latency of " + op.name + ", p99"
		w.steps = append(w.steps, step{
			name: "latency of " + op.name + ", p50", unit: "ms", lowerIsBetter: true, ops: latencyOps,
			run: func(_ context.Context, b *bench, t *target) (float64, error) {
				took, err := each(t, latencyOps, op.do)
				b.tail[t.Name+worst] = percentile(took, 0.99)
				return median(took), err
			},
		}, step{
			name: worst, unit: "ms", lowerIsBetter: true, // of the same operations
			run: func(_ context.Context, b *bench, t *target) (float64, error) { return b.tail[t.Name+worst], nil },
		})
	}
	return w
}

// each does n operations by one client and gives what each took, in ms.
func each(t *target, n int, do func(c *client, root string, i int) error) ([]float64, error) {
	c, err := t.connect()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	took := make([]float64, n)
	for i := range took {
		start := time.Now()
		if err := do(c, t.Root, i); err != nil {
			return nil, err
		}
		took[i] = time.Since(start).Seconds() * 1000
	}
	return took, nil
}

func writeSmall(c *client, name string, flags int) error {
	f, err := c.OpenFile(name, os.O_WRONLY|os.O_CREATE|flags)
	if err != nil {
		return err
	}
	if _, err := f.Write(make([]byte, page)); err != nil {
		return err
	}
	return f.Close()
}

func readSmall(c *client, name string) error {
	f, err := c.Open(name)
	if err != nil {
		return err
	}
	if _, err := f.ReadAt(make([]byte, page), 0); err != nil {
		return err
	}
	return f.Close()
}
