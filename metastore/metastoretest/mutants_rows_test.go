package metastoretest_test

import (
	"bytes"
	"context"
	"iter"
	"slices"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
)

// spoilExport drops or changes rows of exports.
func spoilExport(spoil func(metastore.Row) (metastore.Row, bool)) func(*mutant) {
	return func(m *mutant) {
		m.export = func(ctx context.Context) iter.Seq2[metastore.Row, error] {
			return func(yield func(metastore.Row, error) bool) {
				for row, err := range m.all().Export(ctx) {
					keep := true
					if err == nil {
						row, keep = spoil(row)
					}
					if keep && !yield(row, err) {
						return
					}
				}
			}
		}
	}
}

// without drops the rows of one type.
func without[R metastore.Row](row metastore.Row) (metastore.Row, bool) {
	_, is := row.(R)
	return row, !is
}

// Mutants of repair queues, exports and imports, and of the reads that go with them.
func rowMutants() []broken {
	return []broken{
		{"answers blocks backwards", func(m *mutant) {
			m.blocks = func(ctx context.Context, ids []metastore.ID) ([]metastore.Block, error) {
				rows, err := m.Store.Blocks(ctx, ids)
				slices.Reverse(rows)
				return rows, err
			}
		}, []string{"Blocks"}},
		{"invents blocks", func(m *mutant) {
			m.blocks = func(ctx context.Context, ids []metastore.ID) ([]metastore.Block, error) {
				rows, err := m.Store.Blocks(ctx, ids)
				for i := range rows {
					rows[i].State = max(rows[i].State, metastore.BlockNew)
				}
				return rows, err
			}
		}, []string{"Blocks"}},
		{"queues nothing", func(m *mutant) {
			m.add = func(context.Context, string, []metastore.ID) error { return nil }
		}, []string{"Repairs", "RepairsInOrder", "RepairsByMember", "RepairsInvalid"}},
		{"one queue for all", func(m *mutant) {
			m.repairs = func(ctx context.Context, _ string, after metastore.ID, limit int) ([]metastore.ID, error) {
				return m.all().Repairs(ctx, "0", after, limit)
			}
		}, []string{"RepairsByMember", "RepairsInvalid"}},
		{"never ends repairs", func(m *mutant) {
			m.end = func(context.Context, string, []metastore.ID) error { return nil }
		}, []string{"Repairs", "RepairsByMember"}},
		{"gives repairs without their order", func(m *mutant) {
			m.repairs = func(ctx context.Context, member string, after metastore.ID, limit int) ([]metastore.ID, error) {
				ids, err := m.all().Repairs(ctx, member, after, limit)
				slices.Reverse(ids)
				return ids, err
			}
		}, []string{"RepairsInOrder"}},
		{"owes what was collected", func(m *mutant) {
			queue := map[metastore.ID]bool{}
			m.add = func(ctx context.Context, member string, ids []metastore.ID) error {
				for _, id := range ids {
					queue[id] = true
				}
				return m.all().AddRepairs(ctx, member, ids)
			}
			m.repairs = func(_ context.Context, _ string, _ metastore.ID, limit int) ([]metastore.ID, error) {
				var ids []metastore.ID
				for id := range queue {
					ids = append(ids, id)
				}
				slices.SortFunc(ids, func(a, b metastore.ID) int { return bytes.Compare(a[:], b[:]) })
				return ids[:min(limit, len(ids))], nil
			}
		}, []string{"RepairsOfTheLiving"}},
		{"counts what was collected", func(m *mutant) {
			most := int64(0)
			m.count = func(ctx context.Context) (map[string]int64, error) {
				counts, err := m.all().CountRepairs(ctx)
				return map[string]int64{"0": max(most, 7)}, firstError(err, func() { most = counts["0"] })
			}
		}, []string{"RepairsOfTheLiving", "Repairs"}},
		{"exports no log", spoilExport(without[metastore.LogRow]), []string{"Export"}},
		{"exports no nodes", spoilExport(without[metastore.NodeRow]), []string{"Export"}},
		{"exports no blocks", spoilExport(without[metastore.Block]), []string{"Export"}},
		{"exports no roots", spoilExport(without[metastore.Root]), []string{"Export"}},
		{"exports no pins", spoilExport(without[metastore.Pin]), []string{"Export"}},
		{"exports no charges", spoilExport(without[metastore.ChargeRow]), []string{"Export"}},
		{"exports no sealed rows", spoilExport(without[metastore.SealedRow]), []string{"Export", "ExportMany"}},
		{"exports no repairs", spoilExport(without[metastore.RepairRow]), []string{"Export"}},
		{"exports without owners", spoilExport(func(row metastore.Row) (metastore.Row, bool) {
			if s, is := row.(metastore.SlotRow); is {
				s.Owner = metastore.SlotID{}
				row = s
			}
			return row, true
		}), []string{"Export"}},
		{"exports one row less than a page has", func(m *mutant) {
			n := 0
			spoilExport(func(row metastore.Row) (metastore.Row, bool) {
				_, is := row.(metastore.RepairRow)
				if is {
					n++
				}
				return row, !is || n%256 != 0
			})(m)
		}, []string{"ExportMany"}},
		{"exports as it goes", func(m *mutant) {
			m.export = func(ctx context.Context) iter.Seq2[metastore.Row, error] {
				return func(yield func(metastore.Row, error) bool) {
					for place := range 10 {
						for row, err := range m.all().Export(ctx) {
							if err != nil || placeOf(row) == place {
								if !yield(row, err) || err != nil {
									return
								}
							}
						}
					}
				}
			}
		}, []string{"ExportStandsStill"}},
		{"deaf while it exports", func(m *mutant) {
			m.export = func(ctx context.Context) iter.Seq2[metastore.Row, error] {
				return m.all().Export(context.WithoutCancel(ctx))
			}
		}, []string{"Canceled"}},
		{"exports until something breaks it off", func(m *mutant) {
			var stopped error
			m.export = func(ctx context.Context) iter.Seq2[metastore.Row, error] {
				return func(yield func(metastore.Row, error) bool) {
					if stopped != nil {
						yield(nil, stopped)
						return
					}
					for row, err := range m.all().Export(ctx) {
						if !yield(row, err) {
							stopped = context.Canceled
							return
						}
					}
				}
			}
		}, []string{"ExportBreak"}},
		{"imports over what is there", func(m *mutant) {
			m.fill = func(ctx context.Context, rows iter.Seq2[metastore.Row, error]) error {
				fresh := memory.New()
				err := fresh.Import(ctx, rows)
				if err == nil {
					m.Store = fresh
				}
				return err
			}
		}, []string{"ImportNotEmpty"}},
		{"imports half", func(m *mutant) {
			m.fill = func(ctx context.Context, rows iter.Seq2[metastore.Row, error]) (err error) {
				var all []metastore.Row
				for row, e := range rows {
					if err = e; err != nil {
						break
					}
					all = append(all, row)
				}
				if e := m.all().Import(ctx, func(yield func(metastore.Row, error) bool) {
					for _, row := range all {
						if !yield(row, nil) {
							return
						}
					}
				}); err == nil {
					err = e
				}
				return err
			}
		}, []string{"ImportAllOrNothing"}},
		{"imports anything", func(m *mutant) {
			m.fill = func(ctx context.Context, rows iter.Seq2[metastore.Row, error]) error {
				_ = m.all().Import(ctx, rows)
				return nil
			}
		}, []string{"ImportInvalid", "ImportNotEmpty"}},
		{"imports nothing", func(m *mutant) {
			m.fill = func(context.Context, iter.Seq2[metastore.Row, error]) error { return nil }
		}, []string{"Import", "ImportGoesOn", "ImportPanics"}},
		{"swallows panics", func(m *mutant) {
			m.fill = func(ctx context.Context, rows iter.Seq2[metastore.Row, error]) error {
				defer func() { _ = recover() }()
				return m.all().Import(ctx, rows)
			}
		}, []string{"ImportPanics"}},
		{"seq runs ahead", func(m *mutant) {
			m.seq = func(ctx context.Context) (uint64, error) {
				seq, err := m.Store.Seq(ctx)
				return seq + 1, err
			}
		}, []string{"SeqBoundsReads"}},
		{"views older than they say", withCollector(func(c metastore.Collector, m *mutantCollector) {
			m.snapshot = func(ctx context.Context) (metastore.View, error) {
				v, err := c.Snapshot(ctx)
				return shiftedView{v, 3600e9}, err
			}
		}), []string{"ViewTime"}},
	}
}

func firstError(err error, then func()) error {
	if err == nil {
		then()
	}
	return err
}

func placeOf(row metastore.Row) int {
	switch row.(type) {
	case metastore.Meta:
		return 0
	case metastore.SlotRow:
		return 1
	case metastore.LogRow:
		return 2
	case metastore.NodeRow:
		return 3
	case metastore.DeadRow:
		return 4
	case metastore.Block:
		return 5
	case metastore.Root:
		return 6
	case metastore.Pin:
		return 7
	case metastore.ChargeRow:
		return 8
	}
	return 9
}
