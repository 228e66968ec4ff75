package memory

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Commit implements metastore.Store.
func (s *Store) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	errs := make([]error, len(reqs))
	for i, r := range reqs {
		errs[i] = s.write(ctx, func(t *tables, now time.Time) error { return t.commit(ctx, r, now) })
	}
	return errs
}

// commit evaluates everything that may refuse the request before it writes.
func (t *tables) commit(ctx context.Context, r *metastore.Request, now time.Time) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if err := t.conditions(r, now); err != nil {
		return err
	}
	if r.Check != nil {
		if err := r.Check(ctx, lockedReader{t}); err != nil {
			return err
		}
	}
	recs, err := t.seal(r)
	if err != nil {
		return err
	}
	if err := t.rootsHold(r, recs); err != nil {
		return err
	}
	if !r.Empty() {
		t.apply(r, recs, now)
	}
	return nil
}

func (t *tables) conditions(r *metastore.Request, now time.Time) error {
	for i := range r.Slots {
		if err := r.Slots[i].CheckBase(t.slot(r.Slots[i].ID)); err != nil {
			return err
		}
	}
	for id, want := range r.RootState {
		if _, is := t.roots[id]; is != want {
			return fmt.Errorf("memory: root table has %v: %t: %w", id, is, kind.Conflict)
		}
	}
	for _, b := range r.Live {
		if _, there := t.blocks[b.ID]; there {
			return fmt.Errorf("memory: block %v has a row already: %w", b.ID, kind.Conflict)
		}
	}
	if len(r.Links) == 0 {
		return nil
	}
	if r.Draft != (metastore.DraftID{}) && !t.drafts[r.Draft].lease.After(now) {
		return fmt.Errorf("memory: the draft's lease has lapsed: %w", kind.Conflict)
	}
	for _, id := range r.Links {
		if err := t.linkable(r, id); err != nil {
			return err
		}
	}
	return nil
}

func (t *tables) linkable(r *metastore.Request, id metastore.ID) error {
	if slices.ContainsFunc(r.Live, func(b metastore.BlockRow) bool { return b.ID == id }) {
		return nil
	}
	b, there := t.blocks[id]
	switch {
	case !there:
		return fmt.Errorf("memory: linked block %v has no row: %w", id, kind.Conflict)
	case b.State == metastore.BlockLive:
		return nil
	case b.State == metastore.BlockNew && b.Draft == r.Draft && r.Draft != metastore.DraftID{}:
		return nil
	}
	return fmt.Errorf("memory: linked block %v is in state %v: %w", id, b.State, kind.Conflict)
}

// slot gives the current record, with nil Bytes if absent; shared, not copied.
func (t *tables) slot(id metastore.SlotID) metastore.Record {
	if r := t.slots[id]; r != nil {
		return *r
	}
	return metastore.Record{ID: id}
}

func (t *tables) seal(r *metastore.Request) ([]*metastore.Record, error) {
	recs := make([]*metastore.Record, len(r.Slots))
	for i := range r.Slots {
		c := &r.Slots[i]
		old := t.slot(c.ID)
		lent := old
		lent.Bytes = slices.Clone(old.Bytes)
		sealed, err := c.Seal(lent)
		if err != nil {
			return nil, err
		}
		if err := sealed.Follows(old); err != nil {
			return nil, err
		}
		rec := &metastore.Record{
			ID: c.ID, Epoch: sealed.Epoch, Version: sealed.Version, Hash: sha256.Sum256(sealed.Bytes),
			Seq: t.seq + 1, Bytes: slices.Clone(sealed.Bytes), Owner: old.Owner,
		}
		if old.Bytes == nil {
			rec.Owner = c.Owner
		}
		recs[i] = rec
	}
	return recs, nil
}

