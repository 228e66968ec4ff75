// Package memory is the metastore that lives in the process's memory: for
// tests and for trying things out. Nothing in it outlives the process.
//
// It keeps every rule of the interface but durability, and is the reference
// that other drivers are compared with.
package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Store is a metastore in memory. Commits run one after another under one lock.
type Store struct {
	now func() time.Time

	mu     sync.RWMutex // guards the fields below
	closed bool
	last   time.Time // the newest time given out: time never goes back
	t      tables
	views  map[*view]uint64 // open ones, by the seq that they see
}

// tables are the tables of formats 9. The rows of slots, log, nodes and roots
// are never changed in place, so that a view may share them.
type tables struct {
	seq      uint64
	slots    map[metastore.SlotID]*metastore.Record
	log      map[metastore.SlotID][]logRow // ascending by seq
	nodes    map[metastore.ID]*node
	blocks   map[metastore.ID]metastore.Block
	drafts   map[metastore.DraftID]draft
	roots    map[metastore.SlotID]metastore.Root
	gateways map[metastore.GatewayID]gateway
	pins     map[uint64]metastore.Pin
}

type logRow struct {
	rec *metastore.Record
	at  time.Time
}

type node struct {
	data       []byte
	slot       metastore.SlotID
	born, died uint64 // died zero: it lives
}

type draft struct {
	gateway metastore.GatewayID
	lease   time.Time
}

type gateway struct {
	lease  time.Time
	ttl    time.Duration
	oldest uint64
}

// Option changes how New sets a store up.
type Option func(*Store)

// Clock makes the store take the time from now in place of time.Now.
func Clock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// New returns an empty store.
func New(opts ...Option) *Store {
	s := &Store{
		now:   time.Now,
		views: map[*view]uint64{},
		t: tables{
			seq:      1, // so that no seq is zero, which Heartbeat takes for none
			slots:    map[metastore.SlotID]*metastore.Record{},
			log:      map[metastore.SlotID][]logRow{},
			nodes:    map[metastore.ID]*node{},
			blocks:   map[metastore.ID]metastore.Block{},
			drafts:   map[metastore.DraftID]draft{},
			roots:    map[metastore.SlotID]metastore.Root{},
			gateways: map[metastore.GatewayID]gateway{},
			pins:     map[uint64]metastore.Pin{},
		},
	}
	for _, o := range opts {
		o(s)
	}
	return s
}

var (
	_ metastore.Store     = (*Store)(nil)
	_ metastore.Exclusive = (*Store)(nil)
	_ metastore.Collector = (*collector)(nil)
	_ metastore.View      = (*view)(nil)
)

// Exclusive says that nobody else can write to this store.
func (s *Store) Exclusive() bool { return true }

// Close makes every later call fail. Views that are open stay readable.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// read runs fn with the tables, which it must not change.
func (s *Store) read(ctx context.Context, fn func(*tables)) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: %w: %w", kind.Canceled, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fmt.Errorf("memory: %w", kind.Closed)
	}
	fn(&s.t)
	return nil
}

// write runs fn alone, with the time of the change. When fn returns an error it
// must have changed nothing.
func (s *Store) write(ctx context.Context, fn func(*tables, time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: %w: %w", kind.Canceled, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("memory: %w", kind.Closed)
	}
	return fn(&s.t, s.timeLocked())
}

func (s *Store) timeLocked() time.Time {
	if t := s.now().Round(0).UTC(); t.After(s.last) {
		s.last = t
	}
	return s.last
}

// Slots implements metastore.Reader.
func (s *Store) Slots(ctx context.Context, ids []metastore.SlotID) (recs []metastore.Record, err error) {
	err = s.read(ctx, func(t *tables) { recs = t.readSlots(ids) })
	return recs, err
}

// Nodes implements metastore.Reader.
func (s *Store) Nodes(ctx context.Context, ids []metastore.ID) (data [][]byte, err error) {
	err = s.read(ctx, func(t *tables) { data = t.readNodes(ids) })
	return data, err
}

// IsRoot implements metastore.Reader.
func (s *Store) IsRoot(ctx context.Context, ids []metastore.SlotID) (is []bool, err error) {
	err = s.read(ctx, func(t *tables) { is = t.readRoots(ids) })
	return is, err
}

// Seq implements metastore.Store.
func (s *Store) Seq(ctx context.Context) (seq uint64, err error) {
	err = s.read(ctx, func(t *tables) { seq = t.seq })
	return seq, err
}

// Log implements metastore.Store.
func (s *Store) Log(ctx context.Context, id metastore.SlotID, after uint64) (recs []metastore.Record, err error) {
	err = s.read(ctx, func(t *tables) {
		for _, row := range t.log[id] {
			if row.rec.Version > after {
				recs = append(recs, copyOf(row.rec))
			}
		}
	})
	return recs, err
}

func (t *tables) readSlots(ids []metastore.SlotID) []metastore.Record {
	recs := make([]metastore.Record, len(ids))
	for i, id := range ids {
		if r := t.slots[id]; r != nil {
			recs[i] = copyOf(r)
		} else {
			recs[i].ID = id
		}
	}
	return recs
}

func (t *tables) readNodes(ids []metastore.ID) [][]byte {
	data := make([][]byte, len(ids))
	for i, id := range ids {
		if n := t.nodes[id]; n != nil {
			data[i] = slices.Clone(n.data)
		}
	}
	return data
}

func (t *tables) readRoots(ids []metastore.SlotID) []bool {
	is := make([]bool, len(ids))
	for i, id := range ids {
		_, is[i] = t.roots[id]
	}
	return is
}

func copyOf(r *metastore.Record) metastore.Record {
	c := *r
	c.Bytes = slices.Clone(r.Bytes)
	return c
}

// lockedReader is what Request.Check reads through; the store's lock is held.
type lockedReader struct{ t *tables }

func (r lockedReader) Slots(_ context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	return r.t.readSlots(ids), nil
}

func (r lockedReader) Nodes(_ context.Context, ids []metastore.ID) ([][]byte, error) {
	return r.t.readNodes(ids), nil
}

func (r lockedReader) IsRoot(_ context.Context, ids []metastore.SlotID) ([]bool, error) {
	return r.t.readRoots(ids), nil
}
