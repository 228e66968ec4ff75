package blockstoretest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

type (
	id   = blockstore.ID
	info = blockstore.Info
)

// mutant is a good store of which single methods are replaced by broken ones.
type mutant struct {
	*memory.Store
	put    func(ctx context.Context, i id, data []byte) error
	get    func(ctx context.Context, i id) ([]byte, error)
	ranged func(ctx context.Context, i id, off, n int64) ([]byte, error)
	stat   func(ctx context.Context, i id) (info, error)
	del    func(ctx context.Context, i id) error
	list   func(ctx context.Context, after id) iter.Seq2[info, error]
	close  func() error

	deleteBatch func(ctx context.Context, ids []id) error
	statBatch   func(ctx context.Context, ids []id) ([]info, []error)
	marker      func(ctx context.Context) ([]byte, error)
	setMarker   func(ctx context.Context, data []byte) error
}

func (m *mutant) DeleteBatch(ctx context.Context, ids []id) error {
	if m.deleteBatch != nil {
		return m.deleteBatch(ctx, ids)
	}
	return blockstore.DeleteBatch(ctx, m.Store, ids)
}

func (m *mutant) StatBatch(ctx context.Context, ids []id) ([]info, []error) {
	if m.statBatch != nil {
		return m.statBatch(ctx, ids)
	}
	return blockstore.StatBatch(ctx, m.Store, ids)
}

func (m *mutant) Marker(ctx context.Context) ([]byte, error) {
	if m.marker != nil {
		return m.marker(ctx)
	}
	return m.Store.Marker(ctx)
}

func (m *mutant) SetMarker(ctx context.Context, data []byte) error {
	if m.setMarker != nil {
		return m.setMarker(ctx, data)
	}
	return m.Store.SetMarker(ctx, data)
}

func (m *mutant) Put(ctx context.Context, i id, data []byte) error {
	if m.put != nil {
		return m.put(ctx, i, data)
	}
	return m.Store.Put(ctx, i, data)
}

func (m *mutant) Get(ctx context.Context, i id) ([]byte, error) {
	if m.get != nil {
		return m.get(ctx, i)
	}
	return m.Store.Get(ctx, i)
}

func (m *mutant) GetRange(ctx context.Context, i id, off, n int64) ([]byte, error) {
	if m.ranged != nil {
		return m.ranged(ctx, i, off, n)
	}
	return m.Store.GetRange(ctx, i, off, n)
}

func (m *mutant) Stat(ctx context.Context, i id) (info, error) {
	if m.stat != nil {
		return m.stat(ctx, i)
	}
	return m.Store.Stat(ctx, i)
}

func (m *mutant) Delete(ctx context.Context, i id) error {
	if m.del != nil {
		return m.del(ctx, i)
	}
	return m.Store.Delete(ctx, i)
}

func (m *mutant) List(ctx context.Context, after id) iter.Seq2[info, error] {
	if m.list != nil {
		return m.list(ctx, after)
	}
	return m.Store.List(ctx, after)
}

func (m *mutant) Close() error {
	if m.close != nil {
		return m.close()
	}
	return m.Store.Close()
}

