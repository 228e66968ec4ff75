package filestore

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// usageAge is how old what Usage tells may be.
const usageAge = 5 * time.Second

// usageCache keeps the last answer of Usage: clients ask often.
type usageCache struct {
	mu sync.Mutex // guards the fields below, and has one query run at a time
	at time.Time
	u  Usage
}

// Usage tells how much is stored, as of a few seconds ago at most; with a quota,
// what the account has stored, by the sizes of its files.
func (t *Tree) Usage(ctx context.Context) (Usage, error) {
	u, err := t.fs.usageNow(ctx)
	if err == nil {
		u, err = t.narrow(ctx, u)
	}
	return u, wrap("usage", err)
}

func (fs *FS) usageNow(ctx context.Context) (Usage, error) {
	c := &fs.usage
	c.mu.Lock()
	defer c.mu.Unlock()
	now := fs.now()
	if !c.at.IsZero() && now.Sub(c.at) < usageAge {
		return c.u, nil
	}
	v, err := fs.o.Meta.Collector().Snapshot(ctx)
	if err != nil {
		return Usage{}, fmt.Errorf("read the metastore: %w", err)
	}
	defer v.Close()
	u := Usage{BlockSize: 4096}
	if u.Blocks, u.UsedBytes, err = v.Usage(ctx); err != nil {
		return Usage{}, fmt.Errorf("read the metastore: %w", err)
	}
	u.TotalBytes, u.FreeBytes = u.UsedBytes+unlimitedCapacity, unlimitedCapacity
	if fs.o.Capacity != nil {
		if u.TotalBytes, u.FreeBytes, err = fs.o.Capacity(ctx); err != nil {
			return Usage{}, fmt.Errorf("ask for the capacity: %w", err)
		}
	}
	c.at, c.u = now, u
	return u, nil
}
