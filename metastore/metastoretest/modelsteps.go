package metastoretest

import (
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// call does on a store what was drawn, and gives all that it answered.
type call func(s metastore.Store) any

func kinds(errs ...error) (ks []kind.Kind) {
	for _, err := range errs {
		ks = append(ks, kind.Of(err))
	}
	return ks
}

// step draws one random call.
func (m *model) step() call {
	steps := []struct {
		weight int
		draw   func() call
	}{
		{50, m.stepCommit},
		{15, m.stepRegister},
		{3, m.stepEndDraft},
		{7, m.stepHeartbeat},
		{6, m.stepCondemn},
		{3, m.stepBeginDelete},
		{2, m.stepEndDelete},
		{2, m.stepAbsolve},
		{2, m.stepShare},
		{3, m.stepPin},
		{2, m.stepUnpin},
		{2, m.stepLead},
		{2, m.stepSetCharged},
		{3, m.stepRepairs},
		{3, m.stepBlocks},
		{4, m.stepReap},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := m.random.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			return s.draw()
		}
	}
	return nil
}

func (m *model) stepCommit() call {
	var reqs []*metastore.Request
	for range 1 + m.random.IntN(3) {
		reqs = append(reqs, m.request())
	}
	return func(s metastore.Store) any {
		ks := kinds(s.Commit(m.t.Context(), reqs...)...)
		for i, r := range reqs {
			if len(r.Live) > 0 && ks[i] != 0 {
				ks[i] = kind.Conflict // a store may look for their rows last
			}
		}
		return ks
	}
}

func (m *model) stepRegister() call {
	var rows []metastore.BlockRow
	for _, id := range m.ids(3, m.block) {
		rows = append(rows, metastore.BlockRow{ID: id, Len: int64(id[1]) + 1, Owner: m.owner()})
	}
	gateway, draft := m.gateway(), m.draft()
	return func(s metastore.Store) any { return kinds(s.Register(m.t.Context(), gateway, draft, rows)) }
}

func (m *model) stepEndDraft() call {
	draft := m.draft()
	return func(s metastore.Store) any { return kinds(s.EndDraft(m.t.Context(), draft)) }
}

func (m *model) stepHeartbeat() call {
	seq, err := m.mem.Seq(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	gateway, oldest, ttl := m.gateway(), seq*uint64(m.random.IntN(2)), time.Duration(1+m.random.IntN(60))
	return func(s metastore.Store) any { return kinds(s.Heartbeat(m.t.Context(), gateway, oldest, ttl)) }
}

// someBlocks are ids of either kind of block row, and of none.
func (m *model) someBlocks() []metastore.ID { return append(m.ids(9, m.block), m.ids(3, m.node)...) }

func (m *model) stepCondemn() call {
	ids := m.someBlocks()
	return func(s metastore.Store) any { return condemnAll(m.t.Context(), s, ids) }
}

func (m *model) stepBeginDelete() call {
	ids, before := m.someBlocks(), m.clock.Now().Add(-time.Duration(m.random.IntN(20)))
	return func(s metastore.Store) any {
		rows, err := s.Collector().BeginDelete(m.t.Context(), ids, before)
		return fmt.Sprint(rows, kinds(err))
	}
}

func (m *model) stepEndDelete() call {
	ids := m.someBlocks()
	return func(s metastore.Store) any { return kinds(s.Collector().EndDelete(m.t.Context(), ids)) }
}

func (m *model) stepAbsolve() call {
	ids := m.someBlocks()
	return func(s metastore.Store) any { return kinds(s.Collector().Absolve(m.t.Context(), ids)) }
}

func (m *model) stepShare() call {
	ids, slots := m.someBlocks(), []metastore.SlotID{m.slot()}
	return func(s metastore.Store) any { return kinds(s.Collector().Share(m.t.Context(), ids, slots)) }
}

// stepPin pins the newest commit or one that was pinned before.
func (m *model) stepPin() call {
	until, why := m.clock.Now().Add(time.Duration(m.random.IntN(100))), fmt.Sprint(m.random.IntN(9))
	if len(m.pins) == 0 || m.chance(60) {
		return func(s metastore.Store) any {
			seq, err := s.Collector().Pin(m.t.Context(), until, why)
			m.pins = append(m.pins, seq)
			return fmt.Sprint(seq, kinds(err))
		}
	}
	seq := m.pins[m.random.IntN(len(m.pins))] + uint64(m.random.IntN(3))
	return func(s metastore.Store) any { return kinds(s.Collector().PinAt(m.t.Context(), seq, until, why)) }
}

func (m *model) stepUnpin() call {
	seq := uint64(0)
	if len(m.pins) > 0 {
		seq = m.pins[m.random.IntN(len(m.pins))]
	}
	return func(s metastore.Store) any { return kinds(s.Collector().Unpin(m.t.Context(), seq)) }
}

func (m *model) stepLead() call {
	gateway, ttl := m.gateway(), time.Duration(m.random.IntN(30)-2)
	return func(s metastore.Store) any {
		leads, err := s.Collector().Lead(m.t.Context(), gateway, ttl)
		return fmt.Sprint(leads, kinds(err))
	}
}

func (m *model) stepSetCharged() call {
	root, files, size := m.slot(), int64(m.random.IntN(9)-1), int64(m.random.IntN(900))
	return func(s metastore.Store) any { return kinds(s.SetCharged(m.t.Context(), root, files, size)) }
}

// stepRepairs queues, asks or ends.
func (m *model) stepRepairs() call {
	member, ids, after, limit, what := fmt.Sprint(m.random.IntN(2)), m.someBlocks(), m.block(), m.random.IntN(5), m.random.IntN(4)
	return func(s metastore.Store) any {
		r, err := metastore.AsRepairer(s)
		if err != nil {
			return kinds(err)
		}
		switch what {
		case 0, 1:
			return kinds(r.AddRepairs(m.t.Context(), member, ids))
		case 2:
			return kinds(r.EndRepairs(m.t.Context(), member, ids))
		}
		found, err := r.Repairs(m.t.Context(), member, after, limit)
		return fmt.Sprint(found, kinds(err))
	}
}

func (m *model) stepBlocks() call {
	ids := m.someBlocks()
	return func(s metastore.Store) any {
		rows, err := s.Blocks(m.t.Context(), ids)
		return fmt.Sprint(rows, kinds(err))
	}
}

func (m *model) stepReap() call {
	const keep = 30 // always the same: what it dropped once is never asked for
	dry := m.chance(30)
	return func(s metastore.Store) any {
		got, err := s.Collector().Reap(m.t.Context(), keep, dry)
		if dry {
			return kinds(err) // a node named dead by several commits may count as often
		}
		// With pins, a store may keep more of its log than it must.
		return fmt.Sprint(got.Nodes, got.NodeBytes, kinds(err))
	}
}
