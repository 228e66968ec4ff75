package filestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// usedRoots are the roots that were mounted here. What is used stays in the root
// table: a session that goes on after its root was forgotten elsewhere would
// write what nothing leads to. One that nobody has used for a day is left out until
// somebody does.
type usedRoots struct {
	keeping sync.Mutex // held by keepRoots, for the roots' shown

	mu   sync.Mutex // guards the field below, and the roots' last
	byID map[slotID]*usedRoot
}

// usedRoot is one of them.
type usedRoot struct {
	among  *usedRoots
	verify caps.SlotVerify
	source string
	used   atomic.Bool // since the last heartbeat
	last   time.Time   // the heartbeat that found it used last
	shown  time.Time   // when the root table heard of it last
}

// refreshRoots is how old the root table's knowledge of a root's use may be.
const refreshRoots = 24 * time.Hour

// use notes a mount.
func (r *usedRoots) use(v caps.SlotVerify, source string) *usedRoot {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID = make(map[slotID]*usedRoot)
	}
	u := r.byID[slotID(v.ID())]
	if u == nil {
		u = &usedRoot{among: r, verify: v, source: source}
		r.byID[slotID(v.ID())] = u
	}
	u.used.Store(true)
	return u
}

// touch notes that somebody uses the root.
func (u *usedRoot) touch() {
	if u == nil || u.used.Load() {
		return
	}
	r := u.among
	r.mu.Lock()
	defer r.mu.Unlock()
	u.used.Store(true)
	if id := slotID(u.verify.ID()); r.byID[id] == nil {
		r.byID[id] = u
	} else {
		r.byID[id].used.Store(true)
	}
}

// sinceLast returns the roots that were used since it was last called, and leaves
// those out that weren't for long.
func (r *usedRoots) sinceLast(now time.Time) []*usedRoot {
	r.mu.Lock()
	defer r.mu.Unlock()
	var used []*usedRoot
	for id, u := range r.byID {
		if u.used.Swap(false) {
			u.last = now
			used = append(used, u)
		} else if now.Sub(u.last) > refreshRoots {
			delete(r.byID, id)
		}
	}
	return used
}

// keepRoots sees that the roots that are used here are in the root table, and
// once a day that it tells so.
func (fs *FS) keepRoots(ctx context.Context) error {
	fs.roots.keeping.Lock()
	defer fs.roots.keeping.Unlock()
	now := fs.now()
	used := fs.roots.sinceLast(now)
	if len(used) == 0 {
		return nil
	}
	ids := make([]slotID, len(used))
	for i, u := range used {
		ids[i] = slotID(u.verify.ID())
	}
	is, err := fs.o.Meta.IsRoot(ctx, ids)
	if err != nil {
		return fmt.Errorf("look up roots: %w", err)
	}
	for i, u := range used {
		if is[i] && now.Sub(u.shown) < refreshRoots {
			continue
		}
		err := fs.o.Meta.Commit(ctx, &metastore.Request{Roots: []metastore.Root{fs.rootRow(u.verify, u.source)}})[0]
		switch {
		case err == nil && !is[i] && !u.shown.IsZero():
			fs.log.Warn("a root that is used here was forgotten: it is entered again", slog.String("root", ids[i].String()))
		case errors.Is(err, kind.Conflict):
			// Its directory was removed meanwhile: nothing is left to be kept.
		case err != nil:
			u.used.Store(true)
			return fmt.Errorf("enter a root: %w", err)
		}
		u.shown = now
	}
	return nil
}
