package node

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/metrics"
)

// committed notes a transaction of the filestore.
func (n *Node) committed(took time.Duration, changes int, refused []kind.Kind) {
	words := make([]string, len(refused))
	for i, k := range refused {
		words[i] = k.Word()
	}
	n.Metrics.Commit(took, changes, words)
}

// figures reads what the node's parts keep themselves.
func (n *Node) figures(ctx context.Context, emit metrics.Emit) {
	f := n.FS.Figures()
	emit(metrics.OpenFiles, float64(f.OpenFiles))
	emit(metrics.DraftBytes, float64(f.DraftBytes))
	emit(metrics.SpoolBytes, float64(f.SpoolBytes))
	emit(metrics.FlightBytes, float64(f.Flight))
	for _, c := range n.FS.Caches() {
		cacheFigures(emit, c.Name, c.Hits, c.Misses, c.Bytes)
	}
	emit(metrics.AccountsFaults, float64(len(n.Accounts.Faults())))
	var blocks, bytes int64
	var err error
	s := n.storeStatus(ctx, func() { blocks, bytes, err = n.usage(ctx) })
	metaFigures(blocks, bytes, err, emit)
	storeFigures(s, emit)
	r, ran := n.FS.LastCollection()
	if !ran {
		return
	}
	emit(metrics.CollectionTime, float64(r.Began.UnixNano())/1e9)
	emit(metrics.CollectionTook, r.Took.Seconds())
	emit(metrics.CollectionDamage, float64(len(r.Damage)))
	for _, c := range []struct {
		class         string
		blocks, bytes int64
	}{
		{"reachable", r.Reachable, r.ReachableBytes},
		{"drafts", r.Drafts, r.DraftBytes},
		{"waiting", r.Waiting, r.WaitingBytes},
		{"held", r.Held, r.HeldBytes},
		{"denied", r.Denied, r.DeniedBytes},
		{"undone", r.Undone, r.UndoneBytes},
		{"deleted", r.Deleted, r.DeletedBytes},
	} {
		emit(metrics.CollectionBlocks, float64(c.blocks), c.class)
		emit(metrics.CollectionBytes, float64(c.bytes), c.class)
	}
}

// cacheFigures tells of one cache.
func cacheFigures(emit metrics.Emit, name string, hits, misses, bytes int64) {
	emit(metrics.CacheLookups, float64(hits), name, "hit")
	emit(metrics.CacheLookups, float64(misses), name, "miss")
	emit(metrics.CacheBytes, float64(bytes), name)
}

// diskCache has the figures of a cache of blocks shown.
func (n *Node) diskCache(name string, stats func() (hits, misses, bytes int64)) {
	n.Metrics.Read(func(_ context.Context, emit metrics.Emit) {
		hits, misses, bytes := stats()
		cacheFigures(emit, name, hits, misses, bytes)
	})
}

// metaFigures tell what the metastore answered, and so whether it answers.
func metaFigures(blocks, bytes int64, err error, emit metrics.Emit) {
	if err != nil {
		emit(metrics.MetastoreUp, 0)
		return
	}
	emit(metrics.MetastoreUp, 1)
	emit(metrics.IndexBlocks, float64(blocks))
	emit(metrics.IndexBytes, float64(bytes))
}

// storeFigures tells of a store and of all below it.
func storeFigures(s blockstore.Status, emit metrics.Emit) {
	emit(metrics.StoreState, 1, s.Name, string(s.State))
	if s.Name != "" {
		emit(metrics.StoreOwed, float64(s.Owed), s.Name)
		emit(metrics.StoreLatency, s.Latency.Seconds(), s.Name)
		emit(metrics.StoreFaults, float64(s.Faults), s.Name)
		emit(metrics.StoreSlow, number(s.Slow), s.Name)
	}
	for _, m := range s.Members {
		storeFigures(m, emit)
	}
}

// number is 1 for true.
func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Health is the answer of /readyz.
type Health struct {
	Ready      bool        `json:"ready"`
	Metastore  string      `json:"metastore"` // "ok", or the kind of error
	Blockstore StoreHealth `json:"blockstore"`
}

// StoreHealth is how a blockstore or a node of it is.
type StoreHealth struct {
	Node   string        `json:"node,omitempty"`
	State  string        `json:"state"`
	Detail string        `json:"detail,omitempty"`
	Owed   int64         `json:"owed,omitempty"`
	Slow   bool          `json:"slow,omitempty"`
	Nodes  []StoreHealth `json:"nodes,omitempty"`
}

// Health asks the stores. A node is ready when both answer, with less
// redundancy than they were made for, too.
func (n *Node) Health(ctx context.Context) Health {
	var err error
	s := n.storeStatus(ctx, func() {
		if _, err = n.Meta.Seq(ctx); err != nil && ctx.Err() != nil {
			err = kind.Unavailable // it didn't answer in time
		}
	})
	return healthOf(err, s)
}

// storeStatus asks the blockstore, beside meta, which asks the metastore: the time
// that one doesn't answer in isn't the other's.
func (n *Node) storeStatus(ctx context.Context, meta func()) blockstore.Status {
	var asked sync.WaitGroup
	asked.Go(meta)
	defer asked.Wait()
	return blockstore.StatusOf(ctx, n.Blocks, blockstore.StatusOptions{})
}

// healthOf is the health of a node whose metastore answered with err.
func healthOf(err error, s blockstore.Status) Health {
	h := Health{Metastore: "ok", Blockstore: storeHealth(s)}
	if err != nil {
		h.Metastore = kind.Of(err).Word()
	}
	h.Ready = err == nil && (s.State == blockstore.StateOK || s.State == blockstore.StateDegraded || s.State == blockstore.StateRebuilding)
	return h
}

func storeHealth(s blockstore.Status) StoreHealth {
	h := StoreHealth{Node: s.Name, State: string(s.State), Detail: s.Detail, Owed: s.Owed, Slow: s.Slow}
	for _, m := range s.Members {
		h.Nodes = append(h.Nodes, storeHealth(m))
	}
	return h
}

// healthTime bounds what a look at the health may take.
const healthTime = 5 * time.Second

// Monitor answers GET of /metrics (Prometheus), /healthz (the process lives) and
// /readyz (the stores answer: 200, else 503).
func (n *Node) Monitor() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", n.Metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthTime)
		defer cancel()
		h := n.Health(ctx)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !h.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(h)
	})
	return mux
}
