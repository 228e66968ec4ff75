package dirtree

import (
	"crypto/subtle"
	"fmt"
	"sync/atomic"

	"github.com/truckee-fs/truckee/internal/kind"
)

// item is an entry as a leaf holds it: with its encoding, so that a leaf is
// written again without deriving a key, and is decoded once however many
// versions share the entry. The raw bytes hold keys; an Entry leads to its item
// only through a func value, which nothing prints the inside of.
type item struct {
	e       Entry
	key     string // sort key
	v, r, w []byte // the entry's bytes in each section; r without the name
	checked atomic.Bool
}

func newItem() *item {
	it := new(item)
	it.e.check = it.check
	return it
}

// size is how many bytes the entry takes with nothing before it to share a
// prefix with.
func (it *item) size() int { return it.sizeBut() + len(it.e.Name) }

// sizeBut is size without the name.
func (it *item) sizeBut() int { return len(it.v) + 4 + len(it.r) + len(it.w) }

// check is what Entry.Check does.
func (it *item) check() error {
	if it.checked.Load() {
		return nil
	}
	if it.e.consistent() != nil || subtle.ConstantTimeCompare(appendV(nil, &it.e), it.v) != 1 {
		return fmt.Errorf("dirtree: entry of kind %v contradicts itself: %w", it.e.Kind, kind.Corrupt)
	}
	it.checked.Store(true)
	return nil
}

// withoutWrite is the item as an opener without write authority decodes it; the
// item itself if there is nothing to hide.
func (it *item) withoutWrite() *item {
	if len(it.w) == 0 {
		return it
	}
	c := &item{e: it.e, key: it.key, v: it.v, r: it.r}
	c.e.DirWrite, c.e.Foreign.Write, c.e.check = nil, nil, c.check
	return c
}
