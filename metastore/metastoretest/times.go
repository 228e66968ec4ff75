package metastoretest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

// What seqs and times promise while several write.
func timeChecks() []Check {
	return []Check{
		on("SeqBoundsReads", func(f fixture) error { return seqBoundsReads(f, f) }),
		on("ViewTime", func(f fixture) error { return viewTime(f, f) }),
		on("FarTimes", farTimes),
	}
}

// seqBoundsReads: whoever asks Seq and then reads sees every commit up to it.
func seqBoundsReads(w, r fixture) error {
	const writers, rounds = 4, 25
	slots := make([]metastore.SlotID, writers)
	recs := make([]metastore.Record, writers)
	for i := range slots {
		var err error
		if recs[i], err = w.create(); err != nil {
			return err
		}
		slots[i] = recs[i].ID
	}
	errs := make([]error, writers+1)
	var done atomic.Bool
	var wg, reader sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range rounds {
				if recs[i], errs[i] = w.update(recs[i], metastore.Request{}); errs[i] != nil {
					return
				}
			}
		})
	}
	reader.Go(func() {
		for stop := false; !stop && errs[writers] == nil; {
			stop = done.Load()
			errs[writers] = r.seenUpTo(slots)
		}
	})
	wg.Wait()
	done.Store(true)
	reader.Wait()
	return first(errs...)
}

// seenUpTo: only these slots are written, each commit one of them.
func (f fixture) seenUpTo(slots []metastore.SlotID) error {
	seq, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	recs, err := f.s.Slots(f.ctx, slots)
	if err != nil {
		return err
	}
	newest := uint64(0)
	for _, r := range recs {
		newest = max(newest, r.Seq)
	}
	if newest < seq {
		return fmt.Errorf("seq says %d, slots read after it show %d", seq, newest)
	}
	return nil
}

// viewTime: a change that a view does not see has its seen time at or after the
// view's. Were it earlier, Condemn could take a block that was just linked.
func viewTime(w, r fixture) error {
	const writers, rounds, looks = 4, 30, 25
	ids := make([]metastore.ID, writers)
	for i := range ids {
		b, err := w.live()
		if err != nil {
			return err
		}
		ids[i] = b.ID
	}
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range rounds {
				if errs[i] = w.commit(&metastore.Request{Links: ids[i : i+1]}); errs[i] != nil {
					return
				}
			}
		})
	}
	var all []look
	for range looks {
		l, err := r.look()
		if err != nil {
			break
		}
		all = append(all, l)
		if err = r.notBefore(l, ids); err != nil {
			break
		}
	}
	wg.Wait()
	for _, l := range all {
		if err := r.notBefore(l, ids); err != nil {
			return err
		}
	}
	if len(all) < looks {
		return fmt.Errorf("%d of %d views could be read", len(all), looks)
	}
	return first(errs...)
}

// look is what a view showed.
type look struct {
	at   time.Time
	seen map[metastore.ID]time.Time
}

func (f fixture) look() (look, error) {
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return look{}, err
	}
	defer v.Close()
	l := look{v.Time(), map[metastore.ID]time.Time{}}
	for b, err := range v.AllBlocks(f.ctx) {
		if err != nil {
			return l, err
		}
		l.seen[b.ID] = b.Seen
	}
	return l, nil
}

// notBefore compares what is there now with what a view showed.
func (f fixture) notBefore(l look, ids []metastore.ID) error {
	rows, err := f.s.Blocks(f.ctx, ids)
	if err != nil {
		return err
	}
	for _, b := range rows {
		if !b.Seen.Equal(l.seen[b.ID]) && b.Seen.Before(l.at) {
			return fmt.Errorf("a block was seen at %v, a view of %v does not show it", b.Seen, l.at)
		}
	}
	return nil
}

// farTimes: no lease or pin, however long, wraps around.
func farTimes(f fixture) error {
	const ever = time.Duration(1<<63 - 1)
	g, d := random[metastore.GatewayID](), random[metastore.DraftID]()
	b := metastore.BlockRow{ID: random[metastore.ID](), Len: 1}
	c := f.s.Collector()
	_, pinErr := c.Pin(f.ctx, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), "for ever")
	v, err := c.Snapshot(f.ctx)
	if err := first(pinErr, err); err != nil {
		return err
	}
	defer v.Close()
	pins, err := v.Pins(f.ctx)
	if err == nil && len(pins) != 1 {
		return fmt.Errorf("a pin until the year 9999 has expired")
	}
	_, reaped := c.Reap(f.ctx, ever, false)
	return first(err, reaped,
		f.s.Heartbeat(f.ctx, g, 0, ever), f.s.Heartbeat(f.ctx, g, 0, ever),
		f.s.Register(f.ctx, g, d, []metastore.BlockRow{b}), f.draftLives(d, true),
		f.leads(g, ever, true), f.leads(random[metastore.GatewayID](), time.Hour, false))
}
