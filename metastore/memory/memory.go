// Package memory is the metastore that lives in the process's memory: for
// tests and for trying things out. Nothing in it outlives the process.
//
// It keeps every rule of the interface but durability, and is the reference
// that other drivers are compared with.
package memory

import (
	"context"
	"crypto/rand"
	"fmt"
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

// tables are the tables of formats 9. The rows of slots, log, nodes, roots and
// sealed are never changed in place, so that a view may share them.
type tables struct {
	seq      uint64
	floor    uint64 // commits below it can't be pinned any more
	slots    map[metastore.SlotID]*metastore.Record
	log      map[metastore.SlotID][]logRow // ascending by seq
	nodes    map[metastore.ID]*node
	blocks   map[metastore.ID]metastore.Block
	drafts   map[metastore.DraftID]draft
	roots    map[metastore.SlotID]metastore.Root
	gateways map[metastore.GatewayID]gateway
	pins     map[uint64]metastore.Pin
	charges  map[metastore.SlotID]metastore.ChargeRow
	repairs  map[string]map[metastore.ID]bool
	sealed   map[sealedName]metastore.SealedRow
	identity metastore.Identity
	lead     lead
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

// lead is the lease to collect; nobody's if it has no time.
type lead struct {
	gateway metastore.GatewayID
	until   time.Time
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
		t:     newTables(),
	}
	rand.Read(s.t.identity.UUID[:])
	for _, o := range opts {
		o(s)
	}
	return s
}

func newTables() tables {
	return tables{
		seq:      1, // so that no seq is zero, which Heartbeat takes for none
		slots:    map[metastore.SlotID]*metastore.Record{},
		log:      map[metastore.SlotID][]logRow{},
		nodes:    map[metastore.ID]*node{},
		blocks:   map[metastore.ID]metastore.Block{},
		drafts:   map[metastore.DraftID]draft{},
		roots:    map[metastore.SlotID]metastore.Root{},
		gateways: map[metastore.GatewayID]gateway{},
		pins:     map[uint64]metastore.Pin{},
		charges:  map[metastore.SlotID]metastore.ChargeRow{},
		repairs:  map[string]map[metastore.ID]bool{},
		sealed:   map[sealedName]metastore.SealedRow{},
	}
}

var (
	_ metastore.Store     = (*Store)(nil)
	_ metastore.Exclusive = (*Store)(nil)
	_ metastore.Repairer  = (*Store)(nil)
	_ metastore.Exporter  = (*Store)(nil)
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
