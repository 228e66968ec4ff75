package collect

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
	Options

	// Interval is the time from one collection to the next, by whichever
	// gateway. Zero: a day.
	Interval time.Duration

	// Last is when this gateway has collected last, as far as is known, so that
	// restarts don't put collections off.
	Last time.Time

	// Before, if set, is called before each collection. Its error puts that off.
	Before func(ctx context.Context) error

	// Report, if set, is told of each collection that was carried through.
	Report func(Report)
}

// DefaultInterval is that of AutoOptions.
const DefaultInterval = 24 * time.Hour

// CollectForever collects again and again until ctx ends. Of several gateways on
// one metastore each time one does so: who finds that another has collected since
// waits for the next time. What goes wrong is logged and tried again.
func (k *Collector) CollectForever(ctx context.Context, o AutoOptions) {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	seen, _ := k.env.nonce(ctx)
	for {
		if !pace.Sleep(ctx, k.env.untilNext(o)) {
			return
		}
		o.Last = k.env.Now()
		now, err := k.env.nonce(ctx)
		if err == nil && now != seen {
			seen = now // another gateway has
			continue
		}
		report, err := k.collectNow(ctx, o)
		if n, nerr := k.env.nonce(ctx); nerr == nil {
			seen = n
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, kind.Conflict):
			k.env.Log.Debug("another gateway collects")
		case err != nil:
			k.env.Log.Error("no collection", slog.Any("error", err))
		default:
			k.env.tell(ctx, report)
			if o.Report != nil {
				o.Report(report)
			}
		}
	}
}

func (k *Collector) collectNow(ctx context.Context, o AutoOptions) (Report, error) {
	if o.Before != nil {
		if err := o.Before(ctx); err != nil {
			return Report{}, err
		}
	}
	return k.Collect(ctx, o.Options)
}

// untilNext is the time until the next collection is due, and up to a tenth of
// the interval more, so that gateways don't all wake up at the same moment; after
// a start at least a minute, or a tenth of the interval.
func (e *Env) untilNext(o AutoOptions) time.Duration {
	jitter := rand.N(o.Interval/10 + 1)
	due := o.Last.Add(o.Interval).Sub(e.Now())
	return max(due, min(time.Minute, o.Interval/10)) + jitter
}

// nonce is that of the newest collection.
func (e *Env) nonce(ctx context.Context) ([16]byte, error) {
	id, err := e.Meta.Identity(ctx)
	return id.Nonce, err
}

// tell logs what a collection did.
func (e *Env) tell(ctx context.Context, r Report) {
	level := slog.LevelInfo
	if !r.Quiet() {
		level = slog.LevelWarn
	}
	e.Log.Log(ctx, level, "collected",
		slog.Int64("deleted", r.Deleted), slog.Int64("deleted_bytes", r.DeletedBytes),
		slog.Int64("waiting", r.Waiting), slog.Int64("waiting_bytes", r.WaitingBytes),
		slog.Int64("reachable", r.Reachable), slog.Int64("reachable_bytes", r.ReachableBytes),
		slog.Int64("held", r.Held), slog.Int64("denied", r.Denied), slog.Int64("undone", r.Undone),
		slog.Int("damage", len(r.Damage)), slog.Bool("needs_yes", r.NeedsYes), slog.Duration("took", r.Took))
}
