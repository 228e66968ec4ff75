package filestore

import (
	"context"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
	"github.com/truckee-fs/truckee/metastore"
)

const (
	// hintPause is how long hints gather before the slots that they name are read:
	// a gateway that writes much costs the others ten queries a second at most.
	hintPause = 100 * time.Millisecond
	// hintRetry is how long a metastore that can't tell of changes now is let alone.
	hintRetry = 30 * time.Second
)

// heed keeps the slot cache near to what other gateways commit, as the metastore hints
// of it, until fs is closed. Operations ask for the current records anyway, so that
// nothing relies on it: it saves the walk by a record that turns out to be replaced,
// and raises the marks of freshness for slots that are not asked for just now.
func (c *slotCache) heed(ctx context.Context) {
	for {
		hints, err := metastore.Notify(ctx, c.fs.o.Meta)
		switch {
		case err == nil:
			c.follow(ctx, hints)
			return // the context or the store has ended
		case kind.Of(err) == kind.Unsupported || ctx.Err() != nil:
			return
		}
		c.fs.log.Warn("the metastore doesn't tell of other gateways' changes now: directories that they change are read a little slower",
			slog.Any("error", err))
		if !pace.Sleep(ctx, hintRetry) {
			return
		}
	}
}

// follow reads the cached slots that hints name, many hints at once, until they end.
func (c *slotCache) follow(ctx context.Context, hints <-chan []metastore.SlotID) {
	named := make(map[metastore.SlotID]struct{})
	for {
		select {
		case ids, open := <-hints:
			if !open {
				return
			}
			note(named, ids)
		case <-ctx.Done():
			return
		}
		if !pace.Sleep(ctx, hintPause) {
			return
		}
		for more := true; more; {
			select {
			case ids, open := <-hints:
				note(named, ids)
				more = open
			default:
				more = false
			}
		}
		if reads := c.held(named); len(reads) > 0 {
			if _, err := c.loadAll(ctx, reads); err != nil && ctx.Err() == nil {
				c.fs.log.Debug("slots that another gateway has changed can't be read", slog.Any("error", err))
			}
		}
		clear(named)
	}
}

// note adds what a hint names. One that names none says that anything may have
// changed: then operations find out what.
func note(named map[metastore.SlotID]struct{}, ids []metastore.SlotID) {
	for _, id := range ids {
		named[id] = struct{}{}
	}
}

// held are the read keys of those slots that are in the cache. It doesn't make them
// look used.
func (c *slotCache) held(ids map[metastore.SlotID]struct{}) []caps.SlotRead {
	c.mu.Lock()
	defer c.mu.Unlock()
	var reads []caps.SlotRead
	for id := range ids {
		if v, ok := c.versions.Peek(id); ok {
			reads = append(reads, v.read)
		}
	}
	return reads
}
