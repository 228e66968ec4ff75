// Package cached keeps blocks that were read from a store far away on a disk
// nearby, up to a number of bytes, those read last. Blocks are ciphertext, and
// whole ones are checked against their ids on their way out, so that nothing
// depends on this disk: what is damaged there, torn by a crash, or was put there
// by somebody, is thrown away and read from the store again. The directory may
// be emptied while no process uses it.
//
// In tahoe.cfg:
//
//	[blockstore]
//	driver = "cached"
//	dir = "cache"     # relative to BASEDIR
//	size = "20GiB"
//
// On disk: DIR/lock, and DIR/xx/ID, a file a block, xx the first byte of its id
// and ID the whole of it in hex. The file's time says when it was last used, to
// ten minutes. Nothing is synced.
package cached

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Options of Open.
type Options struct {
	Size int64        // bytes that the cache may hold, as disks count them
	Log  *slog.Logger // hears when the disk doesn't do; slog.Default if nil
}

// Store is a blockstore.Store in front of another.
type Store struct {
	inner blockstore.Store
	check blockstore.Check
	disk  *disk

	missed *lru.Cache[blockstore.ID, struct{}] // ids of which ranges were read past the cache

	mu      sync.Mutex // guards the fields below
	flights map[blockstore.ID]*flight
	hits    int64
	misses  int64

	life   sync.RWMutex // held for reading by every call
	closed bool         // guarded by life
}

// flight is a block on its way from the store into the cache.
type flight struct {
	calls   int
	deleted bool // since: it must not get into the cache
}

var (
	_ blockstore.Store         = (*Store)(nil)
	_ blockstore.Wrapper       = (*Store)(nil)
	_ blockstore.Cache         = (*Store)(nil)
	_ blockstore.RangeGetter   = (*Store)(nil)
	_ blockstore.RangeInGetter = (*Store)(nil)
	_ blockstore.BatchDeleter  = (*Store)(nil)
	_ blockstore.Holder        = (*Store)(nil)
)

// The ranges for which a block is brought into the cache whole: long ones, and
// the second one of a block. The first short one passes.
const (
	longRange   = 128 << 10
	knownMissed = 8 << 10
)

// Open puts a cache in dir in front of s, which it closes when it is closed,
// unless it fails. Invalid without a size, Unavailable if another process uses
// dir.
func Open(s blockstore.Store, dir string, o Options) (*Store, error) {
	if o.Size <= 0 {
		return nil, fmt.Errorf("cached: a cache of %d bytes: %w", o.Size, kind.Invalid)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	missed, err := lru.New[blockstore.ID, struct{}](knownMissed)
	if err != nil {
		return nil, err
	}
	d, err := openDisk(dir, o.Size, o.Log)
	if err != nil {
		return nil, err
	}
	return &Store{inner: s, check: blockstore.CheckID, disk: d, missed: missed, flights: map[blockstore.ID]*flight{}}, nil
}

// Unwrap gives the store behind the cache.
func (c *Store) Unwrap() blockstore.Store { return c.inner }

// Uncached implements blockstore.Cache.
func (c *Store) Uncached() blockstore.Store { return c.inner }

// Holds implements blockstore.Holder: what the cached blocks are held against.
func (c *Store) Holds(check blockstore.Check) { c.check = check }

// Stats tells how many reads found their block in the cache, and how many
// didn't, and how many bytes it holds.
func (c *Store) Stats() (hits, misses, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits, c.misses, c.disk.used()
}

func (c *Store) enter(ctx context.Context) error {
	c.life.RLock()
	err := ctx.Err()
	if c.closed {
		err = kind.Closed
	}
	if err != nil {
		c.life.RUnlock()
		return fmt.Errorf("cached: %w", err)
	}
	return nil
}

func (c *Store) leave() { c.life.RUnlock() }

// Get implements blockstore.Store. A block out of the cache has been checked.
func (c *Store) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	defer c.leave()
	block, err := c.disk.get(id)
	if err == nil && c.check(id, block) == nil {
		c.count(true)
		return block, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		c.disk.drop(id) // it is damaged, or can't be read
	}
	c.count(false)
	return c.fetch(ctx, id)
}

