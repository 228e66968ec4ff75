package filestore

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// bucketTable is the registry of buckets as this gateway knows it: all of it, in
// memory. The rows decide; with other gateways it is renewed twice a second, whenever
// somebody asks for a name that it hasn't, and before each round of changes.
type bucketTable struct {
	fs *FS

	renewing sync.Mutex // held by the one renewal that runs
	state    metastore.SealedState
	loaded   bool

	wanted, seen atomic.Uint64 // seen < wanted: something has changed since it was read

	mu      sync.RWMutex // guards the fields below
	byName  map[string]*bucketState
	bySlot  map[slotID]*bucketState
	damaged map[[32]byte]uint64 // rows that don't open: their keys and revs
}

func newBucketTable(fs *FS) *bucketTable {
	t := &bucketTable{fs: fs, byName: make(map[string]*bucketState), bySlot: make(map[slotID]*bucketState), damaged: make(map[[32]byte]uint64)}
	t.expire()
	return t
}

func (t *bucketTable) put(fs *FS, row *metastore.SealedRow) {
	delete(t.damaged, row.Key)
	s, err := fs.openBucket(row)
	if err != nil {
		t.damaged[row.Key] = row.Rev
		for name, old := range t.byName {
			if fs.bucketKey(name) == row.Key {
				t.drop(old)
			}
		}
		fs.log.Error("a bucket's row can't be used: the bucket is not served", slog.Uint64("rev", row.Rev), slog.Any("error", err))
		return
	}
	if old := t.byName[s.info.Name]; old != nil {
		t.drop(old)
	}
	t.byName[s.info.Name], t.bySlot[slotID(s.dir.ID())] = s, s
}

func (t *bucketTable) drop(s *bucketState) {
	delete(t.byName, s.info.Name)
	delete(t.bySlot, slotID(s.dir.ID()))
}

// get finds a bucket; nil if there is none. Corrupt if its row is damaged.
func (t *bucketTable) get(ctx context.Context, name string) (*bucketState, error) {
	if err := t.renew(ctx); err != nil {
		return nil, err
	}
	s, err := t.lookup(name)
	if s != nil || err != nil || t.fs.slots.authoritative {
		return s, err
	}
	t.expire() // another gateway may have made it just now
	if err := t.renew(ctx); err != nil {
		return nil, err
	}
	return t.lookup(name)
}

func (t *bucketTable) lookup(name string) (*bucketState, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if s := t.byName[name]; s != nil || len(t.damaged) == 0 {
		return s, nil
	}
	if _, is := t.damaged[t.fs.bucketKey(name)]; is {
		return nil, fmt.Errorf("the bucket's row is damaged: %w", kind.Corrupt)
	}
	return nil, nil
}

// room demands that an account may have the bucket too, or that it be as in info
// now; of several at once none may be counted.
func (t *bucketTable) room(info *BucketInfo, old *bucketState) error {
	more := info.size()
	if old != nil {
		more -= old.info.size()
		if more <= 0 {
			return nil
		}
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	buckets, sum := 0, more
	for _, s := range t.byName {
		if s.info.Owner == info.Owner {
			buckets, sum = buckets+1, sum+s.info.size()
		}
	}
	switch {
	case old == nil && buckets >= MaxBuckets:
		return fmt.Errorf("an account may have %d buckets: %w", MaxBuckets, kind.TooLarge)
	case more > 0 && sum > MaxOwnerDocuments:
		return fmt.Errorf("the documents of all of an account's buckets, %d bytes: %w", sum, kind.TooLarge)
	}
	return nil
}

// at finds the bucket whose directory has the slot, as of half a second ago, or in a
// commit as of its beginning; nil if it is none's.
func (t *bucketTable) at(id slotID) *bucketState {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bySlot[id]
}

// list lists up to limit buckets (0: all), those that wanted (nil: all) lets through.
func (t *bucketTable) list(ctx context.Context, wanted func(*bucketState) bool, prefix, after string, limit int) ([]*bucketState, error) {
	if !t.fs.slots.authoritative {
		t.expire()
	}
	if err := t.renew(ctx); err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	var found []*bucketState
	for name, s := range t.byName {
		if strings.HasPrefix(name, prefix) && name > after && (wanted == nil || wanted(s)) {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b *bucketState) int { return strings.Compare(a.info.Name, b.info.Name) })
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found, nil
}
