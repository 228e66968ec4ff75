package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// batch is one round of the committer: working copies of the directories that
// its operations touch, in groups that share some, one request a group.
type batch struct {
	fs    *FS
	works map[slotID]*work
	again []*op // to be tried again at once: their attempt was void
	later []*op // to be tried in the next round: they need a request of their own

	// moved tells where operations of this round have put files, nil: removed.
	moved map[fileKey]*spot

	// The operation being applied, its group, and whether it changed anything.
	op      *op
	group   *group
	mutated bool
}

func newBatch(fs *FS) *batch {
	return &batch{fs: fs, works: make(map[slotID]*work), moved: make(map[fileKey]*spot)}
}

// group is what becomes one request: all of it wins or loses.
type group struct {
	works  []*work
	ops    []*op
	failed []failure // answered with their error once what they saw is durable
	dirty  bool
	closed bool // takes no further operation
	void   bool // an operation failed half way: nothing of it may be committed

	nodes []metastore.NewNode
	live  []metastore.BlockRow
	links []metastore.ID
	draft metastore.DraftID

	rootState map[slotID]bool
	roots     []metastore.Root
	dirMove   bool
	checks    []func(ctx context.Context, r metastore.Reader) error

	checkFailed bool // the request's error came from a check
}

type failure struct {
	op  *op
	err error
}

// all lists the operations of g, the failed ones included.
func (g *group) all() []*op {
	ops := slices.Clone(g.ops)
	for _, f := range g.failed {
		ops = append(ops, f.op)
	}
	return ops
}

// finish answers all operations: err, or for those that failed on what has
// become durable now their own error.
func (g *group) finish(err error) {
	for _, o := range g.ops {
		o.finish(err)
	}
	for _, f := range g.failed {
		if err == nil {
			f.op.finish(f.err)
		} else {
			f.op.finish(err)
		}
	}
}

// attempt lists the newest records that were sealed for g.
func (g *group) attempt() attempt {
	var a attempt
	for _, w := range g.works {
		a = append(a, w.marks()...)
	}
	return a
}

// run applies one operation.
func (b *batch) run(ctx context.Context, o *op) {
	b.op, b.group, b.mutated = o, nil, false
	err := o.apply(ctx, b)
	g := b.group
	switch {
	case b.mutated && err != nil:
		// The working copies hold half an operation. The others of the group
		// start over without it.
		g.void = true
		b.again = append(b.again, g.all()...)
		g.ops, g.failed = nil, nil
		if errors.Is(err, errLater) {
			b.later = append(b.later, o)
		} else {
			o.finish(err)
		}
	case errors.Is(err, errLater):
		b.later = append(b.later, o)
	case g == nil || !g.dirty:
		o.finish(err)
	case err != nil:
		g.failed = append(g.failed, failure{o, err})
	default:
		g.ops = append(g.ops, o)
		g.closed = g.closed || o.alone
	}
}

// join makes g the group of the running operation, or merges it into that.
func (b *batch) join(g *group) error {
	switch {
	case g == b.group:
		return nil
	case g.closed || g.void || (b.op.alone && g.dirty):
		return errLater
	case b.group == nil:
		b.group = g
		return nil
	case b.group.draft != metastore.DraftID{} && g.draft != metastore.DraftID{} && b.group.draft != g.draft:
		return errLater
	}
	b.group.absorb(g)
	return nil
}

// absorb takes over everything that h holds.
func (g *group) absorb(h *group) {
	for _, w := range h.works {
		w.group = g
	}
	g.works = append(g.works, h.works...)
	g.ops = append(g.ops, h.ops...)
	g.failed = append(g.failed, h.failed...)
	g.nodes = append(g.nodes, h.nodes...)
	g.live = append(g.live, h.live...)
	g.links = append(g.links, h.links...)
	g.checks = append(g.checks, h.checks...)
	g.roots = append(g.roots, h.roots...)
	for id, is := range h.rootState {
		g.requireRoot(id, is)
	}
	g.dirty = g.dirty || h.dirty
	g.dirMove = g.dirMove || h.dirMove
	if g.draft == (metastore.DraftID{}) {
		g.draft = h.draft
	}
	*h = group{void: true}
}

func (g *group) requireRoot(id slotID, is bool) {
	if g.rootState == nil {
		g.rootState = make(map[slotID]bool)
	}
	g.rootState[id] = is
}

// own returns the running operation's group.
func (b *batch) own() *group {
	if b.group == nil {
		b.group = new(group)
	}
	return b.group
}

