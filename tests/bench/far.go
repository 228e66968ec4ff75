package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

const (
	farRTT   = 100 * time.Millisecond
	farBytes = 64 << 20
	farFiles = 20
)

// farAway are clients behind a round trip of 100 ms.
func farAway() workload {
	return workload{
		name: "100 ms away", peers: true, rounds: 2,
		prepare: func(_ context.Context, b *bench, _ *target) error {
			if err := manyFiles(filepath.Join(b.dir, "far-small"), farFiles, 4096); err != nil {
				return err
			}
			return randomFile(filepath.Join(b.dir, "far"), farBytes)
		},
		steps: []step{
			{name: "100 ms away: put 64 MiB", unit: "MiB/s", bytes: farBytes, bar: 1.0, run: timed(farBytes>>20, far(func(b *bench) string {
				return "put " + filepath.Join(b.dir, "far") + " far\n"
			}))},
			{name: "100 ms away: get 64 MiB", unit: "MiB/s", bytes: farBytes, bar: 1.0, run: timed(farBytes>>20, far(func(b *bench) string {
				return "get far " + filepath.Join(b.dir, "far.back") + "\n"
			}))},
			{name: "100 ms away: put -r of 20 files of 4 KiB", unit: "files/s", ops: farFiles, bar: 1.0, run: timed(farFiles, far(func(b *bench) string {
				return "put -r " + filepath.Join(b.dir, "far-small") + " far-small\n"
			}))},
		},
		reset: func(ctx context.Context, b *bench, t *target) error {
			if err := os.RemoveAll(filepath.Join(b.dir, "far.back")); err != nil {
				return err
			}
			_, err := t.SFTP(ctx, "-rm far\n-rm far-small/*\n-rmdir far-small\n")
			return err
		},
	}
}

// far runs a batch through a proxy that delays.
func far(text func(b *bench) string) func(context.Context, *bench, *target) error {
	return func(ctx context.Context, b *bench, t *target) (err error) {
		p, err := testbed.NewProxy(net.JoinHostPort("127.0.0.1", strconv.Itoa(t.Port)))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		p.Set(testbed.Faults{Latency: farRTT})
		_, port, err := net.SplitHostPort(p.Addr())
		if err != nil {
			return err
		}
		e := t.Endpoint
		if e.Port, err = strconv.Atoi(port); err != nil {
			return err
		}
		_, err = e.SFTP(ctx, text(b))
		return err
	}
}
