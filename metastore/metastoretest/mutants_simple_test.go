package metastoretest_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// answers changes what Commit says of each request.
func answers(change func(r *metastore.Request, err error) error) func(*mutant) {
	return func(m *mutant) {
		m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
			errs := m.Store.Commit(ctx, reqs...)
			for i, r := range reqs {
				errs[i] = change(r, errs[i])
			}
			return errs
		}
	}
}

// refuses makes Commit refuse requests that it should take.
func refuses(which func(m *mutant, r *metastore.Request) bool) func(*mutant) {
	return func(m *mutant) {
		m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
			errs := make([]error, len(reqs))
			for i, r := range reqs {
				if errs[i] = kind.Conflict; !which(m, r) {
					errs[i] = m.Store.Commit(ctx, r)[0]
				}
			}
			return errs
		}
	}
}

func (m *mutant) row(id metastore.ID) metastore.Block {
	rows, _ := m.Store.Blocks(context.Background(), []metastore.ID{id})
	return rows[0]
}

func (m *mutant) has(id metastore.ID) bool {
	data, _ := m.Store.Nodes(context.Background(), []metastore.ID{id})
	return data[0] != nil
}

// Mutants of which each does one simple thing wrong.
func simpleMutants() []broken {
	return []broken{
		{"writes nothing", func(m *mutant) {
			m.commit = func(_ context.Context, reqs ...*metastore.Request) []error { return make([]error, len(reqs)) }
		}, []string{"Create", "Swap", "Nodes", "Link", "Root", "LargeNode", "RootTwice"}},
		{
			"acknowledges whatever comes", answers(func(*metastore.Request, error) error { return nil }),
			[]string{"SwapRace", "SealWrong", "RootNeedsSlot", "RootRefusesTombstone", "TombstoneIsTerminal", "LiveTwice"},
		},
		{"an answer behind", func(m *mutant) {
			var mu sync.Mutex
			last := map[metastore.SlotID]metastore.Record{}
			m.slots = func(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
				recs, err := m.Store.Slots(ctx, ids)
				mu.Lock()
				defer mu.Unlock()
				for i := range recs {
					behind := last[recs[i].ID]
					last[recs[i].ID] = recs[i]
					if behind.Bytes != nil {
						recs[i] = behind
					}
				}
				return recs, err
			}
		}, []string{"Swap", "ManyAtOnce"}},
		{"no answer for what is absent", func(m *mutant) {
			m.slots = func(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
				recs, err := m.Store.Slots(ctx, ids)
				return slices.DeleteFunc(recs, func(r metastore.Record) bool { return r.Bytes == nil }), err
			}
		}, []string{"SlotAbsent"}},
		{"the same record to everybody", func(m *mutant) {
			given := map[metastore.SlotID]metastore.Record{}
			m.slots = func(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
				recs, err := m.Store.Slots(ctx, ids)
				for i, r := range recs {
					if given[r.ID].Seq != r.Seq {
						given[r.ID] = r
					}
					recs[i] = given[r.ID]
				}
				return recs, err
			}
		}, []string{"SlotIsACopy"}},
		{"forgets epochs", func(m *mutant) {
			m.slots = func(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
				recs, err := m.Store.Slots(ctx, ids)
				for i := range recs {
					recs[i].Epoch = 0
				}
				return recs, err
			}
		}, []string{"EpochRises"}},
		{
			"seals on nothing", func(m *mutant) {
				m.each(func(r *metastore.Request) {
					for i, c := range r.Slots {
						seal := c.Seal
						r.Slots[i].Seal = func(old metastore.Record) (metastore.Sealed, error) {
							old.Bytes = nil
							return seal(old)
						}
					}
				})
			},
			[]string{"SealSeesCurrent"},
		},
		{
			"checks before it begins", func(m *mutant) {
				m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
					changed := make([]*metastore.Request, len(reqs))
					for i, r := range reqs {
						c := *r
						if changed[i] = &c; r.Check != nil {
							err := r.Check(ctx, m.Store)
							c.Check = func(context.Context, metastore.Reader) error { return err }
						}
					}
					return m.Store.Commit(ctx, changed...)
				}
			},
			[]string{"CheckSeesEarlierRequests"},
		},
		{"cuts large nodes", func(m *mutant) {
			m.nodes = func(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
				data, err := m.Store.Nodes(ctx, ids)
				for i := range data {
					data[i] = data[i][:min(len(data[i]), 8192)]
				}
				return data, err
			}
		}, []string{"LargeNode"}},
		{"refuses DirMove", refuses(func(_ *mutant, r *metastore.Request) bool { return r.DirMove }), []string{"DirMove"}},
		{
			"refuses a node that is there", refuses(func(m *mutant, r *metastore.Request) bool {
				return slices.ContainsFunc(r.Nodes, func(n metastore.NewNode) bool { return m.has(n.ID) })
			}),
			[]string{"NodeTwice", "ReapSparesRevived"},
		},
		{
			"refuses links of its own", refuses(func(_ *mutant, r *metastore.Request) bool {
				return slices.ContainsFunc(r.Live, func(b metastore.BlockRow) bool { return slices.Contains(r.Links, b.ID) })
			}),
			[]string{"LinkOwnLive"},
		},
		{"links the living only once", func(m *mutant) {
			m.each(func(r *metastore.Request) {
				r.Links = slices.DeleteFunc(slices.Clone(r.Links), func(id metastore.ID) bool { return m.row(id).State == metastore.BlockLive })
			})
		}, []string{"LinkLiveAgain", "LinkBeatsBeginDelete", "CondemnSparesYounger"}},
		{"never revives", func(m *mutant) {
			m.each(func(r *metastore.Request) {
				r.Nodes = slices.DeleteFunc(slices.Clone(r.Nodes), func(n metastore.NewNode) bool { return n.Slot != metastore.SlotID{} && m.has(n.ID) })
			})
		}, []string{"ReapSparesRevived"}},
		{"drops any node named as dead", func(m *mutant) {
			dead := map[metastore.ID]bool{}
			m.each(func(r *metastore.Request) {
				for _, id := range r.Dead {
					dead[id] = true
				}
			})
			m.nodes = func(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
				data, err := m.Store.Nodes(ctx, ids)
				for i, id := range ids {
					if dead[id] {
						data[i] = nil
					}
				}
				return data, err
			}
		}, []string{"ReapSparesLiving", "Reap"}},
		{
			"enters a root anew", func(m *mutant) {
				m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
					for _, r := range reqs {
						for _, root := range r.Roots {
							m.Store.Commit(ctx, &metastore.Request{ForgetRoots: []metastore.SlotID{root.ID}})
						}
					}
					return m.Store.Commit(ctx, reqs...)
				}
			},
			[]string{"RootTwice"},
		},
		{"registers for nobody", func(m *mutant) {
			m.register = func(ctx context.Context, g metastore.GatewayID, _ metastore.DraftID, rows []metastore.BlockRow) error {
				return m.Store.Register(ctx, g, metastore.DraftID{}, rows)
			}
		}, []string{"Register", "Blocks", "Link"}},
		{
			"deletes what is not condemned", withCollector(func(c metastore.Collector, m *mutantCollector) {
				m.begin = func(ctx context.Context, ids []metastore.ID, before time.Time) ([]metastore.Block, error) {
					v, err := c.Snapshot(ctx)
					if err != nil {
						return nil, err
					}
					defer v.Close()
					if _, err := c.Condemn(ctx, shiftedView{v, time.Hour}, ids); err != nil {
						return nil, err
					}
					return c.BeginDelete(ctx, ids, before)
				}
			}),
			[]string{"BeginDeleteNeedsCondemned", "LinkBeatsBeginDelete"},
		},
		{
			"condemns anew", withCollector(func(c metastore.Collector, m *mutantCollector) {
				m.condemn = func(ctx context.Context, v metastore.View, ids []metastore.ID) (int, error) {
					if err := c.Absolve(ctx, ids); err != nil {
						return 0, err
					}
					return c.Condemn(ctx, v, ids)
				}
			}),
			[]string{"CondemnKeepsTime"},
		},
		{
			"never absolves", withCollector(func(_ metastore.Collector, m *mutantCollector) {
				m.absolve = func(context.Context, []metastore.ID) error { return nil }
			}),
			[]string{"Absolve"},
		},
		{
			"pins the newest instead", withCollector(func(c metastore.Collector, m *mutantCollector) {
				m.pinAt = func(ctx context.Context, _ uint64, until time.Time, why string) error {
					_, err := c.Pin(ctx, until, why)
					return err
				}
			}),
			[]string{"PinAt", "PinAtOfTheDropped"},
		},
		{
			"pins what may be gone", withCollector(func(c metastore.Collector, m *mutantCollector) {
				m.pinAt = func(ctx context.Context, seq uint64, until time.Time, why string) error {
					if err := c.PinAt(ctx, seq, until, why); kind.Of(err) != kind.Conflict {
						return err
					}
					return nil
				}
			}),
			[]string{"PinAt", "PinAtOfTheDropped"},
		},
		{
			"pins anew", withCollector(func(c metastore.Collector, m *mutantCollector) {
				m.pinAt = func(ctx context.Context, seq uint64, until time.Time, why string) error {
					if err := c.Unpin(ctx, seq); err != nil {
						return err
					}
					return c.PinAt(ctx, seq, until, why)
				}
			}),
			[]string{"PinAgain"},
		},
		{"closes once", func(m *mutant) {
			closed := false
			m.close = func() error {
				if closed {
					return kind.Closed
				}
				closed = true
				return m.Store.Close()
			}
		}, []string{"CloseTwice", "UseAfterClose"}},
		{"wants something to do", func(m *mutant) {
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				if len(reqs) == 0 {
					return []error{kind.Invalid}
				}
				return m.Store.Commit(ctx, reqs...)
			}
		}, []string{"NothingAsked"}},
	}
}