// changes notes that the running operation has changed something.
func (b *batch) changes() {
	b.mutated = true
	b.own().dirty = true
}

// single demands that the running operation shares its request with no other.
func (b *batch) single() error {
	if !b.op.alone {
		b.op.alone = true
		return errLater
	}
	return nil
}

// dir returns the working copy of a directory. NotExist if it was removed.
func (b *batch) dir(ctx context.Context, wr caps.SlotWrite) (*work, error) {
	id := slotID(wr.ID())
	if w := b.works[id]; w != nil {
		if err := b.join(w.group); err != nil {
			return nil, err
		}
		if w.next.Tombstone {
			return nil, fmt.Errorf("the directory was removed: %w", kind.NotExist)
		}
		return w, nil
	}
	v, _, err := b.fs.slots.get(ctx, wr.Read())
	if err != nil {
		return nil, err
	}
	if v.state.Tombstone {
		return nil, fmt.Errorf("the directory was removed: %w", kind.NotExist)
	}
	w := &work{batch: b, write: wr, base: v, next: v.state, owner: v.rec.Owner, edit: v.writable(wr).Edit()}
	b.adopt(id, w)
	return w, nil
}

// create adds a new, empty directory slot to the request.
func (b *batch) create(wr caps.SlotWrite, home, owner slotID) *work {
	now := b.fs.now().UnixNano()
	w := &work{batch: b, write: wr, owner: owner, changed: true}
	w.next = dirtree.SlotState{Home: home, Mtime: now, Ctime: now}
	b.adopt(slotID(wr.ID()), w)
	b.changes()
	return w
}

func (b *batch) adopt(id slotID, w *work) {
	b.works[id] = w
	w.group = b.own()
	w.group.works = append(w.group.works, w)
}

// bring adds what a file's new contents consist of to the request.
func (b *batch) bring(c *contents) error {
	g := b.own()
	if len(c.links) > 0 {
		if g.draft != (metastore.DraftID{}) && g.draft != c.draft {
			return errLater
		}
		g.draft = c.draft
	}
	b.changes()
	g.nodes = append(g.nodes, c.nodes...)
	g.live = append(g.live, c.live...)
	g.links = append(g.links, c.links...)
	return nil
}

// work is the working copy of one directory in one round.
type work struct {
	batch   *batch
	group   *group
	write   caps.SlotWrite
	base    *version // nil: the slot is new
	owner   slotID
	edit    *dirtree.Edit // nil: new, empty
	changed bool
	mtime   bool // mtime was set by a client in this round
	next    dirtree.SlotState

	mu     sync.Mutex // guards sealed; Seal runs in the store's goroutine
	sealed []sealedRecord
}

type sealedRecord struct {
	mark  Mark
	state dirtree.SlotState
	bytes []byte
}

func (w *work) id() slotID { return slotID(w.write.ID()) }

// Get returns an entry as the operations before left it.
func (w *work) Get(ctx context.Context, sortKey string) (*dirtree.Entry, error) {
	if w.edit == nil {
		return nil, kind.NotExist
	}
	return w.edit.Get(ctx, sortKey)
}

// put adds or replaces an entry without touching the directory's mtime.
func (w *work) put(ctx context.Context, e *dirtree.Entry) error {
	w.batch.changes()
	w.changed = true
	if err := w.edit.Put(ctx, e); err != nil {
		return fmt.Errorf("change an entry: %w", err)
	}
	return nil
}

// delete takes an entry away.
func (w *work) delete(ctx context.Context, e *dirtree.Entry) error {
	w.batch.changes()
	w.changed = true
	if err := w.edit.Delete(ctx, e.SortKey()); err != nil {
		return fmt.Errorf("remove an entry: %w", err)
	}
	return nil
}

// renamed notes that a name came or went, which is what a directory's mtime
// tells.
func (w *work) namesChanged() {
	w.next.Mtime = max(w.batch.fs.now().UnixNano(), 0)
	w.mtime = false
}

// setMtime sets the directory's own mtime.
func (w *work) setMtime(t time.Time) {
	w.batch.changes()
	w.changed, w.mtime = true, true
	w.next.Mtime = t.UnixNano()
}

// touch makes the request write the slot anew without a change: it holds what
// was read from the directory to the very record that it was read from.
func (w *work) touch() {
	w.batch.changes()
	w.changed = true
}

