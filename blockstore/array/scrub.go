package array

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
)

// sweep is a scrub or a rebuild under way.
type sweep struct {
	a        *Array
	rate     *pace.Pace
	totals   blockstore.Totals
	report   func(blockstore.Finding)
	progress func(blockstore.Totals)
	tell     func() bool
	undone   int // repairs that may succeed another time
}

func (a *Array) newSweep(rate int64, progress func(blockstore.Totals), report func(blockstore.Finding)) *sweep {
	return &sweep{a: a, rate: pace.New(rate), report: report, progress: progress, tell: pace.Every(time.Second)}
}

// found reports a finding.
func (s *sweep) found(f blockstore.Finding) {
	s.totals.Faults++
	if f.Mended {
		s.totals.Mended++
	}
	s.report(f)
}

// passed notes that all up to an id is done.
func (s *sweep) passed(id blockstore.ID) {
	s.totals.Last = id
	if s.progress != nil && s.tell() {
		s.progress(s.totals)
	}
}

// scrub scrubs members that are compositions, then compares what all members
// hold.
func (a *Array) scrub(ctx context.Context, o blockstore.ScrubOptions, report func(blockstore.Finding)) (blockstore.Totals, error) {
	ctx, cancel := a.untilClosed(ctx)
	defer cancel()
	s := a.newSweep(o.Rate, o.Progress, report)
	if err := s.inside(ctx, o); err != nil {
		return s.totals, err
	}
	merge := a.NewMerge(o.After)
	for {
		held, err := merge.Next(ctx)
		if err != nil {
			return s.totals, err
		}
		if len(held) == 0 {
			break
		}
		for len(held) > 0 {
			n := min(len(held), settlePage)
			if err := s.examine(ctx, held[:n]); err != nil {
				return s.totals, err
			}
			s.passed(held[n-1].ID)
			held = held[n:]
		}
	}
	return s.totals, a.unseen(merge)
}

// untilClosed is ctx, ended when the array is about to close too: what may take
// days doesn't hold it up.
func (a *Array) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(a.closing, cancel)
	return ctx, func() { stop(); cancel() }
}

// unseen is the error that says of which members the list is not whole.
func (a *Array) unseen(m *Merge) error {
	if err := because(m.Err...); err != nil {
		return fmt.Errorf("%v: not everything could be looked at: %w: %w", a.level, kind.Unavailable, err)
	}
	return nil
}

// inside scrubs members that are compositions themselves.
func (s *sweep) inside(ctx context.Context, o blockstore.ScrubOptions) error {
	for _, m := range s.a.members {
		inner, ok := blockstore.As[blockstore.Maintainer](m.store)
		if state, _ := m.look(); !ok || !usable(state) {
			continue
		}
		o := o
		if o.Progress != nil {
			o.Progress = func(t blockstore.Totals) { s.progress(add(s.totals, t)) }
		}
		totals, err := inner.Scrub(ctx, o, func(f blockstore.Finding) {
			f.Member = join(m.name, f.Member)
			s.report(f)
		})
		s.totals = add(s.totals, totals)
		if err != nil {
			return fmt.Errorf("%v: member %s: %w", s.a.level, m.name, err)
		}
	}
	s.totals.Last = blockstore.ID{}
	return nil
}

func add(a, b blockstore.Totals) blockstore.Totals {
	return blockstore.Totals{
		Blocks: a.Blocks + b.Blocks, Bytes: a.Bytes + b.Bytes, Faults: a.Faults + b.Faults,
		Mended: a.Mended + b.Mended, Lost: a.Lost + b.Lost, Last: b.Last,
	}
}

// join makes a path of names; those of nested members may be paths already.
func join(name, below string) string {
	switch {
	case below == "":
		return name
	case strings.HasPrefix(below, name+"."):
		return below
	}
	return name + "." + below
}

