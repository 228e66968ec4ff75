package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// onMount runs a measurement on a fresh sshfs mount, whose caches hold nothing.
func onMount(measure func(root string) (float64, error)) func(context.Context, *bench, testbed.Endpoint) (float64, error) {
	return func(ctx context.Context, b *bench, e testbed.Endpoint) (v float64, err error) {
		m, err := e.SSHFS(ctx, filepath.Join(b.dir, "mnt-"+e.Name), "dir_cache=no", "direct_io")
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, m.Unmount()) }()
		return measure(m.Dir)
	}
}

const (
	randomOps  = 4000
	randomSpan = 256 << 20
	page       = 4096
)

func randomReads(root string) (float64, error) {
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

func randomWrites(root string) (float64, error) {
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

const appendOps = 50

// appends opens, appends one byte, and closes; in milliseconds each.
func appends(name string) func(root string) (float64, error) {
	return func(root string) (float64, error) {
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
		return time.Since(start).Seconds() * 1000 / appendOps, nil
	}
}
