package metastoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Fault is one way in which a Faulty store fails.
type Fault uint8

// The faults. Each leaves the store below consistent: what fails is the answer,
// or the call.
const (
	// LoseRace: Commit answers Conflict for a request and applies nothing of it,
	// as if another gateway had been faster and undone its change since.
	LoseRace Fault = iota
	// LostReply: a request or Register is applied, and answered Unavailable.
	LostReply
	// LostCall: a request or Register is not applied, and answered Unavailable.
	LostCall
	// Retry: a request's Check and Seal are called once for nothing before they
	// are called for good.
	Retry
	// StaleSlot: Slots answers a record that it has answered or sealed before.
	StaleSlot
	// ForkedSlot: Slots answers a record with one bit flipped.
	ForkedSlot
	// DropSlot: Slots answers that a slot is absent.
	DropSlot
	// DropNode: Nodes answers that a node is absent.
	DropNode
	// FlipNode: Nodes answers a node with one bit flipped.
	FlipNode
	// SwapNode: Nodes answers another node's bytes, or flips where it knows none.
	SwapNode
	// FailRead: Slots, Nodes, IsRoot and Log answer Unavailable.
	FailRead

	faults
)

var faultNames = [faults]string{
	"LoseRace", "LostReply", "LostCall", "Retry", "StaleSlot", "ForkedSlot",
	"DropSlot", "DropNode", "FlipNode", "SwapNode", "FailRead",
}

// String gives the fault's name.
func (f Fault) String() string { return faultNames[f] }

// Faults lists every fault.
func Faults() []Fault {
	all := make([]Fault, faults)
	for i := range all {
		all[i] = Fault(i)
	}
	return all
}

// Faulty is a store that fails on purpose, by chance that a seed determines: the
// same calls in the same order meet the same faults. It starts without any. What
// Check reads, Log and views, which tests look behind the curtain with, are true
// but for FailRead.
type Faulty struct {
	s metastore.Store

	mu      sync.Mutex // guards the fields below
	random  *rand.Rand
	percent [faults]int
	met     [faults]int
	old     map[metastore.SlotID][]metastore.Record // the last few of each slot
	other   []byte                                  // a node for SwapNode
}

// oldRecords is how far back StaleSlot reaches.
const oldRecords = 8

// NewFaulty wraps a store.
func NewFaulty(s metastore.Store, seed uint64) *Faulty {
	return &Faulty{s: s, random: rand.New(rand.NewPCG(seed, 1)), old: map[metastore.SlotID][]metastore.Record{}}
}

var (
	_ metastore.Store     = (*Faulty)(nil)
	_ metastore.Exclusive = (*Faulty)(nil)
	_ metastore.Wrapper   = (*Faulty)(nil)
)

// Set makes a fault befall that many calls of a hundred, each request, slot and
// node of a call by itself; 0 switches it off, 100 makes it certain.
func (f *Faulty) Set(fault Fault, percent int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.percent[fault] = percent
}

// Heal switches every fault off.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.percent = [faults]int{}
}

// Met tells how often a fault has befallen.
func (f *Faulty) Met(fault Fault) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.met[fault]
}

// hit draws whether a fault befalls. One that is off draws nothing, so that
// switching one on does not move the others' draws more than it must.
func (f *Faulty) hit(fault Fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hitLocked(fault)
}

func (f *Faulty) hitLocked(fault Fault) bool {
	if f.percent[fault] == 0 || f.random.IntN(100) >= f.percent[fault] {
		return false
	}
	f.met[fault]++
	return true
}

func unavailable(op string) error {
	return fmt.Errorf("faulty: %s: %w", op, kind.Unavailable)
}

// Unwrap gives the store below, for looking at what is really there.
func (f *Faulty) Unwrap() metastore.Store { return f.s }

// Exclusive answers as the store below does. A test of a shared store wraps one that is not.
func (f *Faulty) Exclusive() bool {
	return metastore.IsExclusive(f.s)
}

// Slots implements metastore.Reader.
func (f *Faulty) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	if f.hit(FailRead) {
		return nil, unavailable("slots")
	}
	recs, err := f.s.Slots(ctx, ids)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range recs {
		f.rememberLocked(recs[i])
		recs[i] = f.spoilSlotLocked(recs[i])
	}
	return recs, nil
}

func (f *Faulty) rememberLocked(r metastore.Record) {
	known := f.old[r.ID]
	if r.Bytes == nil || len(known) > 0 && known[len(known)-1].Version >= r.Version {
		return
	}
	r.Bytes = bytes.Clone(r.Bytes)
	known = append(known, r)
	f.old[r.ID] = known[max(0, len(known)-oldRecords):]
}

