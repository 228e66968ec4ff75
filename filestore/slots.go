package filestore

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// version is one accepted record of the slot of a directory or mutable file: its signature, its
// keys and its freshness hold. It never changes.
type version struct {
	rec   metastore.Record
	state dirtree.SlotState
	read  caps.SlotRead
	dir   *dirtree.Dir // by the read key alone
	rw    atomic.Pointer[dirtree.Dir]
	src   dirtree.NodeSource
	cache *dirtree.NodeCache
}

func (v *version) mark() Mark {
	return Mark{Slot: v.rec.ID, Epoch: v.rec.Epoch, Version: v.rec.Version, Hash: v.rec.Hash}
}

// slotCache keeps the newest accepted version of each slot. A record is
// verified once; one with a hash that was accepted before is not opened again.
type slotCache struct {
	fs *FS

	// authoritative: nobody else writes to the metastore, so what lies here
	// is current. Otherwise every operation asks again, see walk.
	authoritative bool

	mu       sync.Mutex // guards the fields below
	versions *simplelru.LRU[[32]byte, *version]
}

// cachedSlots bounds the slot cache; a version takes about 1.5 KB.
const cachedSlots = 16384

func newSlotCache(fs *FS) *slotCache {
	versions, err := simplelru.NewLRU[[32]byte, *version](cachedSlots, nil)
	if err != nil {
		panic(err) // the size is a positive constant
	}
	return &slotCache{fs: fs, authoritative: metastore.IsExclusive(fs.o.Meta), versions: versions}
}

// cached returns the version at hand that r's key opened, if any.
func (c *slotCache) cached(r caps.SlotRead) *version {
	c.mu.Lock()
	v, ok := c.versions.Get(r.ID())
	c.mu.Unlock()
	// A slot id alone proves nothing: without the key that it was opened by,
	// a version must not be shown.
	if !ok || !v.read.ReadKey().Equal(r.ReadKey()) {
		return nil
	}
	return v
}

// isCurrent reports whether v is the version at hand.
func (c *slotCache) isCurrent(v *version) bool {
	cur := c.cached(v.read)
	return cur != nil && cur.rec.Hash == v.rec.Hash
}

// get returns the version at hand, or else the current one. fresh tells that
// it was read now.
func (c *slotCache) get(ctx context.Context, r caps.SlotRead) (v *version, fresh bool, err error) {
	if v := c.cached(r); v != nil {
		return v, false, nil
	}
	v, err = c.load(ctx, r)
	return v, true, err
}

// load reads the current record of one slot.
func (c *slotCache) load(ctx context.Context, r caps.SlotRead) (*version, error) {
	vs, err := c.loadAll(ctx, []caps.SlotRead{r})
	if err != nil {
		return nil, err
	}
	return vs[0].v, vs[0].err
}

// loaded is the outcome for one slot of loadAll.
type loaded struct {
	v   *version
	err error
}

// loadAll reads the current records of slots by one query.
func (c *slotCache) loadAll(ctx context.Context, reads []caps.SlotRead) ([]loaded, error) {
	ids := make([]metastore.SlotID, len(reads))
	marks := make([]Mark, len(reads))
	seen := make([]bool, len(reads))
	for i, r := range reads {
		ids[i] = metastore.SlotID(r.ID())
		// Marks are taken before the query: a commit that lands while it runs
		// must not make its answer look like a rollback.
		marks[i], seen[i] = c.fs.water.Mark(ids[i])
	}
	recs, err := retry.Value(ctx, func() ([]metastore.Record, error) { return c.fs.o.Meta.Slots(ctx, ids) })
	if err != nil {
		return nil, fmt.Errorf("read slots: %w", err)
	}
	if len(recs) != len(ids) {
		return nil, fmt.Errorf("read slots: %d records for %d ids: %w", len(recs), len(ids), kind.Corrupt)
	}
	out := make([]loaded, len(reads))
	for i, r := range reads {
		if !seen[i] {
			out[i].v, out[i].err = c.accept(ctx, r, recs[i], nil)
		} else {
			out[i].v, out[i].err = c.accept(ctx, r, recs[i], &marks[i])
		}
	}
	return out, nil
}

