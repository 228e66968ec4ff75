package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3/lifecycle"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/node"
)

// task is what is done again and again beside the requests, by one gateway of all
// at a time.
type task struct {
	name  string // in the database: see docs/formats.md 9
	every time.Duration
	do    func(context.Context) error
}

// s3Tasks are those of the S3 frontend: uploads that nobody goes on with, and
// lifecycles of buckets.
func s3Tasks(n *node.Node, c config.S3, log *slog.Logger) []task {
	pass := &lifecycle.Pass{Files: n.FS, Day: c.LifecycleDay, Audit: n.Audit, Log: log}
	all := []task{{"lifecycle", lifecycle.Every(c.LifecycleDay), func(ctx context.Context) error {
		done, err := pass.Run(ctx)
		if done.Objects+done.Versions+done.Uploads > 0 {
			log.Info("lifecycles of buckets", "objects", done.Objects, "versions", done.Versions, "uploads", done.Uploads, "bytes", done.Bytes)
		}
		return err
	}}}
	if c.UploadsExpire == 0 {
		return all
	}
	return append(all, task{"uploads", uploadsEvery(c.UploadsExpire), func(ctx context.Context) error {
		aborted, err := n.FS.ExpireUploads(ctx, time.Now().Add(-c.UploadsExpire))
		if aborted > 0 {
			log.Info("uploads that nobody went on with were aborted", "uploads", aborted)
		}
		return err
	}})
}

// uploadsEvery is how often uploads are looked over that expire after so long.
func uploadsEvery(after time.Duration) time.Duration {
	return min(max(after/10, time.Second), time.Hour)
}

// run does the task when it is this gateway's turn, until ctx ends. What fails is
// logged, and tried again at the next turn.
func (t task) run(ctx context.Context, turn func(context.Context, string, time.Duration) (bool, error), log *slog.Logger) {
	tick := time.NewTicker(max(t.every/4, 250*time.Millisecond))
	defer tick.Stop()
	for {
		mine, err := turn(ctx, t.name, t.every)
		if err == nil && mine {
			err = t.do(ctx)
		}
		if err != nil && ctx.Err() == nil {
			log.Warn("a task of S3 isn't done; it is tried again", "task", t.name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
