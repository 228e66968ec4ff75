package filestore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// The commit decides whether a change has room, in its transaction. What is here
// refuses early, so that nobody uploads for an hour what can't be kept, or learns
// of it at CLOSE, where many clients look away.

// chargedAge is how old the counters may be that writes are refused by. What this
// gateway has committed since is added.
const chargedAge = time.Second

// chargedCache keeps the counters of roots that have a quota.
type chargedCache struct {
	mu   sync.Mutex // guards the field below
	byID map[slotID]*chargedRoot
}

type chargedRoot struct {
	// What this gateway has committed since the last query began. A commit that
	// ran beside the query may count twice: so no one is refused by it alone.
	changed                atomic.Bool
	sinceFiles, sinceBytes atomic.Int64

	mu           sync.Mutex // guards the fields below, and has one query run at a time
	at           time.Time
	files, bytes int64
}

// commit notes what has been committed.
func (cache *chargedCache) commit(charges []metastore.Charge) {
	cache.mu.Lock()
	defer cache.mu.Unlock()
	for _, charge := range charges {
		if c := cache.byID[charge.Root]; c != nil {
			c.sinceFiles.Add(charge.Files)
			c.sinceBytes.Add(charge.Bytes)
			c.changed.Store(true)
		}
	}
}

// charged tells what has been charged to the tree's root; exact asks for all that
// this gateway has committed.
func (t *Tree) charged(ctx context.Context, exact bool) (files, bytes int64, err error) {
	cache := &t.fs.charges
	cache.mu.Lock()
	if cache.byID == nil {
		cache.byID = make(map[slotID]*chargedRoot)
	}
	c := cache.byID[t.rootID()]
	if c == nil {
		c = new(chargedRoot)
		cache.byID[t.rootID()] = c
	}
	cache.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := t.fs.now(); exact && c.changed.Load() || c.at.IsZero() || now.Sub(c.at) >= chargedAge || now.Before(c.at) {
		c.changed.Store(false)
		sinceFiles, sinceBytes := c.sinceFiles.Swap(0), c.sinceBytes.Swap(0)
		files, bytes, err := t.fs.o.Meta.Charged(ctx, t.rootID())
		if err != nil {
			c.sinceFiles.Add(sinceFiles)
			c.sinceBytes.Add(sinceBytes)
			c.changed.Store(true)
			return 0, 0, fmt.Errorf("read the account's counters: %w", err)
		}
		c.at, c.files, c.bytes = now, files, bytes
	}
	if exact {
		return c.files, c.bytes, nil
	}
	return c.files + c.sinceFiles.Load(), c.bytes + c.sinceBytes.Load(), nil
}

// room refuses what would grow the tree beyond its quota, as far as can be told
// before the commit.
func (t *Tree) room(ctx context.Context, files, bytes int64) error {
	if t == nil || (t.o.MaxFiles == 0 || files <= 0) && (t.o.MaxBytes == 0 || bytes <= 0) {
		return nil
	}
	err := t.roomBy(ctx, false, files, bytes)
	if kind.Of(err) == kind.NoSpace {
		err = t.roomBy(ctx, true, files, bytes) // something may have been removed since
	}
	return err
}

func (t *Tree) roomBy(ctx context.Context, exact bool, files, bytes int64) error {
	haveFiles, haveBytes, err := t.charged(ctx, exact)
	switch {
	case err != nil:
		return err
	case t.o.MaxFiles > 0 && files > 0 && files > t.o.MaxFiles-haveFiles:
		return fmt.Errorf("the account's quota of %d files: %w", t.o.MaxFiles, kind.NoSpace)
	case t.o.MaxBytes > 0 && bytes > 0 && bytes > t.o.MaxBytes-haveBytes:
		return fmt.Errorf("the account's quota of %d bytes: %w", t.o.MaxBytes, kind.NoSpace)
	}
	return nil
}

// grow refuses a draft that would come to be size bytes long. It is called with
// the file's lock held.
func (d *draft) grow(ctx context.Context, size int64) error {
	if size <= d.size || d.payer == nil || d.payer.o.MaxBytes == 0 {
		return nil
	}
	if d.replaces {
		// What it takes the place of, and frees, isn't known yet.
		if size > d.payer.o.MaxBytes {
			return fmt.Errorf("the account's quota of %d bytes: %w", d.payer.o.MaxBytes, kind.NoSpace)
		}
		return nil
	}
	committed := int64(0)
	if d.f != nil && !d.f.isPending() {
		committed = int64(d.f.entry.Size)
	}
	return d.payer.room(ctx, 0, size-committed)
}

// Quota tells what has been charged to the tree's root, and its bounds; a bound
// of zero is none.
type Quota struct {
	Bytes, MaxBytes int64
	Files, MaxFiles int64
}

// Quota tells the tree's quota; what other gateways have done, as of a second ago
// at most.
func (t *Tree) Quota(ctx context.Context) (Quota, error) {
	files, bytes, err := t.charged(ctx, true)
	if err != nil {
		return Quota{}, wrap("quota", err)
	}
	return Quota{Bytes: bytes, MaxBytes: t.o.MaxBytes, Files: files, MaxFiles: t.o.MaxFiles}, nil
}

// narrow makes of the storage's usage that of an account with a quota.
func (t *Tree) narrow(ctx context.Context, u Usage) (Usage, error) {
	if t.o.MaxBytes == 0 && t.o.MaxFiles == 0 {
		return u, nil
	}
	q, err := t.Quota(ctx)
	if err != nil {
		return u, err
	}
	u.Files, u.MaxFiles = q.Files, q.MaxFiles
	if q.MaxBytes > 0 {
		u.TotalBytes, u.UsedBytes = q.MaxBytes, q.Bytes
		u.FreeBytes = min(u.FreeBytes, max(0, q.MaxBytes-q.Bytes))
	}
	return u, nil
}
