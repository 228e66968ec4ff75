package metastore_test

import (
	"context"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
)

// plain is a store without optional interfaces, wrapped one with those of another.
type (
	plain   struct{ metastore.Store }
	wrapped struct{ metastore.Store }
)

func (w wrapped) Unwrap() metastore.Store { return w.Store }

func TestOptionalInterfaces(t *testing.T) {
	bare, whole := plain{memory.New()}, wrapped{wrapped{memory.New()}}
	if _, err := metastore.AsRepairer(bare); kind.Of(err) != kind.Unsupported {
		t.Errorf("repair queue of a plain store: %v", err)
	}
	if _, err := metastore.AsExporter(bare); kind.Of(err) != kind.Unsupported {
		t.Errorf("export of a plain store: %v", err)
	}
	if _, err := metastore.Notify(t.Context(), bare); kind.Of(err) != kind.Unsupported {
		t.Errorf("hints of a plain store: %v", err)
	}
	if metastore.IsExclusive(bare) || !metastore.IsExclusive(whole) {
		t.Error("exclusive: a plain store is not, one in memory is, however wrapped")
	}
	if _, err := metastore.AsRepairer(whole); err != nil {
		t.Error(err)
	}
	if _, err := metastore.AsExporter(whole); err != nil {
		t.Error(err)
	}
	if _, found := metastore.As[metastore.Notifier](nil); found {
		t.Error("no store offers hints")
	}
}

// TestNotifyOfExclusive: nobody else writes, so there is nothing to hint, ever.
func TestNotifyOfExclusive(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := memory.New()
	hints, err := metastore.Notify(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, &metastore.Request{Charges: []metastore.Charge{{Root: metastore.SlotID{1}, Files: 1}}})[0]; err != nil {
		t.Fatal(err)
	}
	select {
	case <-hints:
		t.Error("a hint, or the end")
	default:
	}
	cancel()
	if ids, open := <-hints; open {
		t.Errorf("a hint of %v after the end", ids)
	}
}