func (c *Store) count(hit bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hit {
		c.hits++
	} else {
		c.misses++
	}
}

// fetch reads a block from the store, and keeps it unless it is deleted
// meanwhile, or isn't what it should be.
func (c *Store) fetch(ctx context.Context, id blockstore.ID) ([]byte, error) {
	f := c.takeOff(id)
	block, err := c.inner.Get(ctx, id)
	temp := ""
	if err == nil && c.check(id, block) == nil {
		temp = c.disk.prepare(id, block)
	}
	c.land(id, f, temp, len(block))
	return block, err
}

func (c *Store) takeOff(id blockstore.ID) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.flights[id]
	if f == nil {
		f = &flight{}
		c.flights[id] = f
	}
	f.calls++
	return f
}

// land ends a flight: what was prepared takes its place in the cache, unless the
// block was deleted.
func (c *Store) land(id blockstore.ID, f *flight, temp string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if temp != "" {
		c.disk.place(id, temp, n, !f.deleted)
	}
	if f.calls--; f.calls == 0 && c.flights[id] == f {
		delete(c.flights, id)
	}
}

// GetRange implements blockstore.RangeGetter. What comes out of the cache is as
// little checked as what comes from the store: who finds it damaged asks for the
// whole block (Get), which replaces it.
func (c *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	return c.GetRangeIn(ctx, id, off, n, nil)
}

// GetRangeIn implements blockstore.RangeInGetter: what is cached is read into room, and
// what isn't is copied there when it is.
func (c *Store) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	if err := blockstore.CheckRange("cached", off, n); err != nil {
		return nil, err
	}
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	defer c.leave()
	if part, err := c.disk.getRange(id, off, n, room); err == nil {
		c.count(true)
		return part, nil
	}
	c.count(false)
	if again, _ := c.missed.ContainsOrAdd(id, struct{}{}); n < longRange && !again {
		return blockstore.GetRangeIn(ctx, c.inner, id, off, n, room)
	}
	block, err := c.fetch(ctx, id)
	if err != nil {
		return nil, err
	}
	off = min(off, int64(len(block)))
	end := off + min(n, int64(len(block))-off)
	if part := block[off:end:end]; cap(room) < len(part) {
		return part, nil
	}
	return append(room[:0:end-off], block[off:end]...), nil
}

// Put implements blockstore.Store. What is written isn't cached before it is read.
func (c *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	return c.inner.Put(ctx, id, data)
}

// Stat implements blockstore.Store: it asks the store.
func (c *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	return c.inner.Stat(ctx, id)
}

// Delete implements blockstore.Store.
func (c *Store) Delete(ctx context.Context, id blockstore.ID) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	defer c.leave()
	c.forget(id)
	return c.inner.Delete(ctx, id)
}

// DeleteBatch implements blockstore.BatchDeleter.
func (c *Store) DeleteBatch(ctx context.Context, ids []blockstore.ID) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	defer c.leave()
	for _, id := range ids {
		c.forget(id)
	}
	return blockstore.DeleteBatch(ctx, c.inner, ids)
}

// forget takes a block out of the cache, and what is on its way there.
func (c *Store) forget(id blockstore.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[id]; f != nil {
		f.deleted = true
		delete(c.flights, id) // who reads it from now on may keep it again
	}
	c.disk.drop(id)
}

// List implements blockstore.Store: it asks the store.
func (c *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return c.inner.List(ctx, after)
}

// Close implements blockstore.Store.
func (c *Store) Close() error {
	c.life.Lock()
	defer c.life.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	return errors.Join(c.inner.Close(), c.disk.close())
}