// mutants are broken stores, and the checks that must each notice.
var mutants = []struct {
	name   string
	breaks func(m *mutant)
	caught []string
}{
	{"loses every put", func(m *mutant) {
		m.put = func(context.Context, id, []byte) error { return nil }
	}, []string{"PutGet", "PutTwice", "Largest", "ManyAtOnce", "ListOrdered", "ZeroID", "UseAfterClose", "Canceled"}},

	{"keeps the caller's slice", func(m *mutant) {
		kept := map[id][]byte{}
		m.put = func(_ context.Context, i id, data []byte) error { kept[i] = data; return m.Store.Put(m.ctx(), i, data) }
		m.get = func(ctx context.Context, i id) ([]byte, error) {
			if b, err := m.Store.Get(ctx, i); err != nil {
				return b, err
			}
			return bytes.Clone(kept[i]), nil
		}
	}, []string{"PutKeepsNothing"}},

	{"gives its own slice", func(m *mutant) {
		own := map[id][]byte{}
		m.get = func(ctx context.Context, i id) ([]byte, error) {
			b, err := m.Store.Get(ctx, i)
			if err != nil {
				return nil, err
			}
			if own[i] == nil {
				own[i] = b
			}
			return own[i], nil
		}
	}, []string{"GetIsACopy"}},

	{"appends at the second put", func(m *mutant) {
		m.put = func(ctx context.Context, i id, data []byte) error {
			old, err := m.Store.Get(ctx, i)
			if err != nil {
				return m.Store.Put(ctx, i, data)
			}
			return errors.Join(m.Store.Delete(ctx, i), m.Store.Put(ctx, i, append(old, data...)))
		}
	}, []string{"PutTwice", "SamePutConcurrently"}},

	{"refuses what is there", func(m *mutant) {
		m.put = func(ctx context.Context, i id, data []byte) error {
			if _, err := m.Store.Stat(ctx, i); err == nil {
				return kind.Exist
			}
			return m.Store.Put(ctx, i, data)
		}
	}, []string{"PutTwice"}},

	{"gives nothing for absent blocks", func(m *mutant) {
		m.get = func(ctx context.Context, i id) ([]byte, error) {
			b, err := m.Store.Get(ctx, i)
			if kind.Of(err) == kind.NotExist {
				return nil, nil
			}
			return b, err
		}
	}, []string{"GetAbsent", "DeleteTwice"}},

	{"has errors without a kind", func(m *mutant) {
		m.get = func(ctx context.Context, i id) ([]byte, error) {
			b, err := m.Store.Get(ctx, i)
			if err != nil {
				err = fmt.Errorf("get: %s", err)
			}
			return b, err
		}
	}, []string{"KindsOnly", "GetAbsent", "Canceled", "UseAfterClose"}},

	{"gives whole pages", func(m *mutant) {
		m.get = func(ctx context.Context, i id) ([]byte, error) {
			b, err := m.Store.Get(ctx, i)
			if err == nil {
				b = append(b, make([]byte, -len(b)&4095)...)
			}
			return b, err
		}
	}, []string{"PutGet"}},

	{"cuts at 64 KiB", func(m *mutant) {
		m.put = func(ctx context.Context, i id, data []byte) error {
			return m.Store.Put(ctx, i, data[:min(len(data), 1<<16)])
		}
	}, []string{"PutGet", "Largest", "TooLarge", "Stat"}},

	{"knows a limit of 1 MiB", func(m *mutant) {
		m.put = func(ctx context.Context, i id, data []byte) error {
			if len(data) > 1<<20+1<<16 {
				return kind.TooLarge
			}
			return m.Store.Put(ctx, i, data)
		}
	}, []string{"Largest"}},

	{"stores under another id than told", func(m *mutant) {
		m.put = func(ctx context.Context, i id, data []byte) error {
			if blockstore.CheckID(i, data) != nil {
				return kind.Unavailable
			}
			return m.Store.Put(ctx, i, data)
		}
	}, []string{"PutWrongName", "Empty"}},

	{"ignores the length of ranges", func(m *mutant) {
		m.ranged = func(ctx context.Context, i id, off, n int64) ([]byte, error) {
			return m.Store.GetRange(ctx, i, off, 1<<62)
		}
	}, []string{"Ranges"}},

	{"fails past the end", func(m *mutant) {
		m.ranged = func(ctx context.Context, i id, off, n int64) ([]byte, error) {
			if at, err := m.Store.Stat(ctx, i); err == nil && off+n > at.Size {
				return nil, kind.Invalid
			}
			return m.Store.GetRange(ctx, i, off, n)
		}
	}, []string{"Ranges"}},

	{"fails the second delete", func(m *mutant) {
		m.del = func(ctx context.Context, i id) error {
			if _, err := m.Store.Stat(ctx, i); err != nil {
				return err
			}
			return m.Store.Delete(ctx, i)
		}
	}, []string{"DeleteTwice"}},

	{"doesn't delete", func(m *mutant) {
		m.del = func(context.Context, id) error { return nil }
	}, []string{"DeleteTwice", "SamePutConcurrently", "Canceled", "UseAfterClose"}},

	{"never takes back what was deleted", func(m *mutant) {
		var mu sync.Mutex
		gone := map[id]bool{}
		m.put = func(ctx context.Context, i id, data []byte) error {
			mu.Lock()
			defer mu.Unlock()
			if gone[i] {
				return nil
			}
			return m.Store.Put(ctx, i, data)
		}
		m.del = func(ctx context.Context, i id) error {
			mu.Lock()
			defer mu.Unlock()
			gone[i] = true
			return m.Store.Delete(ctx, i)
		}
	}, []string{"DeleteThenPut", "PutDeleteRace"}},

	{"stats every block as a page", func(m *mutant) {
		m.stat = func(ctx context.Context, i id) (info, error) {
			at, err := m.Store.Stat(ctx, i)
			at.Size = 4096
			return at, err
		}
	}, []string{"Stat", "PutGet"}},

	{"lists backwards", func(m *mutant) {
		m.list = func(ctx context.Context, after id) iter.Seq2[info, error] {
			all := listAll(ctx, m.Store, after)
			slices.Reverse(all)
			return yieldAll(all)
		}
	}, []string{"ListOrdered", "ListAfter"}},

	{"lists from the start", func(m *mutant) {
		m.list = func(ctx context.Context, after id) iter.Seq2[info, error] { return m.Store.List(ctx, id{}) }
	}, []string{"ListAfter"}},

	{"lists after included", func(m *mutant) {
		m.list = func(ctx context.Context, after id) iter.Seq2[info, error] {
			var all []info
			if at, err := m.Store.Stat(ctx, after); err == nil {
				all = append(all, at)
			}
			return yieldAll(append(all, listAll(ctx, m.Store, after)...))
		}
	}, []string{"ListAfter"}},

	{"lists one page", func(m *mutant) {
		m.list = func(ctx context.Context, after id) iter.Seq2[info, error] {
			all := listAll(ctx, m.Store, after)
			return yieldAll(all[:min(len(all), 10)])
		}
	}, []string{"ListOrdered", "ListAfter", "ListWhilePutting"}},

	{"lists without sizes", func(m *mutant) {
		m.list = func(ctx context.Context, after id) iter.Seq2[info, error] {
			all := listAll(ctx, m.Store, after)
			for i := range all {
				all[i].Size = 0
			}
			return yieldAll(all)
		}
	}, []string{"ListOrdered"}},

	{"keeps its lock when a list is broken off", func(m *mutant) {
		m.list = func(ctx context.Context, after id) iter.Seq2[info, error] {
			return func(yield func(info, error) bool) {
				for _, at := range listAll(ctx, m.Store, after) {
					if !yield(at, nil) {
						m.put = func(context.Context, id, []byte) error { return kind.Unavailable }
						return
					}
				}
			}
		}
	}, []string{"ListBreak"}},

	{"lists as of its opening", func(m *mutant) {
		m.list = func(context.Context, id) iter.Seq2[info, error] { return yieldAll(nil) }
	}, []string{"ListWhilePutting", "Canceled", "UseAfterClose"}},

	{"ignores its context", func(m *mutant) {
		m.put = func(_ context.Context, i id, data []byte) error { return m.Store.Put(m.ctx(), i, data) }
		m.get = func(_ context.Context, i id) ([]byte, error) { return m.Store.Get(m.ctx(), i) }
		m.del = func(_ context.Context, i id) error { return m.Store.Delete(m.ctx(), i) }
	}, []string{"Canceled"}},

	{"takes puts of nothing at the zero id", func(m *mutant) {
		m.put = func(ctx context.Context, i id, data []byte) error {
			if i.IsZero() {
				return nil
			}
			return m.Store.Put(ctx, i, data)
		}
	}, []string{"ZeroID"}},

	{"takes what is too large", func(m *mutant) {
		m.put = func(ctx context.Context, i id, data []byte) error {
			return m.Store.Put(ctx, i, data[:min(len(data), blockstore.MaxBlock)])
		}
	}, []string{"TooLarge"}},

	{"fails the second close", func(m *mutant) {
		closed := false
		m.close = func() error {
			if closed {
				return kind.Closed
			}
			closed = true
			return m.Store.Close()
		}
	}, []string{"CloseTwice"}},

	{"goes on after close", func(m *mutant) {
		m.close = func() error { return nil }
	}, []string{"UseAfterClose"}},

	{"gives torn blocks beside close", func(m *mutant) {
		var closing atomic.Bool
		var once sync.Once
		torn := make(chan struct{})
		m.close = func() error {
			closing.Store(true)
			<-torn
			return m.Store.Close()
		}
		m.get = func(ctx context.Context, i id) ([]byte, error) {
			if !closing.Load() {
				return m.Store.Get(ctx, i)
			}
			once.Do(func() { close(torn) })
			return nil, nil
		}
	}, []string{"CloseWaits"}},

	{"deletes the first of a batch", func(m *mutant) {
		m.deleteBatch = func(ctx context.Context, ids []id) error {
			return blockstore.DeleteBatch(ctx, m.Store, ids[:min(len(ids), 1)])
		}
	}, []string{"DeleteBatch"}},

	{"stops a batch at what is absent", func(m *mutant) {
		m.deleteBatch = func(ctx context.Context, ids []id) error {
			for _, i := range ids {
				if _, err := m.Store.Stat(ctx, i); err != nil {
					return err
				}
				if err := m.Store.Delete(ctx, i); err != nil {
					return err
				}
			}
			return nil
		}
	}, []string{"DeleteBatch"}},

	{"deletes all for a batch", func(m *mutant) {
		m.deleteBatch = func(ctx context.Context, ids []id) error {
			for _, at := range listAll(ctx, m.Store, id{}) {
				ids = append(ids, at.ID)
			}
			return blockstore.DeleteBatch(ctx, m.Store, ids)
		}
	}, []string{"DeleteBatch"}},

	{"stats a batch sorted", func(m *mutant) {
		m.statBatch = func(ctx context.Context, ids []id) ([]info, []error) {
			ids = slices.Clone(ids)
			slices.SortFunc(ids, func(a, b id) int { return bytes.Compare(a[:], b[:]) })
			return blockstore.StatBatch(ctx, m.Store, ids)
		}
	}, []string{"StatBatch"}},

	{"leaves absent blocks out of a batch", func(m *mutant) {
		m.statBatch = func(ctx context.Context, ids []id) (infos []info, errs []error) {
			for _, i := range ids {
				if at, err := m.Store.Stat(ctx, i); err == nil {
					infos, errs = append(infos, at), append(errs, nil)
				}
			}
			return infos, errs
		}
	}, []string{"StatBatch"}},

	{"keeps its first marker", func(m *mutant) {
		m.setMarker = func(ctx context.Context, data []byte) error {
			if old, err := m.Store.Marker(ctx); err == nil && old != nil && len(data) > 0 && len(data) <= blockstore.MaxMarker {
				return nil
			}
			return m.Store.SetMarker(ctx, data)
		}
	}, []string{"MarkerKept", "MarkerSizes"}},

	{"keeps the caller's marker", func(m *mutant) {
		var kept []byte
		m.setMarker = func(_ context.Context, data []byte) error { kept = data; return nil }
		m.marker = func(context.Context) ([]byte, error) { return kept, nil }
	}, []string{"MarkerKept"}},

	{"takes any marker", func(m *mutant) {
		m.setMarker = func(ctx context.Context, data []byte) error {
			return m.Store.SetMarker(ctx, append(data[:min(len(data), blockstore.MaxMarker-1)], 0))
		}
		m.marker = func(ctx context.Context) ([]byte, error) {
			data, err := m.Store.Marker(ctx)
			return data[:max(0, len(data)-1)], err
		}
	}, []string{"MarkerSizes"}},

	{"has markers of 255 bytes", func(m *mutant) {
		m.setMarker = func(ctx context.Context, data []byte) error {
			return m.Store.SetMarker(ctx, data[:min(len(data), 255)])
		}
	}, []string{"MarkerSizes"}},

	{"keeps its marker as a block", func(m *mutant) {
		key := id{1}
		m.setMarker = func(ctx context.Context, data []byte) error {
			return errors.Join(m.Store.Delete(ctx, key), m.Store.Put(ctx, key, data))
		}
		m.marker = func(ctx context.Context) ([]byte, error) { return m.Store.Get(ctx, key) }
	}, []string{"MarkerIsNoBlock"}},

	{"forgets its marker at a delete", func(m *mutant) {
		m.del = func(ctx context.Context, i id) error {
			return errors.Join(m.Store.SetMarker(ctx, []byte{0}), m.Store.Delete(ctx, i))
		}
	}, []string{"MarkerIsNoBlock"}},

	{"writes its marker piece by piece", func(m *mutant) {
		var reads atomic.Int64
		m.marker = func(ctx context.Context) ([]byte, error) { reads.Add(1); return m.Store.Marker(ctx) }
		m.setMarker = func(ctx context.Context, data []byte) error {
			if err := m.Store.SetMarker(ctx, data[:len(data)/2]); err != nil {
				return err
			}
			for before, i := reads.Load(), 0; reads.Load() == before && i < 1000; i++ {
				runtime.Gosched()
			}
			return m.Store.SetMarker(ctx, data)
		}
	}, []string{"MarkerWhole"}},
}

