package dirtree

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/truckee-fs/truckee/caps"
)

// NodeCache keeps decoded nodes, so that a directory in use costs neither reads
// nor decryption. It is shared by every Dir of a process, safe for concurrent
// use, and bounded by the bytes that its nodes take in memory, estimated; the
// least recently used go first. What one authority decoded is never given to
// another: a node is found only by the read key that it was opened with, and
// with write authority only if it was opened with it.
type NodeCache struct {
	shards [cacheShards]cacheShard

	hits, misses atomic.Int64
}

const cacheShards = 16

type cacheShard struct {
	mu    sync.Mutex // guards the fields below
	max   int64
	bytes int64
	used  list.List // of *cached, most recently used first
	nodes map[cacheKey]*list.Element
}

type cacheKey struct {
	id    [32]byte
	form  form
	write bool
}

type cached struct {
	key  cacheKey
	rk   caps.Key
	node *node
	cost int64
}

// NewNodeCache returns a cache of at most maxBytes.
func NewNodeCache(maxBytes int64) *NodeCache {
	c := new(NodeCache)
	for i := range c.shards {
		c.shards[i].max = maxBytes / cacheShards
		c.shards[i].nodes = make(map[cacheKey]*list.Element)
	}
	return c
}

// Bytes is the estimated size of what is cached now.
func (c *NodeCache) Bytes() int64 {
	var sum int64
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		sum += s.bytes
		s.mu.Unlock()
	}
	return sum
}

func (k *keyring) cacheKey(id [32]byte) cacheKey {
	return cacheKey{id: id, form: k.form, write: k.wk.Raw() != nil}
}

// shard spreads by the id's first byte; ids are hashes.
func (c *NodeCache) shard(id [32]byte) *cacheShard { return &c.shards[id[0]%cacheShards] }

// get returns the node, nil if it isn't there or was opened with another key.
// To a reader it gives what a writer decoded less the write capabilities, so
// that readers need not decrypt what was just written. A nil cache holds
// nothing.
func (c *NodeCache) get(k *keyring, id [32]byte) *node {
	if c == nil {
		return nil
	}
	key := k.cacheKey(id)
	s := c.shard(id)
	n := s.get(key, k.rk)
	if n == nil && !key.write {
		key.write = true
		if n = s.get(key, k.rk); n != nil && n.hasWrites() {
			n = n.withoutWrites()
			c.put(k, id, n)
		}
	}
	if n == nil {
		c.misses.Add(1)
	} else {
		c.hits.Add(1)
	}
	return n
}

// Lookups tells how many looks for a node found it since the cache was made, and
// how many didn't.
func (c *NodeCache) Lookups() (hits, misses int64) { return c.hits.Load(), c.misses.Load() }

func (s *cacheShard) get(key cacheKey, rk caps.Key) *node {
	s.mu.Lock()
	defer s.mu.Unlock()
	el := s.nodes[key]
	if el == nil {
		return nil
	}
	hit := el.Value.(*cached)
	if !hit.rk.Equal(rk) {
		return nil
	}
	s.used.MoveToFront(el)
	return hit.node
}

// put keeps n, which nobody may change from now on. A node that is there under
// the same id is replaced.
func (c *NodeCache) put(k *keyring, id [32]byte, n *node) {
	if c == nil {
		return
	}
	in := &cached{key: k.cacheKey(id), rk: k.rk, node: n, cost: n.memory()}
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if el := s.nodes[in.key]; el != nil {
		s.remove(el)
	}
	s.nodes[in.key] = s.used.PushFront(in)
	s.bytes += in.cost
	for s.bytes > s.max {
		s.remove(s.used.Back())
	}
}

func (s *cacheShard) remove(el *list.Element) {
	old := s.used.Remove(el).(*cached)
	delete(s.nodes, old.key)
	s.bytes -= old.cost
}

// memory estimates the bytes that n takes: its items with what they point to,
// and the section plaintexts that they are cut from.
func (n *node) memory() int64 {
	const (
		perNode  = 512 // the node, and its place in the cache
		perEntry = 768 // the entry, its keys and slot
		perKid   = 80
		perAttr  = 32
	)
	size := int64(perNode+n.size()) + int64(len(n.kids))*perKid
	for _, it := range n.entries { // names are whole here, and short attributes longer
		size += int64(perEntry + len(it.key) + perAttr*len(it.e.Attrs))
	}
	return size
}
