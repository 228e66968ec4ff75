package filestore_test

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/metastore"
)

// Of several gateways one does a task, once an interval; also after a restart.
func TestTurn(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	var now atomic.Int64 // heartbeats read it, too
	now.Store(time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC).UnixNano())
	clock := func(o *filestore.Options) { o.Now = func() time.Time { return time.Unix(0, now.Load()).UTC() } }
	gateways := []*filestore.FS{s.gateway(clock), s.gateway(clock), s.gateway(clock)}
	turns := func() int {
		t.Helper()
		mine := make([]bool, 4*len(gateways))
		var g errgroup.Group
		for i := range mine {
			g.Go(func() (err error) {
				mine[i], err = gateways[i%len(gateways)].Turn(t.Context(), "test", time.Hour)
				return err
			})
		}
		must(t, g.Wait())
		n := 0
		for _, m := range mine {
			if m {
				n++
			}
		}
		return n
	}
	for step, want := range []int{1, 0, 1, 0} {
		if got := turns(); got != want {
			t.Errorf("step %d: %d gateways do the task, want %d", step, got, want)
		}
		if step == 1 {
			now.Add(int64(time.Hour))
		}
	}
	if mine, err := gateways[0].Turn(t.Context(), "another", time.Hour); err != nil || !mine {
		t.Errorf("another task: %t, %v", mine, err)
	}
	now.Add(int64(59 * time.Minute))
	if mine, err := s.gateway(clock).Turn(t.Context(), "test", time.Hour); err != nil || mine {
		t.Errorf("after a restart: %t, %v", mine, err)
	}
	now.Add(int64(-3 * time.Hour)) // a clock was far ahead
	if got := turns(); got != 1 {
		t.Errorf("after a clock that was wrong: %d gateways do the task", got)
	}
	rows, err := s.meta.SealedRows(t.Context(), 2, metastore.SealedPlace{}, 10)
	must(t, err)
	if len(rows) != 2 {
		t.Fatalf("%d rows of 2 tasks", len(rows))
	}
	var spoil metastore.Request
	for _, r := range rows {
		spoil.Sealed = append(spoil.Sealed, metastore.SealedChange{Kind: 2, Key: r.Key, Base: r.Rev, Data: []byte("spoiled")})
	}
	must(t, s.meta.Commit(t.Context(), &spoil)[0])
	if got := turns(); got != 1 {
		t.Errorf("after the row was spoiled: %d gateways do the task", got)
	}
}