// requests seals the working copies and makes the requests of the round.
func (b *batch) requests(ctx context.Context) ([]*group, []*metastore.Request) {
	var groups []*group
	var reqs []*metastore.Request
	seen := make(map[*group]bool)
	for _, w := range b.works {
		g := w.group
		if seen[g] {
			continue
		}
		seen[g] = true
		if g.void || !g.dirty {
			continue
		}
		req, err := g.request(ctx)
		if err != nil {
			g.finish(err)
			continue
		}
		groups, reqs = append(groups, g), append(reqs, req)
	}
	return groups, reqs
}

func (g *group) request(ctx context.Context) (*metastore.Request, error) {
	req := &metastore.Request{
		Nodes: g.nodes, Live: g.live, Links: g.links, Draft: g.draft,
		RootState: g.rootState, Roots: g.roots, DirMove: g.dirMove,
	}
	if len(g.checks) > 0 {
		req.Check = g.check
	}
	for _, w := range g.works {
		if !w.changed {
			continue
		}
		if err := w.addTo(ctx, req); err != nil {
			return nil, err
		}
	}
	return req, nil
}

func (g *group) check(ctx context.Context, r metastore.Reader) error {
	g.checkFailed = false
	for _, check := range g.checks {
		if err := check(ctx, r); err != nil {
			g.checkFailed = true
			return err
		}
	}
	return nil
}

// addTo seals w's changed nodes and adds them and its slot to req.
func (w *work) addTo(ctx context.Context, req *metastore.Request) error {
	id := w.id()
	if w.edit != nil && !w.next.Tombstone {
		res, err := w.edit.Seal(ctx)
		if err != nil {
			return fmt.Errorf("seal a directory: %w", err)
		}
		w.next.Root = res.Root
		w.next.Entries = addDelta(w.next.Entries, w.edit.Count())
		w.next.Bytes = addDelta(w.next.Bytes, w.edit.Bytes())
		for _, n := range res.New {
			req.Nodes = append(req.Nodes, metastore.NewNode{ID: n.ID, Data: n.Data, Slot: id})
		}
		for _, dead := range res.Dead {
			req.Dead = append(req.Dead, dead)
		}
	}
	change := metastore.SlotChange{ID: id, Owner: w.owner, Seal: w.seal}
	if w.base != nil {
		change.Base = w.base.rec.Hash
	}
	req.Slots = append(req.Slots, change)
	return nil
}

// seal signs the new record, under the slot's lock.
func (w *work) seal(old metastore.Record) (metastore.Sealed, error) {
	now := w.batch.fs.now().UnixNano()
	st := w.next
	st.Version, st.Prev, st.Epoch = 1, [32]byte{}, w.batch.fs.water.NextEpoch(w.id())
	if old.Bytes != nil {
		st.Version, st.Prev = old.Version+1, w.base.rec.Hash
		st.Epoch = max(st.Epoch, w.base.rec.Epoch)
	}
	st.Time, st.Ctime = now, now
	rec, err := dirtree.SealSlot(w.write, st)
	if err != nil {
		return metastore.Sealed{}, fmt.Errorf("seal a slot: %w", err)
	}
	m := Mark{Slot: w.id(), Epoch: st.Epoch, Version: st.Version, Hash: dirtree.RecordHash(rec)}
	w.mu.Lock()
	w.sealed = append(w.sealed, sealedRecord{m, st, rec})
	w.mu.Unlock()
	return metastore.Sealed{Epoch: st.Epoch, Version: st.Version, Bytes: rec}, nil
}

func (w *work) marks() []Mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ms []Mark
	for _, s := range w.sealed {
		ms = append(ms, s.mark)
	}
	return ms
}

// committed is the version that w has become; nil if it didn't change.
func (w *work) committed(fs *FS) *version {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sealed) == 0 {
		return nil
	}
	s := w.sealed[len(w.sealed)-1]
	rec := metastore.Record{
		ID: s.mark.Slot, Epoch: s.mark.Epoch, Version: s.mark.Version, Hash: s.mark.Hash,
		Bytes: s.bytes, Owner: w.owner,
	}
	if w.base != nil {
		rec.Seq = w.base.rec.Seq
	}
	return fs.newVersion(w.write.Read(), rec, s.state)
}

// addDelta adds a signed change to a count that can't go below zero.
func addDelta(n uint64, delta int64) uint64 {
	if delta < 0 && uint64(-delta) > n {
		return 0
	}
	return uint64(int64(n) + delta)
}

func randomSlot() caps.SlotWrite {
	var seed [32]byte
	rand.Read(seed[:])
	return caps.NewSlotWrite(caps.SlotDirectory, caps.KeyOf(seed))
}

func newFileID() FileID {
	var id FileID
	rand.Read(id[:])
	return id
}