// rootsHold checks the slots of r.Roots as they will be after r.
func (t *tables) rootsHold(r *metastore.Request, recs []*metastore.Record) error {
	for _, root := range r.Roots {
		rec := t.slots[root.ID]
		for _, n := range recs {
			if n.ID == root.ID {
				rec = n
			}
		}
		if rec == nil {
			return fmt.Errorf("memory: root slot %v is absent: %w", root.ID, kind.Conflict)
		}
		if metastore.IsTombstone(rec.Bytes) {
			return fmt.Errorf("memory: root slot %v is a tombstone: %w", root.ID, kind.Conflict)
		}
	}
	return nil
}

func (t *tables) apply(r *metastore.Request, recs []*metastore.Record, now time.Time) {
	t.seq++
	for _, rec := range recs {
		t.slots[rec.ID] = rec
		t.log[rec.ID] = append(t.log[rec.ID], logRow{rec, now})
	}
	for _, n := range r.Nodes {
		t.addNode(n)
	}
	for _, id := range r.Dead {
		if n := t.nodes[id]; n != nil && n.slot != (metastore.SlotID{}) && n.died == 0 {
			dead := *n
			dead.died = t.seq
			t.nodes[id] = &dead
		}
	}
	for _, b := range r.Live {
		t.blocks[b.ID] = metastore.Block{BlockRow: b, State: metastore.BlockLive, Seen: now, Inline: true}
	}
	for _, id := range r.Links {
		b := t.blocks[id]
		b.State, b.Draft, b.Seen = metastore.BlockLive, metastore.DraftID{}, now
		b.CondemnedAt, b.CondemnedSeq = time.Time{}, 0
		t.blocks[id] = b
	}
	for _, root := range r.Roots {
		if old, there := t.roots[root.ID]; there {
			root = old
		} else {
			root.Sealed = slices.Clone(root.Sealed)
		}
		root.Seen = now
		t.roots[root.ID] = root
	}
}

func (t *tables) addNode(n metastore.NewNode) {
	if old := t.nodes[n.ID]; old == nil {
		t.nodes[n.ID] = &node{data: slices.Clone(n.Data), slot: n.Slot, born: t.seq}
	} else if old.died != 0 {
		alive := *old
		alive.died = 0
		t.nodes[n.ID] = &alive
	}
}

// Register implements metastore.Store.
func (s *Store) Register(ctx context.Context, g metastore.GatewayID, d metastore.DraftID, rows []metastore.BlockRow) error {
	return s.write(ctx, func(t *tables, now time.Time) error {
		fresh := make(map[metastore.ID]bool, len(rows))
		for _, b := range rows {
			if _, there := t.blocks[b.ID]; there || fresh[b.ID] {
				return fmt.Errorf("memory: block %v has a row already: %w", b.ID, kind.Conflict)
			}
			fresh[b.ID] = true
		}
		for _, b := range rows {
			t.blocks[b.ID] = metastore.Block{BlockRow: b, State: metastore.BlockNew, Draft: d, Seen: now}
		}
		ttl := t.gateways[g].ttl
		if ttl <= 0 {
			ttl = metastore.DefaultLease
		}
		t.drafts[d] = draft{gateway: g, lease: now.Add(ttl)}
		return nil
	})
}

// EndDraft implements metastore.Store.
func (s *Store) EndDraft(ctx context.Context, d metastore.DraftID) error {
	return s.write(ctx, func(t *tables, _ time.Time) error {
		delete(t.drafts, d)
		return nil
	})
}

// Heartbeat implements metastore.Store.
func (s *Store) Heartbeat(ctx context.Context, g metastore.GatewayID, oldestOpen uint64, ttl time.Duration) error {
	return s.write(ctx, func(t *tables, now time.Time) error {
		if oldestOpen == 0 {
			oldestOpen = t.seq
		}
		old, known := t.gateways[g]
		t.gateways[g] = gateway{lease: now.Add(ttl), ttl: ttl, oldest: oldestOpen}
		if known && !old.lease.After(now) {
			return fmt.Errorf("memory: the gateway's lease had lapsed: %w", kind.Conflict)
		}
		for id, d := range t.drafts {
			if d.gateway == g {
				d.lease = now.Add(ttl)
				t.drafts[id] = d
			}
		}
		return nil
	})
}
