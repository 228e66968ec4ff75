package blockstoretest

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Op names a call of a Faulty store.
type Op string

// The calls that a Faulty store counts.
const (
	OpPut    Op = "put"
	OpGet    Op = "get"
	OpRange  Op = "range"
	OpStat   Op = "stat"
	OpDelete Op = "delete"
	OpList   Op = "list"

	OpMarker    Op = "marker"
	OpSetMarker Op = "set marker"
)

// Faulty is a Store that fails and lies as it is told, and is otherwise the
// store that it is made of. Whole blocks and ranges tell the same lies. It is
// no Wrapper: nothing gets past it.
type Faulty struct {
	inner blockstore.Store

	mu     sync.Mutex // guards the fields below
	ops    int
	hook   func(ctx context.Context, op Op, n int, id blockstore.ID) error
	after  func(op Op, n int, id blockstore.ID) error
	lies   map[blockstore.ID]Lie
	always Lie
	keep   bool
	old    map[blockstore.ID][]byte // blocks deleted while keep was set
}

var (
	_ blockstore.Store         = (*Faulty)(nil)
	_ blockstore.RangeInGetter = (*Faulty)(nil)
	_ blockstore.Marker        = (*Faulty)(nil)
)

// NewFaulty wraps s, which it closes when it is closed.
func NewFaulty(s blockstore.Store) *Faulty {
	return &Faulty{inner: s, lies: map[blockstore.ID]Lie{}, old: map[blockstore.ID][]byte{}}
}

// Ops tells how many calls there have been, Close apart.
func (f *Faulty) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Before has hook called at the start of every call, with the number of that
// call, from 1. An error fails the call, and the store below doesn't see it; a
// hook may also wait. nil ends that.
func (f *Faulty) Before(hook func(ctx context.Context, op Op, n int, id blockstore.ID) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// After has hook called at the end of every put and delete that succeeded. An
// error fails the call although its work was done. nil ends that.
func (f *Faulty) After(hook func(op Op, n int, id blockstore.ID) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = hook
}

// FailAt makes one call fail with err: the n-th from now, from 1.
func (f *Faulty) FailAt(n int, err error) { f.fail(n, n, err) }

// FailFrom makes every call from the n-th on fail with err, from 1.
func (f *Faulty) FailFrom(n int, err error) { f.fail(n, int(^uint(0)>>1), err) }

func (f *Faulty) fail(from, to int, err error) {
	start := f.Ops()
	f.Before(func(_ context.Context, _ Op, n int, _ blockstore.ID) error {
		if n-start >= from && n-start <= to {
			return err
		}
		return nil
	})
}

// FailOp makes every call of one sort fail with err.
func (f *Faulty) FailOp(op Op, err error) {
	f.Before(func(_ context.Context, o Op, _ int, _ blockstore.ID) error {
		if o == op {
			return err
		}
		return nil
	})
}

// Honest ends all faults and lies.
func (f *Faulty) Honest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook, f.after, f.always, f.keep = nil, nil, nil, false
	clear(f.lies)
	clear(f.old)
}

// begin counts a call and runs the hook.
func (f *Faulty) begin(ctx context.Context, op Op, id blockstore.ID) (n int, err error) {
	f.mu.Lock()
	f.ops++
	n, hook := f.ops, f.hook
	f.mu.Unlock()
	if hook != nil {
		err = hook(ctx, op, n, id)
	}
	if err != nil {
		err = fmt.Errorf("faulty: %s %v: %w", op, id, err)
	}
	return n, err
}

func (f *Faulty) end(op Op, n int, id blockstore.ID) error {
	f.mu.Lock()
	after := f.after
	f.mu.Unlock()
	if after == nil {
		return nil
	}
	if err := after(op, n, id); err != nil {
		return fmt.Errorf("faulty: %s %v: %w", op, id, err)
	}
	return nil
}

