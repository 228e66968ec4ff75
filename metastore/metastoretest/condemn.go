package metastoretest

import (
	"fmt"

	"github.com/truckee-fs/truckee/metastore"
)

func condemnChecks() []Check {
	return []Check{
		on("CondemnSparesYounger", condemnSparesYounger),
		on("CondemnKeepsTime", condemnKeepsTime),
		on("Absolve", absolve),
	}
}

// condemnSparesYounger: what was registered or linked after the mark's view was
// opened stays.
func condemnSparesYounger(f fixture) error {
	before, err := f.live()
	if err != nil {
		return err
	}
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	after, err := f.live()
	if err != nil {
		return err
	}
	if err := f.commit(&metastore.Request{Links: []metastore.ID{before.ID}}); err != nil {
		return err
	}
	n, err := f.s.Collector().Condemn(f.ctx, v, []metastore.ID{before.ID, after.ID, random[metastore.ID]()})
	if err != nil {
		return fmt.Errorf("condemn: %w", err)
	}
	if n != 0 {
		return fmt.Errorf("condemn took %d rows that were seen after its view", n)
	}
	return nil
}

func condemnKeepsTime(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := f.condemn(b.ID); err != nil {
		return err
	}
	was, _, err := f.block(b.ID)
	if err != nil {
		return err
	}
	if was.CondemnedAt.IsZero() || was.State != metastore.BlockLive {
		return fmt.Errorf("condemned row: %+v", was)
	}
	if _, err := f.create(); err != nil { // another commit, so that the seq would differ
		return err
	}
	if err := f.condemn(b.ID); err != nil {
		return err
	}
	now, _, err := f.block(b.ID)
	if err == nil && (!now.CondemnedAt.Equal(was.CondemnedAt) || now.CondemnedSeq != was.CondemnedSeq) {
		return fmt.Errorf("condemned again, the row has time %v seq %d, had %v %d", now.CondemnedAt, now.CondemnedSeq, was.CondemnedAt, was.CondemnedSeq)
	}
	return err
}

func absolve(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := first(f.condemn(b.ID), f.s.Collector().Absolve(f.ctx, []metastore.ID{b.ID, random[metastore.ID]()})); err != nil {
		return err
	}
	now, _, err := f.block(b.ID)
	if err == nil && (!now.CondemnedAt.IsZero() || now.State != metastore.BlockLive) {
		return fmt.Errorf("absolved row: %+v", now)
	}
	return err
}