func (f *Faulty) spoilSlotLocked(r metastore.Record) metastore.Record {
	if r.Bytes == nil {
		return r
	}
	// One that is not behind the newest would be no fault.
	if old := f.old[r.ID]; len(old) > 1 && f.hitLocked(StaleSlot) {
		r = old[f.random.IntN(len(old)-1)]
		r.Bytes = bytes.Clone(r.Bytes)
	}
	if f.hitLocked(ForkedSlot) {
		f.flipLocked(r.Bytes)
	}
	if f.hitLocked(DropSlot) {
		r = metastore.Record{ID: r.ID}
	}
	return r
}

func (f *Faulty) flipLocked(b []byte) {
	if len(b) > 0 {
		b[f.random.IntN(len(b))] ^= 1 << f.random.IntN(8)
	}
}

// Nodes implements metastore.Reader.
func (f *Faulty) Nodes(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
	if f.hit(FailRead) {
		return nil, unavailable("nodes")
	}
	data, err := f.s.Nodes(ctx, ids)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range data {
		data[i] = f.spoilNodeLocked(data[i])
	}
	return data, nil
}

func (f *Faulty) spoilNodeLocked(data []byte) []byte {
	if data == nil {
		return nil
	}
	if f.hitLocked(SwapNode) {
		if f.other == nil || bytes.Equal(f.other, data) {
			f.flipLocked(data)
		} else {
			data = bytes.Clone(f.other)
		}
	} else if f.percent[SwapNode] > 0 && (f.other == nil || f.random.IntN(4) == 0) {
		f.other = bytes.Clone(data)
	}
	if f.hitLocked(FlipNode) {
		f.flipLocked(data)
	}
	if f.hitLocked(DropNode) {
		return nil
	}
	return data
}

// IsRoot implements metastore.Reader.
func (f *Faulty) IsRoot(ctx context.Context, ids []metastore.SlotID) ([]bool, error) {
	if f.hit(FailRead) {
		return nil, unavailable("is root")
	}
	return f.s.IsRoot(ctx, ids)
}

// Log implements metastore.Store.
func (f *Faulty) Log(ctx context.Context, id metastore.SlotID, after uint64) ([]metastore.Record, error) {
	if f.hit(FailRead) {
		return nil, unavailable("log")
	}
	return f.s.Log(ctx, id, after)
}

// errForNothing ends the first call of a Retry.
var errForNothing = errors.New("faulty: called for nothing")

// Commit implements metastore.Store.
func (f *Faulty) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	errs := make([]error, len(reqs))
	var through []*metastore.Request
	var at []int
	lost := make([]bool, len(reqs))
	for i, r := range reqs {
		switch {
		case f.hit(LoseRace):
			errs[i] = fmt.Errorf("faulty: commit: %w", kind.Conflict)
		case f.hit(LostCall):
			errs[i] = unavailable("commit")
		default:
			lost[i] = f.hit(LostReply)
			if f.hit(Retry) {
				f.forNothing(ctx, r)
			}
			through, at = append(through, f.watch(r)), append(at, i)
		}
	}
	if len(through) == 0 {
		return errs
	}
	for j, err := range f.s.Commit(ctx, through...) {
		errs[at[j]] = err
		if lost[at[j]] {
			errs[at[j]] = unavailable("commit")
		}
	}
	return errs
}

// watch makes StaleSlot know what a request seals.
func (f *Faulty) watch(r *metastore.Request) *metastore.Request {
	watched := *r
	watched.Slots = make([]metastore.SlotChange, len(r.Slots))
	for i, c := range r.Slots {
		if seal := c.Seal; seal != nil {
			c.Seal = func(old metastore.Record) (metastore.Sealed, error) {
				f.mu.Lock()
				f.rememberLocked(old)
				f.mu.Unlock()
				return seal(old)
			}
		}
		watched.Slots[i] = c
	}
	return &watched
}

// forNothing runs a request up to its last Seal and then drops it.
func (f *Faulty) forNothing(ctx context.Context, r *metastore.Request) {
	dropped := *r
	dropped.Slots = append([]metastore.SlotChange(nil), r.Slots...)
	if n := len(dropped.Slots); n > 0 {
		seal := dropped.Slots[n-1].Seal
		if seal == nil {
			return
		}
		dropped.Slots[n-1].Seal = func(old metastore.Record) (metastore.Sealed, error) {
			if _, err := seal(old); err != nil {
				return metastore.Sealed{}, err
			}
			return metastore.Sealed{}, errForNothing
		}
	} else {
		dropped.Check = func(ctx context.Context, tx metastore.Reader) error {
			if r.Check != nil {
				if err := r.Check(ctx, tx); err != nil {
					return err
				}
			}
			return errForNothing
		}
	}
	f.s.Commit(ctx, &dropped)
}

// Register implements metastore.Store.
func (f *Faulty) Register(ctx context.Context, g metastore.GatewayID, d metastore.DraftID, blocks []metastore.BlockRow) error {
	if f.hit(LostCall) {
		return unavailable("register")
	}
	lost := f.hit(LostReply)
	err := f.s.Register(ctx, g, d, blocks)
	if lost {
		return unavailable("register")
	}
	return err
}
