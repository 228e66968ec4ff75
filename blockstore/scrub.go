package blockstore

import (
	"context"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
)

// Scrub asks the Maintainer that s is, or that it wraps. A store that is none is
// listed, and every block read and held against check, or CheckID if nil: it has
// nothing to repair from, so what is damaged is reported.
func Scrub(ctx context.Context, s Store, check Check, o ScrubOptions, report func(Finding)) (Totals, error) {
	if m, ok := As[Maintainer](s); ok {
		return m.Scrub(ctx, o, report)
	}
	if check == nil {
		check = CheckID
	}
	var t Totals
	rate := pace.New(o.Rate)
	tell := pace.Every(time.Second)
	for info, err := range s.List(ctx, o.After) {
		if err != nil {
			return t, err
		}
		if err := rate.Wait(ctx, info.Size); err != nil {
			return t, err
		}
		if err := scrubOne(ctx, s, check, info.ID, &t, report); err != nil {
			return t, err
		}
		t.Blocks++
		t.Bytes += info.Size
		t.Last = info.ID
		if o.Progress != nil && tell() {
			o.Progress(t)
		}
	}
	return t, nil
}

// scrubOne reads one block, and reports what is wrong with it. What was deleted
// since it was listed is no finding.
func scrubOne(ctx context.Context, s Store, check Check, id ID, t *Totals, report func(Finding)) error {
	block, err := s.Get(ctx, id)
	if err == nil {
		err = check(id, block)
	}
	f := Finding{ID: id, Err: err}
	switch kind.Of(err) {
	case 0, kind.NotExist:
		return nil
	case kind.Canceled, kind.Closed:
		return err
	case kind.Corrupt:
		f.Fault = FaultCorrupt
		t.Lost++
	default:
		f.Fault = FaultUnread
	}
	t.Faults++
	report(f)
	return nil
}

// Check tells whether bytes are what a store should hold under an id: nil, or
// an error of kind Corrupt. CheckID is the one for blocks.
type Check func(id ID, data []byte) error

// Holder is an optional interface of Stores that check what they hold: a
// composition that puts something else than blocks into its members (raid5,
// pieces) tells them so before it uses them. Callers use Holds.
type Holder interface{ Holds(check Check) }

// Holds tells s, and what it wraps, what it is going to hold. A store that
// checks nothing needs not know.
func Holds(s Store, check Check) {
	for s != nil {
		if h, ok := s.(Holder); ok {
			h.Holds(check)
		}
		w, ok := s.(Wrapper)
		if !ok {
			return
		}
		s = w.Unwrap()
	}
}
