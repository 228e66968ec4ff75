package filestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// beginHeartbeat renews the gateway's lease now, and from now on three times in
// its length.
func (fs *FS) beginHeartbeat(ctx context.Context) error {
	if err := fs.beat(ctx); err != nil {
		return err
	}
	fs.beats.Add(1)
	go func() {
		defer fs.beats.Done()
		tick := time.NewTicker(fs.o.Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-fs.ctx.Done():
				return
			case <-tick.C:
			}
			ctx, cancel := context.WithTimeout(fs.ctx, fs.o.Lease/3)
			if err := fs.beat(ctx); err != nil && fs.ctx.Err() == nil {
				fs.log.Warn("no heartbeat", slog.Any("error", err))
			}
			cancel()
		}
	}()
	return nil
}

// leave gives the lease back, so that nothing is held for who has gone: the next
// start hears that it had lapsed, when nothing is open.
func (fs *FS) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := fs.o.Meta.Heartbeat(ctx, fs.o.Gateway, 0, time.Nanosecond); err != nil && !errors.Is(err, kind.Conflict) {
		fs.log.Debug("the gateway's lease couldn't be given back; it lapses", slog.Any("error", err))
	}
}

// beat sends one heartbeat. A lease that had lapsed fails what is open: the
// blocks that handles read and drafts have put may have been collected.
func (fs *FS) beat(ctx context.Context) error {
	seq, err := fs.o.Meta.Seq(ctx)
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	oldest := fs.open.oldest(seq)
	err = fs.o.Meta.Heartbeat(ctx, fs.o.Gateway, oldest, fs.o.Lease)
	if errors.Is(err, kind.Conflict) {
		fs.writer.lapse()
		failed := fs.open.failAll(fmt.Errorf("the gateway's lease had lapsed: %w", kind.Unavailable))
		if failed > 0 { // at a start after a rest nothing is open
			fs.log.Warn("the gateway's lease had lapsed: open files fail", slog.Int("files", failed))
		}
		err = nil
	}
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	fs.open.setSeq(seq)
	return fs.keepRoots(ctx)
}
