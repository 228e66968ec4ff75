package filestore

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
)

// AutoOptions say when CollectForever collects, and how.
type AutoOptions struct {
	CollectOptions

	// Interval is the time from one collection to the next, by whichever
	// gateway. Zero: a day.
	Interval time.Duration

	// Last is when this gateway has collected last, as far as is known, so that
	// restarts don't put collections off.
	Last time.Time

	// Before, if set, is called before each collection. Its error puts that off.
	Before func(ctx context.Context) error

	// Report, if set, is told of each collection that was carried through.
	Report func(CollectReport)
}

// DefaultInterval is that of AutoOptions.
const DefaultInterval = 24 * time.Hour

// CollectForever collects again and again until ctx ends. Of several gateways on
// one metastore each time one does so: who finds that another has collected since
// waits for the next time. What goes wrong is logged and tried again.
func (fs *FS) CollectForever(ctx context.Context, o AutoOptions) {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	seen, _ := fs.nonce(ctx)
	for {
		if !pace.Sleep(ctx, fs.untilNext(o)) {
			return
		}
		o.Last = fs.now()
		now, err := fs.nonce(ctx)
		if err == nil && now != seen {
			seen = now // another gateway has
			continue
		}
		report, err := fs.collectNow(ctx, o)
		if n, nerr := fs.nonce(ctx); nerr == nil {
			seen = n
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, kind.Conflict):
			fs.log.Debug("another gateway collects")
		case err != nil:
			fs.log.Error("no collection", slog.Any("error", err))
		default:
			fs.tell(report)
			if o.Report != nil {
				o.Report(report)
			}
		}
	}
}

func (fs *FS) collectNow(ctx context.Context, o AutoOptions) (CollectReport, error) {
	if o.Before != nil {
		if err := o.Before(ctx); err != nil {
			return CollectReport{}, err
		}
	}
	return fs.Collect(ctx, o.CollectOptions)
}

// untilNext is the time until the next collection is due, and up to a tenth of
// the interval more, so that gateways don't all wake up at the same moment; after
// a start at least a minute, or a tenth of the interval.
func (fs *FS) untilNext(o AutoOptions) time.Duration {
	jitter := rand.N(o.Interval/10 + 1)
	due := o.Last.Add(o.Interval).Sub(fs.now())
	return max(due, min(time.Minute, o.Interval/10)) + jitter
}

// nonce is that of the newest collection.
func (fs *FS) nonce(ctx context.Context) ([16]byte, error) {
	id, err := fs.o.Meta.Identity(ctx)
	return id.Nonce, err
}

// tell logs what a collection did.
func (fs *FS) tell(r CollectReport) {
	level := slog.LevelInfo
	if !r.Quiet() {
		level = slog.LevelWarn
	}
	fs.log.Log(fs.ctx, level, "collected",
		slog.Int64("deleted", r.Deleted), slog.Int64("deleted_bytes", r.DeletedBytes),
		slog.Int64("waiting", r.Waiting), slog.Int64("waiting_bytes", r.WaitingBytes),
		slog.Int64("reachable", r.Reachable), slog.Int64("reachable_bytes", r.ReachableBytes),
		slog.Int64("held", r.Held), slog.Int64("denied", r.Denied), slog.Int64("undone", r.Undone),
		slog.Int("damage", len(r.Damage)), slog.Bool("needs_yes", r.NeedsYes), slog.Duration("took", r.Took))
}
