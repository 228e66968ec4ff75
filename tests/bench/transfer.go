package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// many is how many clients work at once where several do.
const many = 16

func transfers() []workload {
	prepare := func(_ context.Context, b *bench, _ *target) error {
		return randomFile(filepath.Join(b.dir, "gib"), gib)
	}
	put := func(b *bench) string { return "put " + filepath.Join(b.dir, "gib") + " gib\n" }
	get := func(b *bench) string { return "get gib " + filepath.Join(b.dir, "gib.back") + "\n" }
	reset := func(ctx context.Context, b *bench, t *target) error {
		if err := os.Remove(filepath.Join(b.dir, "gib.back")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_, err := t.SFTP(ctx, "rm gib\n")
		return err
	}
	gcm := []string{"-c", "aes128-gcm@openssh.com"}
	return []workload{
		{
			name: "transfer", peers: true, prepare: prepare, reset: reset,
			steps: []step{
				{name: "put 1 GiB", unit: "MiB/s", bytes: gib, bar: 1.2, run: timed(1024, batch(put))},
				{name: "get 1 GiB", unit: "MiB/s", bytes: gib, bar: 1.4, run: timed(1024, batch(get))},
			},
		},
		{
			name: "transfer by aes128-gcm", prepare: prepare, reset: reset,
			steps: []step{
				{name: "put 1 GiB, aes128-gcm forced", unit: "MiB/s", bytes: gib, bar: 0.85, run: timed(1024, batch(put, gcm...))},
				{name: "get 1 GiB, aes128-gcm forced", unit: "MiB/s", bytes: gib, bar: 1.0, run: timed(1024, batch(get, gcm...))},
			},
		},
		{
			name: "transfer by many", peers: true,
			prepare: func(_ context.Context, b *bench, _ *target) error {
				return randomFile(filepath.Join(b.dir, "part"), gib/many)
			},
			steps: []step{
				{name: "16 clients put 64 MiB each", unit: "MiB/s", bytes: gib, bar: 1.2, run: timed(1024, byMany(func(b *bench, i int) string {
					return fmt.Sprintf("put %s part%d\n", filepath.Join(b.dir, "part"), i)
				}))},
				{name: "16 clients get 64 MiB each", unit: "MiB/s", bytes: gib, run: timed(1024, byMany(func(b *bench, i int) string {
					return fmt.Sprintf("get part%d %s\n", i, filepath.Join(b.dir, fmt.Sprint("part.back", i)))
				}))},
			},
			reset: func(ctx context.Context, b *bench, t *target) error {
				back, err := filepath.Glob(filepath.Join(b.dir, "part.back*"))
				if err != nil {
					return err
				}
				for _, f := range back {
					if err := os.Remove(f); err != nil {
						return err
					}
				}
				_, err = t.SFTP(ctx, "rm part*\n")
				return err
			},
		},
	}
}

// byMany runs a batch by many clients at once.
func byMany(text func(b *bench, i int) string) func(context.Context, *bench, *target) error {
	return func(ctx context.Context, b *bench, t *target) error {
		g, ctx := errgroup.WithContext(ctx)
		for i := range many {
			g.Go(func() error {
				_, err := t.SFTP(ctx, text(b, i))
				return err
			})
		}
		return g.Wait()
	}
}

// repeat is a batch of n lines of each of the verbs, one verb after the other.
func repeat(n int, verbs ...string) string {
	var s strings.Builder
	for _, verb := range verbs {
		for i := range n {
			fmt.Fprintf(&s, verb+"\n", i)
		}
	}
	return s.String()
}