// ctx stands for a context that the mutant forgot.
func (m *mutant) ctx() context.Context { return context.Background() }

func listAll(ctx context.Context, s *memory.Store, after id) (all []info) {
	for at, err := range s.List(ctx, after) {
		if err == nil {
			all = append(all, at)
		}
	}
	return all
}

func yieldAll(all []info) iter.Seq2[info, error] {
	return func(yield func(info, error) bool) {
		for _, at := range all {
			if !yield(at, nil) {
				return
			}
		}
	}
}

func TestMutantsAreCaught(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{"ForwardsOptional": true} // by the test below
	for _, tt := range mutants {
		for _, name := range tt.caught {
			tested[name] = true
			m := &mutant{Store: memory.New()}
			tt.breaks(m)
			if err := checkNamed(t, name).Run(t.Context(), m); err == nil {
				t.Errorf("a store that %s passes %s", tt.name, name)
			}
		}
	}
	for _, check := range storecheck.Checks() {
		if !tested[check.Name] {
			t.Errorf("no broken store shows that %s can fail", check.Name)
		}
	}
}

func checkNamed(t *testing.T, name string) storecheck.Check {
	for _, check := range storecheck.Checks() {
		if check.Name == name {
			return check
		}
	}
	t.Fatalf("no check is called %s", name)
	return storecheck.Check{}
}

// wrapping passes everything through, and names what lies behind it.
type wrapping struct {
	blockstore.Store
	behind blockstore.Store
}

func (w wrapping) Unwrap() blockstore.Store { return w.behind }

// padded adds a byte in front of what is behind it.
type padded struct{ *memory.Store }

func (p padded) Put(ctx context.Context, i id, data []byte) error {
	return p.Store.Put(ctx, i, append([]byte{0}, data...))
}

func TestForwardsOptionalCatchesWrappersThatCannotBePassedBy(t *testing.T) {
	t.Parallel()
	check := checkNamed(t, "ForwardsOptional")
	s := memory.New()
	if err := check.Run(t.Context(), wrapping{s, s}); err != nil {
		t.Error(err)
	}
	if err := check.Run(t.Context(), wrapping{s, memory.New()}); err == nil {
		t.Error("a wrapper of another store than it names passes")
	}
	if err := check.Run(t.Context(), wrapping{padded{s}, s}); err == nil {
		t.Error("a wrapper that changes blocks passes")
	}
}
