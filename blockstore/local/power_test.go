package local

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// known is what the callers were told of each block.
type known struct {
	mu     sync.Mutex // guards the fields below
	blocks map[blockstore.ID]state
}

type state struct {
	present bool
	busy    bool // a call is under way: either may hold
	calls   int
}

func (k *known) begin(id blockstore.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.blocks[id]
	k.blocks[id] = state{was.present, true, was.calls + 1}
}

func (k *known) end(id blockstore.ID, present bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.blocks[id] = state{present, false, k.blocks[id].calls}
}

func (k *known) now() map[blockstore.ID]state {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := make(map[blockstore.ID]state, len(k.blocks))
	for id, st := range k.blocks {
		c[id] = st
	}
	return c
}

// Power is lost again and again while callers put and delete and segments are
// sealed and compacted. Each time, the disk holds what was acknowledged.
func TestPowerLossLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	dir, r := t.TempDir(), newRecorder()
	s := openOn(t, dir, r.disk())
	k := &known{blocks: map[blockstore.ID]state{}}
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for w := range 6 {
		callers.Go(func() { k.run(t, s, rand.New(rand.NewPCG(1, uint64(w))), stop) })
	}
	random := rand.New(rand.NewPCG(2, 2))
	for range 4 {
		for start := s.index.seq.Load(); s.index.seq.Load() < start+100; {
			if _, err := s.Compact(t.Context()); err != nil {
				t.Error(err)
			}
		}
		before := k.now()
		lost := r.powerLoss(t, dir, random)
		after := k.now()
		for id, st := range before {
			if st.busy || after[id] != st {
				delete(before, id)
			}
		}
		expectAfterCrash(t, lost, before)
	}
	close(stop)
	callers.Wait()
}

// run puts blocks, and deletes and puts again earlier ones.
func (k *known) run(t *testing.T, s *Store, random *rand.Rand, stop chan struct{}) {
	own := map[blockstore.ID][]byte{}
	var ids []blockstore.ID
	for {
		select {
		case <-stop:
			return
		default:
		}
		id, block := storecheck.Chunk(1 + random.IntN(60_000))
		if random.IntN(10) == 0 {
			id, block = storecheck.Chunk(200_000)
		}
		if len(ids) > 20 && random.IntN(2) == 0 {
			id = ids[random.IntN(len(ids))]
			block = own[id]
		}
		if own[id] == nil {
			own[id] = block
			ids = append(ids, id)
		}
		put := random.IntN(3) > 0
		k.begin(id)
		var err error
		if put {
			err = s.Put(t.Context(), id, block)
		} else {
			err = s.Delete(t.Context(), id)
		}
		if err != nil {
			t.Error(err)
			return
		}
		k.end(id, put)
	}
}

func expectAfterCrash(t *testing.T, dir string, want map[blockstore.ID]state) {
	t.Helper()
	s := openOn(t, dir, realDisk())
	defer s.Close()
	present := 0
	for id, st := range want {
		block, err := s.Get(t.Context(), id)
		if err == nil {
			err = blockstore.CheckID(id, block)
		}
		switch {
		case st.present && err != nil:
			t.Errorf("acknowledged block after power loss: %v", err)
		case !st.present && kind.Of(err) != kind.NotExist:
			t.Errorf("deleted block after power loss: %v", err)
		}
		if st.present {
			present++
		}
	}
	for info, err := range s.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		if block, err := s.Get(t.Context(), info.ID); err != nil {
			t.Errorf("listed after power loss: %v", err)
		} else if err := blockstore.CheckID(info.ID, block); err != nil {
			t.Errorf("listed after power loss: %v", err)
		}
	}
	if present == 0 {
		t.Error("nothing was acknowledged before power was lost")
	}
}

// A sequence of calls, compactions, restarts and crashes gives what a map gives.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := &model{t: t, random: rand.New(rand.NewPCG(seed, 0)), r: newRecorder(), dir: t.TempDir(), want: map[blockstore.ID][]byte{}}
			m.s = openOn(t, m.dir, m.r.disk())
			for range 350 {
				m.step()
			}
			m.expect()
		})
	}
}

type model struct {
	t      *testing.T
	random *rand.Rand
	r      *recorder
	dir    string
	s      *Store
	ids    []blockstore.ID
	blocks [][]byte
	want   map[blockstore.ID][]byte
}

func (m *model) step() {
	ctx := m.t.Context()
	var err error
	switch p := m.random.IntN(100); {
	case p < 45:
		n := 1 + m.random.IntN(120_000)
		if m.random.IntN(8) == 0 {
			n = 1 << 20
		}
		id, block := storecheck.Chunk(n)
		m.ids, m.blocks = append(m.ids, id), append(m.blocks, block)
		err = m.s.Put(ctx, id, block)
		m.want[id] = block
	case p < 55 && len(m.ids) > 0:
		i := m.random.IntN(len(m.ids))
		err = m.s.Put(ctx, m.ids[i], m.blocks[i])
		m.want[m.ids[i]] = m.blocks[i]
	case p < 94 && len(m.ids) > 0:
		i := m.random.IntN(len(m.ids))
		err = m.s.Delete(ctx, m.ids[i])
		delete(m.want, m.ids[i])
	case p < 96:
		_, err = m.s.Compact(ctx)
	case p < 98:
		if err = m.s.Close(); err == nil {
			m.s = openOn(m.t, m.dir, m.r.disk())
			m.expect()
		}
	default:
		m.dir = m.r.powerLoss(m.t, m.dir, m.random)
		m.s.Close()
		m.r = newRecorder()
		m.s = openOn(m.t, m.dir, m.r.disk())
		m.expect()
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) expect() {
	m.t.Helper()
	expect(m.t, m.s, m.want)
	live := int64(0)
	for _, block := range m.want {
		live += int64(len(block))
	}
	if m.s.index.blocks.Load() != int64(len(m.want)) || m.s.index.bytes.Load() != live {
		m.t.Errorf("the index counts %d blocks of %d bytes, want %d of %d",
			m.s.index.blocks.Load(), m.s.index.bytes.Load(), len(m.want), live)
	}
	for _, seg := range m.s.segments() {
		if live, used := seg.live.Load(), seg.used.Load(); live < 0 || live > used {
			m.t.Errorf("segment %d has %d live bytes of %d", seg.num, live, used)
		}
	}
	if m.t.Failed() {
		m.t.FailNow()
	}
}

// expect holds the store to exactly the blocks given.
func expect(t testing.TB, s *Store, want map[blockstore.ID][]byte) {
	t.Helper()
	for id, block := range want {
		if got, err := s.Get(t.Context(), id); err != nil || string(got) != string(block) {
			t.Errorf("get of a block put: %d of %d bytes, %v", len(got), len(block), err)
		}
	}
	listed := 0
	for info, err := range s.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		listed++
		if _, ok := want[info.ID]; !ok {
			t.Errorf("%v is listed", info.ID)
		}
	}
	if listed != len(want) {
		t.Errorf("%d blocks of %d listed", listed, len(want))
	}
}