// accept verifies a record against the capability r and against the mark that
// was known when it was asked for, and keeps it.
func (c *slotCache) accept(ctx context.Context, r caps.SlotRead, rec metastore.Record, mark *Mark) (*version, error) {
	id := metastore.SlotID(r.ID())
	if rec.Bytes == nil {
		c.fs.log.Error("slot missing", slog.String("slot", id.String()))
		return nil, fmt.Errorf("slot %v: slot missing: %w", id, kind.Corrupt)
	}
	hash := dirtree.RecordHash(rec.Bytes)
	if v := c.cached(r); v != nil && v.rec.Hash == hash && v.rec.Owner == rec.Owner {
		return v, c.fresh(ctx, v, mark)
	}
	open := dirtree.OpenSlot
	if mark != nil && mark.Hash == hash {
		open = dirtree.OpenTrusted // its signature was verified when the mark was made
	}
	state, err := open(r, rec.Bytes)
	if err != nil {
		return nil, fmt.Errorf("slot %v: %w", id, err)
	}
	// What the database says beside the record is a hint; the record decides.
	rec.ID, rec.Epoch, rec.Version, rec.Hash = id, state.Epoch, state.Version, hash
	v := c.fs.newVersion(r, rec, state)
	if err := c.fresh(ctx, v, mark); err != nil {
		return nil, err
	}
	return c.keep(v), nil
}

// keep puts v in the cache unless a newer one is known, and returns the one
// that is to be used now.
func (c *slotCache) keep(v *version) *version {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.versions.Peek(v.rec.ID); ok && v.mark().Before(old.mark()) && old.read.ReadKey().Equal(v.read.ReadKey()) {
		return old
	}
	// The cache forgets, the marks don't: what a commit has replaced while it
	// was being read must not come to stand for the current record.
	if m, ok := c.fs.water.Mark(v.rec.ID); ok && v.mark().Before(m) {
		return v
	}
	c.versions.Add(v.rec.ID, v)
	return v
}

// forget drops a slot from the cache.
func (c *slotCache) forget(id metastore.SlotID) {
	c.mu.Lock()
	c.versions.Remove(id)
	c.mu.Unlock()
}

// fresh holds v against the mark: older than it, or another record of the same
// version, is Corrupt; a newer one is accepted along slotlog's chain of
// hashes, otherwise with a warning (formats 5, Freshness).
func (c *slotCache) fresh(ctx context.Context, v *version, mark *Mark) error {
	m := v.mark()
	switch {
	case mark == nil:
	case m == *mark:
		return nil
	case m.Before(*mark), !mark.Before(m):
		c.fs.log.Error("slot record is older than one seen before, or another of the same version",
			slog.String("slot", v.rec.ID.String()), slog.Uint64("version", m.Version), slog.Uint64("seen", mark.Version),
			slog.Uint64("epoch", uint64(m.Epoch)), slog.Uint64("seen_epoch", uint64(mark.Epoch)))
		return fmt.Errorf("slot %v: version %d is older than one seen before: %w", v.rec.ID, m.Version, kind.Corrupt)
	case !c.chained(ctx, *mark, v):
		c.fs.log.Warn("slot record accepted without the chain that leads to it",
			slog.String("slot", v.rec.ID.String()), slog.Uint64("version", m.Version), slog.Uint64("seen", mark.Version))
	}
	c.fs.water.Raise(m)
	return nil
}

// chained reports whether records kept in slotlog lead from the marked record
// to v by their hashes.
func (c *slotCache) chained(ctx context.Context, mark Mark, v *version) bool {
	if v.state.Version == mark.Version+1 {
		return v.state.Prev == mark.Hash
	}
	recs, err := c.fs.o.Meta.Log(ctx, v.rec.ID, mark.Version)
	if err != nil {
		return false
	}
	prev := mark.Hash
	for _, rec := range recs {
		p, err := dirtree.VerifySlot(v.rec.ID, rec.Bytes)
		if err != nil || p.Prev != prev {
			return false
		}
		prev = dirtree.RecordHash(rec.Bytes)
		if prev == v.rec.Hash {
			return true
		}
	}
	return false
}

// newVersion makes the version of an opened record.
func (fs *FS) newVersion(r caps.SlotRead, rec metastore.Record, state dirtree.SlotState) *version {
	return &version{
		rec: rec, state: state, read: r, src: fs.source, cache: fs.nodeCache,
		dir: dirtree.Open(dirtree.Keys{Read: r}, state.Root, fs.source, fs.nodeCache),
	}
}

// writable is the directory under write authority over the same slot.
func (v *version) writable(wr caps.SlotWrite) *dirtree.Dir {
	if d := v.rw.Load(); d != nil {
		return d
	}
	d := dirtree.Open(dirtree.Keys{Read: v.read, Write: &wr}, v.state.Root, v.src, v.cache)
	v.rw.Store(d)
	return d
}
