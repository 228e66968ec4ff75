package sqlite

import (
	"context"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

// longLapsed is how long a lapsed gateway is remembered at least, so that it
// hears from Heartbeat that it had lapsed.
const longLapsed = 90 * 24 * time.Hour

// reapLog drops the records of log rows that are older than the cutoff, replaced
// by newer ones, and that no pin needs: those above the oldest pin link its
// records to the newest.
func (r *reaper) reapLog(ctx context.Context) error {
	return r.eachRow(ctx, func(rows []logRow) (bool, error) {
		var drop []replacedIn
		err := r.v.use(ctx, func() error {
			for _, row := range rows {
				if row.at >= r.cutoff {
					break
				}
				if len(r.pins) > 0 && (row.seq > r.pins[0].Seq || r.keep[row.seq]) {
					continue
				}
				replaced, err := r.v.r.replaced(row.seq)
				if err != nil {
					return err
				}
				// A row with nothing in it has waited for its dead to be reaped.
				if len(replaced) > 0 || row.slots == 0 && len(row.dead) == 0 {
					drop = append(drop, replacedIn{row.seq, replaced})
				}
				if r.dryRun {
					r.got.LogRows += len(replaced)
				}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		if !r.dryRun && len(drop) > 0 {
			dropped := 0
			err = r.v.s.change(ctx, func(t *tx) error {
				dropped, err = t.forget(drop)
				return err
			})
			if err != nil {
				return false, err
			}
			r.got.LogRows += dropped
		}
		return rows[len(rows)-1].at < r.cutoff, nil
	})
}

// replacedIn names the records of a log row that were replaced as of a view. What
// is replaced later, a younger pin may need.
type replacedIn struct {
	seq   uint64
	slots map[metastore.SlotID]bool
}

// forget drops those records, and rows that have nothing left.
func (t *tx) forget(rows []replacedIn) (dropped int, err error) {
	for _, row := range rows {
		kept, n, err := t.without(row)
		if err != nil {
			return 0, t.fail(err)
		}
		dropped += n
		t.dirty = true
		s := t.logForget
		s.need(minBuffer + len(kept))
		s.setInt(1, int64(row.seq))
		s.setBlobOrNull(2, kept)
		if err := s.run(); err != nil {
			return 0, err
		}
		s = t.logDelete
		s.setInt(1, int64(row.seq))
		s.setInt(2, int64(t.st.seq))
		if err := s.run(); err != nil {
			return 0, err
		}
	}
	return dropped, nil
}

func (r *reaper) reapLapsed(ctx context.Context, before int64) error {
	return r.v.s.change(ctx, func(t *tx) error {
		for _, s := range []*stmt{t.draftsLapsed, t.gatewaysLapsed} {
			s.setInt(1, before)
			if err := s.run(); err != nil {
				return t.fail(err)
			}
			t.dirty = t.dirty || t.c.changes() > 0
		}
		t.pinsExpired.setInt(1, t.now)
		if err := t.pinsExpired.run(); err != nil {
			return t.fail(err)
		}
		t.dirty = t.dirty || t.c.changes() > 0
		return nil
	})
}
