package filestore

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// bucketTable is the registry of buckets as this gateway knows it.
type bucketTable struct {
	fs *FS

	mu     sync.RWMutex // guards the fields below
	byName map[string]*bucketState
	bySlot map[slotID]*bucketState
}

func newBucketTable(fs *FS) *bucketTable {
	return &bucketTable{fs: fs, byName: make(map[string]*bucketState), bySlot: make(map[slotID]*bucketState)}
}

// get finds a bucket; nil if there is none.
func (t *bucketTable) get(_ context.Context, name string) (*bucketState, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byName[name], nil
}

// at finds the bucket whose directory has the slot, as far as this gateway knows;
// nil if it is none's.
func (t *bucketTable) at(id slotID) *bucketState {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bySlot[id]
}

func (t *bucketTable) list(_ context.Context, owner, prefix, after string, limit int) ([]*bucketState, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var found []*bucketState
	for name, s := range t.byName {
		if strings.HasPrefix(name, prefix) && name > after && (owner == "" || s.info.Owner == owner) {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b *bucketState) int { return strings.Compare(a.info.Name, b.info.Name) })
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found, nil
}

func (t *bucketTable) put(s *bucketState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byName[s.info.Name], t.bySlot[slotID(s.dir.ID())] = s, s
}

func (t *bucketTable) drop(s *bucketState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byName, s.info.Name)
	delete(t.bySlot, slotID(s.dir.ID()))
}