// Put implements blockstore.Store.
func (f *Faulty) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	n, err := f.begin(ctx, OpPut, id)
	if err != nil {
		return err
	}
	if err := f.inner.Put(ctx, id, data); err != nil {
		return err
	}
	return f.end(OpPut, n, id)
}

// Get implements blockstore.Store.
func (f *Faulty) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	if _, err := f.begin(ctx, OpGet, id); err != nil {
		return nil, err
	}
	return f.told(ctx, id)
}

// GetRange implements blockstore.RangeGetter.
func (f *Faulty) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	return f.GetRangeIn(ctx, id, off, n, nil)
}

// GetRangeIn implements blockstore.RangeInGetter.
func (f *Faulty) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	if _, err := f.begin(ctx, OpRange, id); err != nil {
		return nil, err
	}
	if off < 0 || n < 0 || !f.lying(id) {
		return blockstore.GetRangeIn(ctx, f.inner, id, off, n, room)
	}
	block, err := f.told(ctx, id)
	if err != nil {
		return nil, err
	}
	block = block[min(off, int64(len(block))):]
	return block[:min(n, int64(len(block)))], nil
}

// lying reports whether reads of id may differ from the truth.
func (f *Faulty) lying(id blockstore.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lies[id] != nil || f.always != nil || f.keep
}

// told gives the block as Get shows it.
func (f *Faulty) told(ctx context.Context, id blockstore.ID) ([]byte, error) {
	block, err := f.inner.Get(ctx, id)
	f.mu.Lock()
	lie, old := f.lies[id], f.old[id]
	if lie == nil {
		lie = f.always
	}
	f.mu.Unlock()
	if old != nil && kind.Of(err) == kind.NotExist {
		block, err = append([]byte{}, old...), nil
	}
	if err != nil || lie == nil {
		return block, err
	}
	if block = lie(block); block == nil {
		return nil, fmt.Errorf("faulty: get %v: %w", id, kind.NotExist)
	}
	return block, nil
}

// Stat implements blockstore.Store.
func (f *Faulty) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	if _, err := f.begin(ctx, OpStat, id); err != nil {
		return blockstore.Info{}, err
	}
	if !f.lying(id) {
		return f.inner.Stat(ctx, id)
	}
	block, err := f.told(ctx, id)
	if err != nil {
		return blockstore.Info{}, err
	}
	return blockstore.Info{ID: id, Size: int64(len(block))}, nil
}

// Delete implements blockstore.Store.
func (f *Faulty) Delete(ctx context.Context, id blockstore.ID) error {
	n, err := f.begin(ctx, OpDelete, id)
	if err != nil {
		return err
	}
	if block, err := f.inner.Get(ctx, id); err == nil {
		f.mu.Lock()
		if f.keep {
			f.old[id] = block
		}
		f.mu.Unlock()
	}
	if err := f.inner.Delete(ctx, id); err != nil {
		return err
	}
	return f.end(OpDelete, n, id)
}

// List implements blockstore.Store.
func (f *Faulty) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		if _, err := f.begin(ctx, OpList, after); err != nil {
			yield(blockstore.Info{}, err)
			return
		}
		f.inner.List(ctx, after)(yield)
	}
}

// Marker implements blockstore.Marker.
func (f *Faulty) Marker(ctx context.Context) ([]byte, error) {
	if _, err := f.begin(ctx, OpMarker, blockstore.ID{}); err != nil {
		return nil, err
	}
	return blockstore.GetMarker(ctx, f.inner)
}

// SetMarker implements blockstore.Marker.
func (f *Faulty) SetMarker(ctx context.Context, data []byte) error {
	if _, err := f.begin(ctx, OpSetMarker, blockstore.ID{}); err != nil {
		return err
	}
	return blockstore.SetMarker(ctx, f.inner, data)
}

// Close closes the store below.
func (f *Faulty) Close() error { return f.inner.Close() }
