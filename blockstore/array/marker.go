package array

import (
	"context"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// learnMarker takes over the marker of a record if it is newer.
func (a *Array) learnMarker(rec *record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if rec.newer(a.gen, a.marker) {
		a.gen, a.marker = rec.gen, rec.marker
	}
}

// recordState is the state for the record of member i.
func (a *Array) recordState(i int) byte {
	state, _ := a.members[i].look()
	switch {
	case state == blockstore.StateRebuilding:
		return recordRebuilding
	case a.Moved():
		return recordMoved
	}
	return recordWhole
}

// writeRecord writes the record of member i.
func (a *Array) writeRecord(ctx context.Context, i int, state byte, marker []byte, gen uint64) error {
	rec := record{
		level: a.level, members: byte(len(a.members)), index: byte(i), state: state,
		array: a.id, gen: gen, marker: marker,
	}
	ctx, cancel := context.WithTimeoutCause(ctx, a.o.ProbeTimeout, errLate)
	defer cancel()
	m := a.members[i]
	if err := blockstore.SetMarker(ctx, m.store, rec.encode()); err != nil {
		return fmt.Errorf("member %s: write its record: %w", m.name, silent(ctx, err))
	}
	return nil
}

// getMarker gives the newest marker that was set on the array, as far as the
// members that answer know it.
func (a *Array) getMarker(ctx context.Context) ([]byte, error) {
	if err := a.lockMarker(ctx); err != nil {
		return nil, err
	}
	defer a.unlockMarker()
	if err := a.refresh(ctx); err != nil {
		return nil, fmt.Errorf("%v: marker: %w", a.level, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.marker) == 0 {
		return nil, nil
	}
	return append([]byte{}, a.marker...), nil
}

func (a *Array) lockMarker(ctx context.Context) error {
	select {
	case a.markerMu <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%v: marker: %w", a.level, ctx.Err())
	}
}

func (a *Array) unlockMarker() { <-a.markerMu }

// refresh reads the records of all members that are in use, so that what another
// gateway has set is known. It needs as many answers as may not be missing.
func (a *Array) refresh(ctx context.Context) error {
	errs := make([]error, len(a.members))
	var wg sync.WaitGroup
	for i, m := range a.members {
		wg.Go(func() {
			ctx, cancel := context.WithTimeoutCause(ctx, a.o.ProbeTimeout, errLate)
			defer cancel()
			errs[i] = a.do(ctx, m, func(ctx context.Context, s blockstore.Store) error {
				rec, err := a.readRecord(ctx, s)
				switch {
				case err != nil:
					return err
				case rec == nil || rec.array != a.id || int(rec.index) != i:
					return kind.Errorf(kind.Unavailable, "it has no record of this array any more")
				case int(rec.members) > len(a.members):
					return a.errGrown(rec)
				}
				a.learnMarker(rec)
				return nil
			})
		})
	}
	wg.Wait()
	return a.tolerable(ctx, errs, len(a.members)-a.Spare(len(a.members)))
}

// tolerable is nil if at least need of the members' errors are.
func (a *Array) tolerable(ctx context.Context, errs []error, need int) error {
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
		}
	}
	switch {
	case good >= need:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", kind.Unavailable, because(errs...))
}

// setMarker sets the marker on the array: on as many members as a write needs.
// The others get it when they are back.
func (a *Array) setMarker(ctx context.Context, data []byte) error {
	if err := blockstore.CheckMarkerSize(data); err != nil {
		return fmt.Errorf("%v: %w", a.level, err)
	}
	if n := blockstore.MaxMarker - recordSize; len(data) > n {
		return fmt.Errorf("%v: a marker of %d bytes, at most %d: %w", a.level, len(data), n, kind.TooLarge)
	}
	if err := a.lockMarker(ctx); err != nil {
		return err
	}
	defer a.unlockMarker()
	if err := a.refresh(ctx); err != nil {
		return fmt.Errorf("%v: set marker: %w", a.level, err)
	}
	a.mu.Lock()
	gen, marker := a.gen+1, append([]byte{}, data...)
	a.mu.Unlock()
	errs := make([]error, len(a.members))
	var wg sync.WaitGroup
	for i, m := range a.members {
		wg.Go(func() {
			errs[i] = a.do(ctx, m, func(ctx context.Context, _ blockstore.Store) error {
				return a.writeRecord(ctx, i, a.recordState(i), marker, gen)
			})
		})
	}
	wg.Wait()
	if err := a.tolerable(ctx, errs, a.o.Need); err != nil {
		return fmt.Errorf("%v: set marker: %w", a.level, err)
	}
	a.learnMarker(&record{gen: gen, marker: marker})
	return nil
}

// errGrown says that another gateway has added members.
func (a *Array) errGrown(rec *record) error {
	return kind.Errorf(kind.Unavailable, "the array has %d members now, and this gateway knows %d: start it again with all of them", rec.members, len(a.members))
}

// Settled notes that every block lies at the member where it belongs.
func (a *Array) Settled(ctx context.Context) error {
	if err := a.lockMarker(ctx); err != nil {
		return err
	}
	defer a.unlockMarker()
	a.mu.Lock()
	gen, marker := a.gen, a.marker
	a.mu.Unlock()
	for i := range a.members {
		if err := a.writeRecord(ctx, i, recordWhole, marker, gen); err != nil {
			return fmt.Errorf("%v: %w", a.level, err)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.moved = false
	return nil
}
