package filetree

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/truckee-fs/truckee/blockstore"
)

// Cache keeps opened nodes and decrypted parts of chunks of many files, bounded
// by their bytes, the least recently used go first. It is shared by Readers and
// safe for concurrent use. What lies in it is given only to a reference with
// the same id, key, level and size as the one that it was opened by.
type Cache struct {
	nodes  *lru[*node]
	chunks *lru[*chunk]
}

// A stream through large files must not push out the nodes that every read
// passes: they have a part of the cache for themselves.
const nodeShare = 8 // 1/8 of the bytes

// NewCache returns a cache of about maxBytes bytes. It should hold a few chunks
// for every file that is read at the same time.
func NewCache(maxBytes int64) *Cache {
	return &Cache{
		nodes:  newLRU[*node](maxBytes / nodeShare),
		chunks: newLRU[*chunk](maxBytes - maxBytes/nodeShare),
	}
}

// CacheFigures are what became of the reads through a part of a Cache since it was
// made, and the bytes that it holds now.
type CacheFigures struct{ Hits, Misses, Bytes int64 }

// Figures tells of the parts of chunks, and of the nodes.
func (c *Cache) Figures() (chunks, nodes CacheFigures) {
	return c.chunks.figures(), c.nodes.figures()
}

// Bytes is what the cache holds now.
func (c *Cache) Bytes() int64 { return c.nodes.used() + c.chunks.used() }

// cacheKey holds the claims that a cached value was checked against; the keys
// of the cryptography are compared by whoever looks it up.
type cacheKey struct {
	id    blockstore.ID
	size  uint64
	level uint8
}

func keyOf(r *Ref) cacheKey { return cacheKey{r.ID, r.Size, r.Level} }

// lru is a least-recently-used map bounded by the sum of its values' costs.
type lru[V comparable] struct {
	mu    sync.Mutex // guards the fields below
	m     *simplelru.LRU[cacheKey, *entry[V]]
	bytes int64
	max   int64

	hits, misses atomic.Int64 // as those who read count them
}

// count notes a read that found what it wanted, or didn't.
func (l *lru[V]) count(hit bool) {
	if hit {
		l.hits.Add(1)
	} else {
		l.misses.Add(1)
	}
}

func (l *lru[V]) figures() CacheFigures {
	return CacheFigures{Hits: l.hits.Load(), Misses: l.misses.Load(), Bytes: l.used()}
}

type entry[V comparable] struct {
	value V
	cost  int64
}

func newLRU[V comparable](maxBytes int64) *lru[V] {
	m, err := simplelru.NewLRU[cacheKey, *entry[V]](math.MaxInt, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &lru[V]{m: m, max: maxBytes}
}

func (l *lru[V]) used() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// getOr returns the value under k if it is acceptable, or else puts the one
// that fresh makes there.
func (l *lru[V]) getOr(k cacheKey, ok func(V) bool, fresh func() (V, int64)) V {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, found := l.m.Get(k); found && ok(e.value) {
		return e.value
	}
	v, cost := fresh()
	l.put(k, v, cost)
	return v
}

func (l *lru[V]) get(k cacheKey) (V, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, found := l.m.Get(k); found {
		return e.value, true
	}
	var none V
	return none, false
}

func (l *lru[V]) add(k cacheKey, v V, cost int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(k, v, cost)
}

// put is called with mu held.
func (l *lru[V]) put(k cacheKey, v V, cost int64) {
	if old, found := l.m.Peek(k); found {
		l.bytes -= old.cost
	}
	l.m.Add(k, &entry[V]{v, cost})
	l.bytes += cost
	l.shrink()
}

// charge says that v, if it is still there, now costs delta bytes more.
func (l *lru[V]) charge(k cacheKey, v V, delta int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, found := l.m.Get(k); found && e.value == v {
		e.cost += delta
		l.bytes += delta
		l.shrink()
	}
}

func (l *lru[V]) shrink() {
	for l.bytes > l.max {
		_, e, found := l.m.RemoveOldest()
		if !found {
			return
		}
		l.bytes -= e.cost
	}
}
