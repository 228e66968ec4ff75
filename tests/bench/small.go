package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	smallCount  = 5000
	listedCount = 10000
	dirCount    = 2000
	dirsEach    = 250 // of each of several clients
)

func smallFiles() []workload {
	small := func(_ context.Context, b *bench, _ *target) error {
		return manyFiles(filepath.Join(b.dir, "small"), smallCount, 4096)
	}
	put := func(flag string) func(b *bench) string {
		return func(b *bench) string { return "put -r" + flag + " " + filepath.Join(b.dir, "small") + " small\n" }
	}
	return []workload{
		{
			name: "small files", peers: true, prepare: small,
			steps: []step{
				{name: "put -r of 5,000 files of 4 KiB", unit: "files/s", ops: smallCount, bar: 0.6, run: timed(smallCount, batch(put("")))},
				{name: "get -r of 5,000 files of 4 KiB", unit: "files/s", ops: smallCount, bar: 1.0, run: timed(smallCount, batch(func(b *bench) string {
					return "get -r small " + filepath.Join(b.dir, "small.back") + "\n"
				}))},
				{name: "rm of 5,000 files", unit: "files/s", ops: smallCount, run: timed(smallCount, batch(func(*bench) string {
					return "rm small/*\nrmdir small\n"
				}))},
			},
			reset: func(ctx context.Context, b *bench, t *target) error {
				// The step that removes them is left out where only others are asked for.
				_, err := t.SFTP(ctx, "-rm small/*\n-rmdir small\n")
				return errors.Join(err, os.RemoveAll(filepath.Join(b.dir, "small.back")))
			},
		},
		{
			name: "small files, synced", rounds: 1, prepare: small,
			steps: []step{{
				name: "put -r of 5,000 files of 4 KiB, OpenSSH told to sync (put -f)", unit: "files/s", ops: smallCount, bar: 1.2,
				run: timed(smallCount, func(ctx context.Context, b *bench, t *target) error {
					flag := "f"
					if t == b.targets[0] {
						flag = "" // it is synced all the same
					}
					_, err := t.SFTP(ctx, put(flag)(b))
					return err
				}),
			}},
			reset: func(ctx context.Context, b *bench, t *target) error {
				_, err := t.SFTP(ctx, "rm small/*\nrmdir small\n")
				return err
			},
		},
		{
			name: "list", peers: true,
			prepare: func(ctx context.Context, b *bench, t *target) error {
				local := filepath.Join(b.dir, "listed")
				if err := manyFiles(local, listedCount, 1); err != nil {
					return err
				}
				_, err := t.SFTP(ctx, "put -r "+local+" listed\n")
				return err
			},
			steps: []step{{name: "ls -l of 10,000 entries", unit: "s", lowerIsBetter: true, bar: 1.5, run: list}},
		},
		{
			name: "directories", peers: true,
			steps: []step{
				{name: "mkdir, rename, rmdir of 2,000 in one batch", unit: "op/s", ops: 3 * dirCount, bar: 0.4, run: timed(3*dirCount, batch(func(*bench) string {
					return repeat(dirCount, "mkdir d%[1]d", "rename d%[1]d e%[1]d", "rmdir e%[1]d")
				}))},
				{name: "mkdir, rename, rmdir of 250 by each of 16 clients", unit: "op/s", ops: many * 3 * dirsEach, bar: 0.4, run: timed(many*3*dirsEach, byMany(func(_ *bench, i int) string {
					return repeat(dirsEach, fmt.Sprintf("mkdir d%d-%%[1]d", i), fmt.Sprintf("rename d%d-%%[1]d e%[1]d-%%[1]d", i), fmt.Sprintf("rmdir e%d-%%[1]d", i))
				}))},
			},
		},
	}
}

func list(ctx context.Context, _ *bench, t *target) (float64, error) {
	start := time.Now()
	out, err := t.SFTP(ctx, "ls -l listed\n")
	took := time.Since(start).Seconds()
	if err == nil && strings.Count(out, "\n") < listedCount {
		err = fmt.Errorf("listed %d lines", strings.Count(out, "\n"))
	}
	return took, err
}
