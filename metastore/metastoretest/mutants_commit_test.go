package metastoretest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Mutants of slots, nodes, requests, blocks, leases, collection and views.
func firstMutants() []broken {
	return []broken{
		{"hands out its own slices", func(m *mutant) {
			var mu sync.Mutex
			own := map[metastore.ID][]byte{}
			m.nodes = func(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
				data, err := m.Store.Nodes(ctx, ids)
				mu.Lock()
				defer mu.Unlock()
				for i := range data {
					if data[i] != nil && own[ids[i]] == nil {
						own[ids[i]] = data[i]
					}
					data[i] = own[ids[i]]
				}
				return data, err
			}
		}, []string{"NodeIsACopy"}},
		{"keeps the caller's slices", func(m *mutant) {
			var mu sync.Mutex
			own := map[metastore.ID][]byte{}
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				errs := m.Store.Commit(ctx, reqs...)
				mu.Lock()
				defer mu.Unlock()
				for _, r := range reqs {
					for _, n := range r.Nodes {
						own[n.ID] = n.Data
					}
				}
				return errs
			}
			m.nodes = func(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
				data, err := m.Store.Nodes(ctx, ids)
				mu.Lock()
				defer mu.Unlock()
				for i, id := range ids {
					if data[i] != nil {
						data[i] = bytes.Clone(own[id])
					}
				}
				return data, err
			}
		}, []string{"NodeIsACopy"}},
		{"last writer wins", func(m *mutant) {
			m.each(func(r *metastore.Request) {
				for i, c := range r.Slots {
					recs, _ := m.Store.Slots(context.Background(), []metastore.SlotID{c.ID})
					r.Slots[i].Base = recs[0].Hash
				}
			})
		}, []string{"CreateTwice", "SwapStale", "SwapAbsent", "AllOrNothing", "EachAlone"}},
		{"applies half", func(m *mutant) {
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				errs := m.Store.Commit(ctx, reqs...)
				for i, r := range reqs {
					if errs[i] != nil && len(r.Slots) > 1 {
						m.Store.Commit(ctx, &metastore.Request{Slots: r.Slots[:1]})
					}
				}
				return errs
			}
		}, []string{"AllOrNothing", "SealError"}},
		{"one loser loses all", func(m *mutant) {
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				errs := m.Store.Commit(ctx, reqs...)
				for _, err := range errs {
					if err != nil {
						for i := range errs {
							errs[i] = err
						}
					}
				}
				return errs
			}
		}, []string{"EachAlone", "InOrder"}},
		{"errors without kind", func(m *mutant) {
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				errs := m.Store.Commit(ctx, reqs...)
				for i, err := range errs {
					if err != nil {
						errs[i] = errors.New(err.Error())
					}
				}
				return errs
			}
		}, []string{"SwapStale", "Invalid", "CheckError", "Canceled"}},
		{
			"forgets Check", func(m *mutant) { m.each(func(r *metastore.Request) { r.Check = nil }) },
			[]string{"CheckReads", "CheckError", "EachAlone"},
		},
		{
			"forgets RootState", func(m *mutant) { m.each(func(r *metastore.Request) { r.RootState = nil }) },
			[]string{"RootState", "OnlyConditions"},
		},
		{
			"forgets Dead", func(m *mutant) { m.each(func(r *metastore.Request) { r.Dead = nil }) },
			[]string{"Reap", "ReapSparesPinned", "PinExpires"},
		},
		{"forgets Owner", func(m *mutant) {
			m.each(func(r *metastore.Request) {
				for i := range r.Slots {
					r.Slots[i].Owner = metastore.SlotID{}
				}
			})
		}, []string{"OwnerStays"}},
		{"links anything", func(m *mutant) {
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				errs := m.Store.Commit(ctx, reqs...)
				for i, r := range reqs {
					if len(r.Links) > 0 && kind.Of(errs[i]) == kind.Conflict {
						loose := *r
						loose.Links = nil
						errs[i] = m.Store.Commit(ctx, &loose)[0]
					}
				}
				return errs
			}
		}, []string{"LinkMissing", "LinkOfOtherDraft", "DraftEnded", "DraftLapsed", "DeletedStaysDeleted"}},
		{"counts an empty request", func(m *mutant) {
			var extra uint64
			m.seq = func(ctx context.Context) (uint64, error) {
				extra++
				seq, err := m.Store.Seq(ctx)
				return seq + extra, err
			}
		}, []string{"OnlyConditions", "ViewStandsStill"}},
		{"seq stands still", func(m *mutant) {
			m.seq = func(context.Context) (uint64, error) { return 1, nil }
		}, []string{"SeqGrows"}},
		{"answers slots backwards", func(m *mutant) {
			m.slots = func(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
				recs, err := m.Store.Slots(ctx, ids)
				slices.Reverse(recs)
				return recs, err
			}
		}, []string{"SlotsInOrder"}},
		{"log without its end", func(m *mutant) {
			m.log = func(ctx context.Context, id metastore.SlotID, after uint64) ([]metastore.Record, error) {
				recs, err := m.Store.Log(ctx, id, after)
				return recs[:max(0, len(recs)-1)], err
			}
		}, []string{"Log", "ReapKeepsNewestRecord"}},
		{"registers what is there", func(m *mutant) {
			m.register = func(ctx context.Context, g metastore.GatewayID, d metastore.DraftID, rows []metastore.BlockRow) error {
				for _, r := range rows {
					_ = m.Store.Register(ctx, g, d, []metastore.BlockRow{r})
				}
				return nil
			}
		}, []string{"RegisterTwice", "RegisterAllOrNothing", "DeletedStaysDeleted"}},
		{"silent about lapsed leases", func(m *mutant) {
			m.heartbeat = func(ctx context.Context, g metastore.GatewayID, oldest uint64, ttl time.Duration) error {
				_ = m.Store.Heartbeat(ctx, g, oldest, ttl)
				return nil
			}
		}, []string{"Heartbeat", "HeartbeatRenewsDrafts"}},
		{"forgets what is open", func(m *mutant) {
			m.heartbeat = func(ctx context.Context, g metastore.GatewayID, _ uint64, ttl time.Duration) error {
				return m.Store.Heartbeat(ctx, g, 0, ttl)
			}
		}, []string{"ReapSparesReaders", "BeginDeleteSparesReaders"}},
		{"leases for ever", func(m *mutant) {
			m.heartbeat = func(ctx context.Context, g metastore.GatewayID, oldest uint64, _ time.Duration) error {
				return m.Store.Heartbeat(ctx, g, oldest, time.Hour)
			}
		}, []string{"DraftLapsed", "Heartbeat", "BeginDeleteIgnoresLapsed"}},
		{"condemns the younger", func(m *mutant) {
			m.collector = func(c metastore.Collector) metastore.Collector {
				return &mutantCollector{Collector: c, condemn: func(ctx context.Context, v metastore.View, ids []metastore.ID) (int, error) {
					return c.Condemn(ctx, shiftedView{v, time.Hour}, ids)
				}}
			}
		}, []string{"CondemnSparesYounger"}},
		{"deletes without grace", func(m *mutant) {
			m.collector = func(c metastore.Collector) metastore.Collector {
				return &mutantCollector{Collector: c, begin: func(ctx context.Context, ids []metastore.ID, _ time.Time) ([]metastore.Block, error) {
					return c.BeginDelete(ctx, ids, time.Now().Add(time.Hour))
				}}
			}
		}, []string{"BeginDeleteNeedsGrace"}},
		{"never ends deleting", func(m *mutant) {
			m.collector = func(c metastore.Collector) metastore.Collector {
				return &mutantCollector{Collector: c, end: func(context.Context, []metastore.ID) error { return nil }}
			}
		}, []string{"EndDelete", "EndDeleteDropsInline", "DeletedStaysDeleted"}},
		{"reaps on a dry run", func(m *mutant) {
			m.collector = func(c metastore.Collector) metastore.Collector {
				return &mutantCollector{Collector: c, reap: func(ctx context.Context, keep time.Duration, _ bool) (metastore.Reaped, error) {
					return c.Reap(ctx, keep, false)
				}}
			}
		}, []string{"ReapDryRun"}},
		{"reaps the young", func(m *mutant) {
			m.collector = func(c metastore.Collector) metastore.Collector {
				return &mutantCollector{Collector: c, reap: func(ctx context.Context, _ time.Duration, dry bool) (metastore.Reaped, error) {
					return c.Reap(ctx, 0, dry)
				}}
			}
		}, []string{"ReapSparesYoung"}},
		{"forgets pins", func(m *mutant) {
			m.collector = func(c metastore.Collector) metastore.Collector {
				return &mutantCollector{Collector: c, pin: func(ctx context.Context, _ time.Time, why string) (uint64, error) {
					return c.Pin(ctx, time.Now().Add(-time.Hour), why)
				}}
			}
		}, []string{"ReapSparesPinned", "Pins", "ReapKeepsNewestRecord"}},
		{"views that move", func(m *mutant) {
			m.collector = func(c metastore.Collector) metastore.Collector {
				return &mutantCollector{Collector: c, snapshot: func(ctx context.Context) (metastore.View, error) {
					v, err := c.Snapshot(ctx)
					return looseView{v, m.Store}, err
				}}
			}
		}, []string{"ViewStandsStill", "ViewClosed"}},
		{"deaf to its context", func(m *mutant) {
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				return m.Store.Commit(context.WithoutCancel(ctx), reqs...)
			}
		}, []string{"Canceled"}},
		{"never closes", func(m *mutant) { m.close = func() error { return nil } }, []string{"UseAfterClose"}},
	}
}