// examine has the layout look at blocks, and what is suspect repaired.
func (s *sweep) examine(ctx context.Context, held []Held) error {
	found := make([][]Suspect, len(held))
	var wg sync.WaitGroup
	for w := range mendWorkers {
		wg.Go(func() {
			for n := w; n < len(held); n += mendWorkers {
				if s.rate.Wait(ctx, held[n].bytes()) == nil {
					found[n] = s.a.Examine(ctx, held[n])
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%v: %w", s.a.level, err)
	}
	byMember := make([]map[blockstore.ID]Suspect, len(s.a.members))
	for n, h := range held {
		s.totals.Blocks++
		s.totals.Bytes += h.bytes()
		for _, sus := range found[n] {
			if sus.Fault == blockstore.FaultUnread {
				s.found(blockstore.Finding{Member: s.a.Name(sus.Member), ID: h.ID, Fault: sus.Fault, Err: sus.Err})
				continue
			}
			if byMember[sus.Member] == nil {
				byMember[sus.Member] = map[blockstore.ID]Suspect{}
			}
			byMember[sus.Member][h.ID] = sus
		}
	}
	for i, suspects := range byMember {
		if err := s.settle(ctx, i, suspects); err != nil {
			return err
		}
	}
	return nil
}

func (h Held) bytes() (n int64) {
	for _, size := range h.Sizes {
		n += max(size, 0)
	}
	return n
}

// settle queues and makes the repairs of one member, and reports them.
func (s *sweep) settle(ctx context.Context, i int, suspects map[blockstore.ID]Suspect) error {
	if len(suspects) == 0 {
		return nil
	}
	ids := make([]blockstore.ID, 0, len(suspects))
	for id := range suspects {
		ids = append(ids, id)
	}
	if err := s.a.queue.AddRepairs(ctx, s.a.members[i].key, ids); err != nil {
		return fmt.Errorf("%v: note repairs: %w", s.a.level, err)
	}
	var unwanted, broken []blockstore.Finding
	for _, r := range s.a.settle(ctx, i, ids, s.rate) {
		sus := suspects[r.id]
		f := blockstore.Finding{Member: s.a.Name(i), ID: r.id, Fault: sus.Fault, Mended: r.wrote, Err: r.err}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%v: %w", s.a.level, ctx.Err())
		case r.unwanted:
			unwanted = append(unwanted, f)
			continue
		case r.err == nil && !r.wrote:
			continue // written since it was listed
		case kind.Of(r.err) == kind.NotExist && s.goneSince(ctx, r.id):
			continue // deleted since
		case r.err != nil && s.a.final(r.err):
			broken = append(broken, f)
			continue
		case r.err != nil:
			s.undone++
		case sus.Err != nil:
			f.Err = sus.Err
		}
		s.found(f)
	}
	if err := s.lost(ctx, broken); err != nil {
		return err
	}
	return s.strays(ctx, unwanted)
}

// fate asks what is known about the blocks of findings.
func (s *sweep) fate(ctx context.Context, found []blockstore.Finding) ([]blockstore.Fate, error) {
	ids := make([]blockstore.ID, len(found))
	for n, f := range found {
		ids[n] = f.ID
	}
	return s.a.fates(ctx, ids)
}

// lost reports blocks that nothing can be made of: they are lost, unless they
// were never finished.
func (s *sweep) lost(ctx context.Context, found []blockstore.Finding) error {
	fates, err := s.fate(ctx, found)
	for n, fate := range fates {
		f := found[n]
		f.Fault = blockstore.FaultLost
		if fate == blockstore.FateNew {
			f.Fault = blockstore.FaultStray
		} else {
			s.totals.Lost++
		}
		s.found(f)
	}
	return err
}

// goneSince reports whether no member holds anything of a block any more.
func (s *sweep) goneSince(ctx context.Context, id blockstore.ID) bool {
	_, bad, _ := Gather(ctx, s.a, s.a.Order(), 1, func(ctx context.Context, _ int, st blockstore.Store) (blockstore.Info, error) {
		return st.Stat(ctx, id)
	})
	for _, b := range bad {
		if kind.Of(b.Err) != kind.NotExist {
			return false
		}
	}
	return len(bad) == len(s.a.members)
}

// strays deletes what members still hold of blocks that were collected; what
// nobody knows is reported.
func (s *sweep) strays(ctx context.Context, found []blockstore.Finding) error {
	fates, err := s.fate(ctx, found)
	for n, fate := range fates {
		f := found[n]
		f.Fault, f.Member = blockstore.FaultStray, ""
		if fate == blockstore.FateCollected {
			f.Err = s.a.delete(ctx, []blockstore.ID{f.ID})
			f.Mended = f.Err == nil
		}
		s.found(f)
	}
	return err
}
