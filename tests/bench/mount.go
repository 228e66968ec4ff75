package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

const (
	randomOps  = 4000
	randomSpan = 256 << 20
	page       = 4096
	appendOps  = 50
)

// mounts are what is done by programs on sshfs mounts.
func mounts() []workload {
	// A mount without the client's caches, where each call is a request.
	direct := []string{"dir_cache=no", "direct_io"}
	return []workload{
		{
			name: "sshfs in sequence", peers: true,
			prepare: func(_ context.Context, b *bench, _ *target) error {
				return randomFile(filepath.Join(b.dir, "random"), randomSpan)
			},
			steps: []step{
				{name: "sshfs: write of 256 MiB in sequence", unit: "MiB/s", bytes: randomSpan, bar: 0.8, run: onMount(nil, writeAll)},
				{name: "sshfs: read of 256 MiB in sequence, cold", unit: "MiB/s", bytes: randomSpan, bar: 0.8, cold: true, run: onMount(nil, readAll)},
			},
		},
		{
			name: "sshfs at random", peers: true,
			prepare: func(ctx context.Context, b *bench, t *target) error {
				local := filepath.Join(b.dir, "random")
				if err := randomFile(local, randomSpan); err != nil {
					return err
				}
				_, err := t.SFTP(ctx, "put "+local+" random\n")
				return err
			},
			steps: []step{
				{name: "sshfs: random read of 4 KiB, cold", unit: "op/s", ops: randomOps, bar: 0.8, cold: true, run: onMount(direct, randomReads)},
				{name: "sshfs: random overwrites of 4 KiB, then fsync", unit: "op/s", ops: randomOps, bar: 1.0, run: onMount(direct, randomWrites)},
			},
		},
		{
			name: "sshfs append", peers: true,
			prepare: func(ctx context.Context, b *bench, t *target) error {
				for name, size := range map[string]int64{"whole": 256 << 20, "odd": 2559 << 20 / 10} {
					local := filepath.Join(b.dir, name)
					if err := randomFile(local, size); err != nil {
						return err
					}
					if _, err := t.SFTP(ctx, "put "+local+" "+name+"\n"); err != nil {
						return err
					}
				}
				return nil
			},
			steps: []step{
				{name: "sshfs: append 1 byte to 256 MiB and close", unit: "ms", lowerIsBetter: true, ops: appendOps, bar: 0.5, run: onMount(direct, appends("whole"))},
				{name: "sshfs: append 1 byte to 255.9 MiB and close", unit: "ms", lowerIsBetter: true, ops: appendOps, bar: 0.5, run: onMount(direct, appends("odd"))},
			},
		},
	}
}

// onMount runs a measurement on a fresh sshfs mount, whose caches hold nothing.
func onMount(options []string, measure func(b *bench, root string) (float64, error)) func(context.Context, *bench, *target) (float64, error) {
	return func(ctx context.Context, b *bench, t *target) (v float64, err error) {
		m, err := t.SSHFS(ctx, filepath.Join(b.dir, "mnt-"+t.Name), options...)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, m.Unmount()) }()
		return measure(b, m.Dir)
	}
}

// writeAll copies the local file of randomSpan to a new one, and closes it.
func writeAll(b *bench, root string) (float64, error) {
	from, err := os.Open(filepath.Join(b.dir, "random"))
	if err != nil {
		return 0, err
	}
	defer from.Close()
	start := time.Now()
	to, err := os.Create(filepath.Join(root, "sequence"))
	if err != nil {
		return 0, err
	}
	defer to.Close()
	if err := copyBlocks(to, from); err != nil {
		return 0, err
	}
	if err := to.Close(); err != nil {
		return 0, err
	}
	return randomSpan >> 20 / time.Since(start).Seconds(), nil
}

func readAll(_ *bench, root string) (float64, error) {
	f, err := os.Open(filepath.Join(root, "sequence"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	start := time.Now()
	if err := copyBlocks(io.Discard, f); err != nil {
		return 0, err
	}
	return randomSpan >> 20 / time.Since(start).Seconds(), nil
}

// copyBlocks copies randomSpan bytes by a MiB at a time.
func copyBlocks(to io.Writer, from io.Reader) error {
	b := make([]byte, 1<<20)
	for range randomSpan / len(b) {
		if _, err := io.ReadFull(from, b); err != nil {
			return err
		}
		if _, err := to.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func randomReads(_ *bench, root string) (float64, error) {
	f, err := os.Open(filepath.Join(root, "random"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, page)
	start := time.Now()
	for range randomOps {
		if _, err := f.ReadAt(b, rng.Int64N(randomSpan/page)*page); err != nil {
			return 0, err
		}
	}
	return randomOps / time.Since(start).Seconds(), nil
}

func randomWrites(_ *bench, root string) (float64, error) {
	f, err := os.OpenFile(filepath.Join(root, "random"), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, page)
	start := time.Now()
	for range randomOps {
		if _, err := f.WriteAt(b, rng.Int64N(randomSpan/page)*page); err != nil {
			return 0, err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	took := time.Since(start)
	return randomOps / took.Seconds(), f.Close()
}

// appends opens, appends one byte, and closes; in milliseconds each.
func appends(name string) func(b *bench, root string) (float64, error) {
	return func(_ *bench, root string) (float64, error) {
		before, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			return 0, err
		}
		start := time.Now()
		for range appendOps {
			f, err := os.OpenFile(filepath.Join(root, name), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return 0, err
			}
			if _, err := f.Write([]byte{'x'}); err != nil {
				return 0, err
			}
			if err := f.Close(); err != nil {
				return 0, err
			}
		}
		took := time.Since(start)
		after, err := os.Stat(filepath.Join(root, name))
		if err == nil && after.Size() != before.Size()+appendOps {
			err = fmt.Errorf("%d bytes after %d appends to %d", after.Size(), appendOps, before.Size())
		}
		return took.Seconds() * 1000 / appendOps, err
	}
}
