package metastoretest_test

import (
	"context"
	"math"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// withCollector spoils the collector.
func withCollector(spoil func(c metastore.Collector, m *mutantCollector)) func(*mutant) {
	return func(m *mutant) {
		m.collector = func(c metastore.Collector) metastore.Collector {
			spoiled := &mutantCollector{Collector: c}
			spoil(c, spoiled)
			return spoiled
		}
	}
}

// spoilCharges changes what is charged.
func spoilCharges(spoil func(*metastore.Charge)) func(*mutant) {
	return func(m *mutant) {
		m.each(func(r *metastore.Request) {
			charges := append([]metastore.Charge{}, r.Charges...)
			for i := range charges {
				spoil(&charges[i])
			}
			r.Charges = charges
		})
	}
}

// Mutants of owners, the root table, charges, identity and the lease to collect.
func rootMutants() []broken {
	return []broken{
		{
			"forgets through which root a change came", func(m *mutant) {
				m.each(func(r *metastore.Request) { r.Owner = metastore.SlotID{} })
			},
			[]string{"OwnerStays", "LinkShares", "ReplaceShares", "InlineBlock"},
		},
		{
			"links for the owner", func(m *mutant) {
				m.each(func(r *metastore.Request) {
					for _, id := range r.Links {
						rows, _ := m.Store.Blocks(context.Background(), []metastore.ID{id})
						r.Owner = rows[0].Owner
					}
				})
			},
			[]string{"LinkShares"},
		},
		{
			"replaces for the owner", func(m *mutant) {
				m.each(func(r *metastore.Request) {
					for _, c := range r.Slots {
						recs, _ := m.Store.Slots(context.Background(), []metastore.SlotID{c.ID})
						r.Owner = recs[0].Owner
					}
				})
			},
			[]string{"ReplaceShares"},
		},
		{
			"makes for whoever is named", func(m *mutant) {
				m.each(func(r *metastore.Request) {
					for _, b := range r.Live {
						r.Owner = b.Owner
					}
				})
			},
			[]string{"OwnerOfOther"},
		},
		{
			"shares nothing", withCollector(func(c metastore.Collector, m *mutantCollector) {
				m.share = func(context.Context, []metastore.ID, []metastore.SlotID) error { return nil }
			}),
			[]string{"Share"},
		},
		{
			"shares blocks only", withCollector(func(c metastore.Collector, m *mutantCollector) {
				m.share = func(ctx context.Context, blocks []metastore.ID, _ []metastore.SlotID) error {
					return c.Share(ctx, blocks, nil)
				}
			}),
			[]string{"Share"},
		},
		{
			"never forgets a root", func(m *mutant) { m.each(func(r *metastore.Request) { r.ForgetRoots = nil }) },
			[]string{"ForgetRoots", "ForgetRootsAllOrNothing"},
		},
		{
			"never charges", func(m *mutant) { m.each(func(r *metastore.Request) { r.Charges = nil }) },
			[]string{"Charge", "ChargeLimit", "ChargesConcurrently", "ChargedOfView", "SetCharged"},
		},
		{
			"knows no limits", spoilCharges(func(c *metastore.Charge) { c.MaxFiles, c.MaxBytes = 0, 0 }),
			[]string{"ChargeLimit", "ChargeBounds", "ChargesInOneCommit", "ChargesConcurrently", "ChargeAllOrNothing"},
		},
		{
			"limits what shrinks", spoilCharges(func(c *metastore.Charge) {
				if c.Bytes < 0 && c.MaxBytes > 0 {
					c.Bytes, c.MaxBytes = 1, 1
				}
			}),
			[]string{"ChargeLimit"},
		},
		{
			"refuses to reach a limit", spoilCharges(func(c *metastore.Charge) { c.MaxFiles = max(c.MaxFiles-1, 0) }),
			[]string{"ChargeLimit", "ChargesConcurrently"},
		},
		{"wraps around", func(m *mutant) {
			m.charged = func(ctx context.Context, root metastore.SlotID) (int64, int64, error) {
				files, bytes, err := m.Store.Charged(ctx, root)
				if bytes == math.MaxInt64 {
					bytes = -2
				}
				return files, bytes, err
			}
		}, []string{"ChargeBounds"}},
		{"charges what it refuses", func(m *mutant) {
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				errs := m.Store.Commit(ctx, reqs...)
				for i, r := range reqs {
					if errs[i] != nil && len(r.Charges) > 0 {
						m.Store.Commit(ctx, &metastore.Request{Charges: r.Charges[:1]})
					}
				}
				return errs
			}
		}, []string{"ChargeAllOrNothing", "ForgetRootsAllOrNothing"}},
		{
			"loses a charge now and then", func(m *mutant) {
				m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
					if len(reqs) == 1 && len(reqs[0].Charges) == 1 && reqs[0].Charges[0].MaxFiles == 57 {
						c := reqs[0].Charges[0]
						files, bytes, err := m.Store.Charged(ctx, c.Root)
						if err == nil {
							if files, bytes, err = c.Add(files, bytes); err == nil {
								err = m.Store.SetCharged(ctx, c.Root, files, bytes/6*3)
							}
						}
						return []error{err}
					}
					return m.Store.Commit(ctx, reqs...)
				}
			},
			[]string{"ChargesConcurrently"},
		},
		{"adds what is to be set", func(m *mutant) {
			m.set = func(ctx context.Context, root metastore.SlotID, files, bytes int64) error {
				return m.Store.Commit(ctx, &metastore.Request{Charges: []metastore.Charge{{Root: root, Files: files, Bytes: bytes}}})[0]
			}
		}, []string{"SetCharged"}},
		{"another each time", func(m *mutant) {
			n := byte(0)
			m.identity = func(ctx context.Context) (metastore.Identity, error) {
				id, err := m.Store.Identity(ctx)
				n++
				id.UUID[0] += n
				return id, err
			}
		}, []string{"Identity", "Nonce"}},
		{
			"takes any nonce", withCollector(func(c metastore.Collector, m *mutantCollector) {
				m.nonce = func(ctx context.Context, old, new [16]byte) error {
					if err := c.SetNonce(ctx, old, new); kind.Of(err) != kind.Conflict {
						return err
					}
					return nil
				}
			}),
			[]string{"Nonce"},
		},
		{
			"lets everybody lead", withCollector(func(c metastore.Collector, m *mutantCollector) {
				m.lead = func(context.Context, metastore.GatewayID, time.Duration) (bool, error) { return true, nil }
			}),
			[]string{"Lead", "LeadLapses", "FarTimes", "Canceled"},
		},
		{
			"leads for ever", withCollector(func(c metastore.Collector, m *mutantCollector) {
				m.lead = func(ctx context.Context, g metastore.GatewayID, _ time.Duration) (bool, error) {
					return c.Lead(ctx, g, time.Hour)
				}
			}),
			[]string{"Lead", "LeadLapses"},
		},
	}
}
