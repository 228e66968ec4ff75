package metastoretest_test

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
)

// mutant is a memory store with some of its answers spoiled.
type mutant struct {
	metastore.Store
	slots     func(context.Context, []metastore.SlotID) ([]metastore.Record, error)
	nodes     func(context.Context, []metastore.ID) ([][]byte, error)
	seq       func(context.Context) (uint64, error)
	commit    func(context.Context, ...*metastore.Request) []error
	register  func(context.Context, metastore.GatewayID, metastore.DraftID, []metastore.BlockRow) error
	log       func(context.Context, metastore.SlotID, uint64) ([]metastore.Record, error)
	heartbeat func(context.Context, metastore.GatewayID, uint64, time.Duration) error
	blocks    func(context.Context, []metastore.ID) ([]metastore.Block, error)
	charged   func(context.Context, metastore.SlotID) (int64, int64, error)
	set       func(context.Context, metastore.SlotID, int64, int64) error
	identity  func(context.Context) (metastore.Identity, error)
	sealed    func(context.Context, uint8, metastore.SealedPlace, int) ([]metastore.SealedRow, error)
	state     func(context.Context, uint8) (metastore.SealedState, error)
	add, end  func(context.Context, string, []metastore.ID) error
	repairs   func(context.Context, string, metastore.ID, int) ([]metastore.ID, error)
	count     func(context.Context) (map[string]int64, error)
	export    func(context.Context) iter.Seq2[metastore.Row, error]
	fill      func(context.Context, iter.Seq2[metastore.Row, error]) error
	collector func(metastore.Collector) metastore.Collector
	close     func() error
}

func (m *mutant) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	if m.slots != nil {
		return m.slots(ctx, ids)
	}
	return m.Store.Slots(ctx, ids)
}

func (m *mutant) Nodes(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
	if m.nodes != nil {
		return m.nodes(ctx, ids)
	}
	return m.Store.Nodes(ctx, ids)
}

func (m *mutant) Seq(ctx context.Context) (uint64, error) {
	if m.seq != nil {
		return m.seq(ctx)
	}
	return m.Store.Seq(ctx)
}

func (m *mutant) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	if m.commit != nil {
		return m.commit(ctx, reqs...)
	}
	return m.Store.Commit(ctx, reqs...)
}

func (m *mutant) Register(ctx context.Context, g metastore.GatewayID, d metastore.DraftID, rows []metastore.BlockRow) error {
	if m.register != nil {
		return m.register(ctx, g, d, rows)
	}
	return m.Store.Register(ctx, g, d, rows)
}

func (m *mutant) Log(ctx context.Context, id metastore.SlotID, after uint64) ([]metastore.Record, error) {
	if m.log != nil {
		return m.log(ctx, id, after)
	}
	return m.Store.Log(ctx, id, after)
}

func (m *mutant) Heartbeat(ctx context.Context, g metastore.GatewayID, oldest uint64, ttl time.Duration) error {
	if m.heartbeat != nil {
		return m.heartbeat(ctx, g, oldest, ttl)
	}
	return m.Store.Heartbeat(ctx, g, oldest, ttl)
}

func (m *mutant) Blocks(ctx context.Context, ids []metastore.ID) ([]metastore.Block, error) {
	if m.blocks != nil {
		return m.blocks(ctx, ids)
	}
	return m.Store.Blocks(ctx, ids)
}

func (m *mutant) Charged(ctx context.Context, root metastore.SlotID) (files, size int64, err error) {
	if m.charged != nil {
		return m.charged(ctx, root)
	}
	return m.Store.Charged(ctx, root)
}

func (m *mutant) SetCharged(ctx context.Context, root metastore.SlotID, files, size int64) error {
	if m.set != nil {
		return m.set(ctx, root, files, size)
	}
	return m.Store.SetCharged(ctx, root, files, size)
}

func (m *mutant) SealedRows(ctx context.Context, k uint8, after metastore.SealedPlace, limit int) ([]metastore.SealedRow, error) {
	if m.sealed != nil {
		return m.sealed(ctx, k, after, limit)
	}
	return m.Store.SealedRows(ctx, k, after, limit)
}

func (m *mutant) SealedState(ctx context.Context, k uint8) (metastore.SealedState, error) {
	if m.state != nil {
		return m.state(ctx, k)
	}
	return m.Store.SealedState(ctx, k)
}

func (m *mutant) Identity(ctx context.Context) (metastore.Identity, error) {
	if m.identity != nil {
		return m.identity(ctx)
	}
	return m.Store.Identity(ctx)
}

// all is the store below with its optional interfaces.
func (m *mutant) all() *memory.Store { return m.Store.(*memory.Store) }

func (m *mutant) AddRepairs(ctx context.Context, member string, ids []metastore.ID) error {
	if m.add != nil {
		return m.add(ctx, member, ids)
	}
	return m.all().AddRepairs(ctx, member, ids)
}

func (m *mutant) EndRepairs(ctx context.Context, member string, ids []metastore.ID) error {
	if m.end != nil {
		return m.end(ctx, member, ids)
	}
	return m.all().EndRepairs(ctx, member, ids)
}

func (m *mutant) Repairs(ctx context.Context, member string, after metastore.ID, limit int) ([]metastore.ID, error) {
	if m.repairs != nil {
		return m.repairs(ctx, member, after, limit)
	}
	return m.all().Repairs(ctx, member, after, limit)
}

