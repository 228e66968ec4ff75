package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

const gib = 1 << 30

// workload is something to time on one endpoint. Its steps are timed apart and
// give a row each.
type workload struct {
	name  string
	steps []step
	// prepare makes what the steps need, once an endpoint, untimed.
	prepare func(ctx context.Context, b *bench, e testbed.Endpoint) error
	// reset brings the endpoint back after a round, untimed.
	reset func(ctx context.Context, b *bench, e testbed.Endpoint) error
}

type step struct {
	name          string
	unit          string
	lowerIsBetter bool
	bytes         int64 // moved by one run, for CPU per GiB; 0: none
	// run does it and returns the figure: a rate by elapsed time, unless it
	// measured something of its own.
	run func(ctx context.Context, b *bench, e testbed.Endpoint) (float64, error)
}

// timed makes a step's figure of the amount of work and the time it took.
func timed(amount float64, do func(ctx context.Context, b *bench, e testbed.Endpoint) error) func(context.Context, *bench, testbed.Endpoint) (float64, error) {
	return func(ctx context.Context, b *bench, e testbed.Endpoint) (float64, error) {
		start := time.Now()
		if err := do(ctx, b, e); err != nil {
			return 0, err
		}
		return amount / time.Since(start).Seconds(), nil
	}
}

// batch is a step that runs an sftp batch.
func batch(text func(b *bench) string) func(context.Context, *bench, testbed.Endpoint) error {
	return func(ctx context.Context, b *bench, e testbed.Endpoint) error {
		_, err := e.SFTP(ctx, text(b))
		return err
	}
}

const (
	smallFiles = 5000
	listed     = 10000
	dirs       = 2000
)

var workloads = []workload{
	{
		name: "transfer 1 GiB",
		prepare: func(_ context.Context, b *bench, _ testbed.Endpoint) error {
			return randomFile(filepath.Join(b.dir, "gib"), gib)
		},
		steps: []step{
			{name: "put 1 GiB", unit: "MiB/s", bytes: gib, run: timed(1024, batch(func(b *bench) string {
				return "put " + filepath.Join(b.dir, "gib") + " gib\n"
			}))},
			{name: "get 1 GiB", unit: "MiB/s", bytes: gib, run: timed(1024, batch(func(b *bench) string {
				return "get gib " + filepath.Join(b.dir, "gib.back") + "\n"
			}))},
		},
		reset: func(ctx context.Context, b *bench, e testbed.Endpoint) error {
			if err := os.Remove(filepath.Join(b.dir, "gib.back")); err != nil {
				return err
			}
			_, err := e.SFTP(ctx, "rm gib\n")
			return err
		},
	},
	{
		name: "small files",
		prepare: func(_ context.Context, b *bench, _ testbed.Endpoint) error {
			return manyFiles(filepath.Join(b.dir, "small"), smallFiles, 4096)
		},
		steps: []step{
			{name: "put -r of 5,000 files of 4 KiB", unit: "files/s", run: timed(smallFiles, batch(func(b *bench) string {
				return "put -r " + filepath.Join(b.dir, "small") + " small\n"
			}))},
			{name: "get -r of 5,000 files of 4 KiB", unit: "files/s", run: timed(smallFiles, batch(func(b *bench) string {
				return "get -r small " + filepath.Join(b.dir, "small.back") + "\n"
			}))},
			{name: "rm of 5,000 files", unit: "files/s", run: timed(smallFiles, batch(func(*bench) string {
				return "rm small/*\nrmdir small\n"
			}))},
		},
		reset: func(_ context.Context, b *bench, _ testbed.Endpoint) error {
			return os.RemoveAll(filepath.Join(b.dir, "small.back"))
		},
	},
	{
		name: "list",
		prepare: func(ctx context.Context, b *bench, e testbed.Endpoint) error {
			local := filepath.Join(b.dir, "listed")
			if err := manyFiles(local, listed, 1); err != nil {
				return err
			}
			_, err := e.SFTP(ctx, "put -r "+local+" listed\n")
			return err
		},
		steps: []step{{name: "ls -l of 10,000 entries", unit: "s", lowerIsBetter: true, run: func(ctx context.Context, _ *bench, e testbed.Endpoint) (float64, error) {
			start := time.Now()
			out, err := e.SFTP(ctx, "ls -l listed\n")
			took := time.Since(start).Seconds()
			if err == nil && strings.Count(out, "\n") < listed {
				err = fmt.Errorf("listed %d lines", strings.Count(out, "\n"))
			}
			return took, err
		}}},
	},
	{
		name: "directories",
		steps: []step{
			{name: "mkdir, rename, rmdir of 2,000 in one batch", unit: "op/s", run: timed(3*dirs, batch(func(*bench) string {
				var s strings.Builder
				for _, verb := range []string{"mkdir d%[1]d\n", "rename d%[1]d e%[1]d\n", "rmdir e%[1]d\n"} {
					for i := range dirs {
						fmt.Fprintf(&s, verb, i)
					}
				}
				return s.String()
			}))},
		},
	},
	{
		name: "sshfs random",
		prepare: func(ctx context.Context, b *bench, e testbed.Endpoint) error {
			local := filepath.Join(b.dir, "random")
			if err := randomFile(local, 256<<20); err != nil {
				return err
			}
			_, err := e.SFTP(ctx, "put "+local+" random\n")
			return err
		},
		steps: []step{
			{name: "sshfs: random read of 4 KiB", unit: "op/s", run: onMount(randomReads)},
			{name: "sshfs: random overwrites of 4 KiB, then fsync", unit: "op/s", run: onMount(randomWrites)},
		},
	},
	{
		name: "append",
		prepare: func(ctx context.Context, b *bench, e testbed.Endpoint) error {
			for name, size := range map[string]int64{"whole": 256 << 20, "odd": 2559 << 20 / 10} {
				local := filepath.Join(b.dir, name)
				if err := randomFile(local, size); err != nil {
					return err
				}
				if _, err := e.SFTP(ctx, "put "+local+" "+name+"\n"); err != nil {
					return err
				}
			}
			return nil
		},
		steps: []step{
			{name: "sshfs: append 1 byte to 256 MiB and close", unit: "ms", lowerIsBetter: true, run: onMount(appends("whole"))},
			{name: "sshfs: append 1 byte to 255.9 MiB and close", unit: "ms", lowerIsBetter: true, run: onMount(appends("odd"))},
		},
	},
}

// randomFile makes a file of n random bytes if it isn't there yet.
func randomFile(path string, n int64) error {
	if info, err := os.Stat(path); err == nil && info.Size() == n {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, rand.Reader, n); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// manyFiles makes a directory of n files of size random bytes each.
func manyFiles(dir string, n, size int) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for i := range n {
		if err := randomFile(filepath.Join(dir, fmt.Sprintf("file-%05d", i)), int64(size)); err != nil {
			return err
		}
	}
	return nil
}
