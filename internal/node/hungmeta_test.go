package node

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/metastore"
)

// hungMeta answers nobody.
type hungMeta struct{ metastore.Store }

func (hungMeta) Seq(ctx context.Context) (uint64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// punctual is a blockstore behind a network: it answers nobody whose time is over.
type punctual struct{ blockstore.Store }

func (punctual) Marker(ctx context.Context) ([]byte, error) { return nil, ctx.Err() }

func (punctual) SetMarker(context.Context, []byte) error { return nil }

// A database that doesn't answer doesn't make the blockstore look down.
func TestHealthWithoutAnAnswerOfTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), healthTime)
		defer cancel()
		h := (&Node{Meta: hungMeta{}, Blocks: punctual{memory.New()}}).Health(ctx)
		if h.Ready || h.Metastore != "unavailable" || h.Blockstore.State != string(blockstore.StateOK) {
			t.Errorf("got %+v", h)
		}
	})
}