func (m *mutant) CountRepairs(ctx context.Context) (map[string]int64, error) {
	if m.count != nil {
		return m.count(ctx)
	}
	return m.all().CountRepairs(ctx)
}

func (m *mutant) Export(ctx context.Context) iter.Seq2[metastore.Row, error] {
	if m.export != nil {
		return m.export(ctx)
	}
	return m.all().Export(ctx)
}

func (m *mutant) Import(ctx context.Context, rows iter.Seq2[metastore.Row, error]) error {
	if m.fill != nil {
		return m.fill(ctx, rows)
	}
	return m.all().Import(ctx, rows)
}

func (m *mutant) Collector() metastore.Collector {
	if m.collector != nil {
		return m.collector(m.Store.Collector())
	}
	return m.Store.Collector()
}

func (m *mutant) Close() error {
	if m.close != nil {
		return m.close()
	}
	return m.Store.Close()
}

// each changes every request before it is committed.
func (m *mutant) each(change func(*metastore.Request)) {
	m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
		changed := make([]*metastore.Request, len(reqs))
		for i, r := range reqs {
			c := *r
			c.Slots = slices.Clone(r.Slots)
			change(&c)
			changed[i] = &c
		}
		return m.Store.Commit(ctx, changed...)
	}
}

type mutantCollector struct {
	metastore.Collector
	condemn  func(context.Context, metastore.View, []metastore.ID) (int, error)
	begin    func(context.Context, []metastore.ID, time.Time) ([]metastore.Block, error)
	end      func(context.Context, []metastore.ID) error
	reap     func(context.Context, time.Duration, bool) (metastore.Reaped, error)
	snapshot func(context.Context) (metastore.View, error)
	pin      func(context.Context, time.Time, string) (uint64, error)
	pinAt    func(context.Context, uint64, time.Time, string) error
	absolve  func(context.Context, []metastore.ID) error
	share    func(context.Context, []metastore.ID, []metastore.SlotID) error
	nonce    func(ctx context.Context, old, new [16]byte) error
	lead     func(context.Context, metastore.GatewayID, time.Duration) (bool, error)
}

func (m *mutantCollector) PinAt(ctx context.Context, seq uint64, until time.Time, why string) error {
	if m.pinAt != nil {
		return m.pinAt(ctx, seq, until, why)
	}
	return m.Collector.PinAt(ctx, seq, until, why)
}

func (m *mutantCollector) Absolve(ctx context.Context, ids []metastore.ID) error {
	if m.absolve != nil {
		return m.absolve(ctx, ids)
	}
	return m.Collector.Absolve(ctx, ids)
}

func (m *mutantCollector) Share(ctx context.Context, blocks []metastore.ID, slots []metastore.SlotID) error {
	if m.share != nil {
		return m.share(ctx, blocks, slots)
	}
	return m.Collector.Share(ctx, blocks, slots)
}

func (m *mutantCollector) SetNonce(ctx context.Context, old, new [16]byte) error {
	if m.nonce != nil {
		return m.nonce(ctx, old, new)
	}
	return m.Collector.SetNonce(ctx, old, new)
}

func (m *mutantCollector) Lead(ctx context.Context, g metastore.GatewayID, ttl time.Duration) (bool, error) {
	if m.lead != nil {
		return m.lead(ctx, g, ttl)
	}
	return m.Collector.Lead(ctx, g, ttl)
}

func (m *mutantCollector) Condemn(ctx context.Context, v metastore.View, ids []metastore.ID) (int, error) {
	if m.condemn != nil {
		return m.condemn(ctx, v, ids)
	}
	return m.Collector.Condemn(ctx, v, ids)
}

func (m *mutantCollector) BeginDelete(ctx context.Context, ids []metastore.ID, before time.Time) ([]metastore.Block, error) {
	if m.begin != nil {
		return m.begin(ctx, ids, before)
	}
	return m.Collector.BeginDelete(ctx, ids, before)
}

func (m *mutantCollector) EndDelete(ctx context.Context, ids []metastore.ID) error {
	if m.end != nil {
		return m.end(ctx, ids)
	}
	return m.Collector.EndDelete(ctx, ids)
}

func (m *mutantCollector) Reap(ctx context.Context, keep time.Duration, dryRun bool) (metastore.Reaped, error) {
	if m.reap != nil {
		return m.reap(ctx, keep, dryRun)
	}
	return m.Collector.Reap(ctx, keep, dryRun)
}

func (m *mutantCollector) Snapshot(ctx context.Context) (metastore.View, error) {
	if m.snapshot != nil {
		return m.snapshot(ctx)
	}
	return m.Collector.Snapshot(ctx)
}

func (m *mutantCollector) Pin(ctx context.Context, until time.Time, why string) (uint64, error) {
	if m.pin != nil {
		return m.pin(ctx, until, why)
	}
	return m.Collector.Pin(ctx, until, why)
}

// shiftedView claims another time.
type shiftedView struct {
	metastore.View
	by time.Duration
}

func (v shiftedView) Time() time.Time { return v.View.Time().Add(v.by) }

// looseView reads nodes and slots as they are now.
type looseView struct {
	metastore.View
	metastore.Reader
}

func (v looseView) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	return v.Reader.Slots(ctx, ids)
}

func (v looseView) Nodes(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
	return v.Reader.Nodes(ctx, ids)
}

func (v looseView) IsRoot(ctx context.Context, ids []metastore.SlotID) ([]bool, error) {
	return v.Reader.IsRoot(ctx, ids)
}
