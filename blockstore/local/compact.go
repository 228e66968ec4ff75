package local

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Report tells what a compaction gave back to the file system.
type Report struct {
	Segments int   // files removed
	Bytes    int64 // of dead records in them
}

// punchSize is the size from which a deleted record's pages are given back at
// once. A hole costs the file system about as much as removing a file.
const punchSize = 64 << 10

// Compact gives the space of deleted blocks back now, as far as half of a
// segment is dead; of those being written to, too. By itself that happens when
// they have some size.
func (s *Store) Compact(ctx context.Context) (Report, error) {
	if err := s.enter(ctx, "compact"); err != nil {
		return Report{}, err
	}
	defer s.leave()
	s.keeper.work.Lock()
	defer s.keeper.work.Unlock()
	r, err := s.keeper.tidy(ctx, 1)
	if err != nil {
		return r, fmt.Errorf("local: compact: %w", err)
	}
	return r, nil
}

// compact copies what a sealed segment must not lose to the active ones, and
// removes it.
func (s *Store) compact(ctx context.Context, seg *segment) (given int64, err error) {
	entries, err := s.sealedEntries(seg)
	if err != nil {
		return 0, err
	}
	if err := s.moveOn(ctx, seg, entries); err != nil {
		return 0, err
	}
	given = seg.used.Load()
	if err := s.removeSegment(seg); err != nil {
		return 0, fmt.Errorf("segment %d: %w: %w", seg.num, kindOfWrite(err), err)
	}
	for _, e := range entries {
		s.index.forget(e)
	}
	return given, nil
}

func (s *Store) sealedEntries(seg *segment) ([]entry, error) {
	f, err := s.home.segments.Open(segmentName(seg.num))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kindOfRead(err), err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kindOfRead(err), err)
	}
	foot, ok, err := s.readFooter(f, seg.num, info.Size())
	if err != nil || !ok {
		seg.stuck.Store(true)
		return nil, fmt.Errorf("segment %d: its footer is damaged: %w", seg.num, kind.Corrupt)
	}
	return foot.entries, nil
}

// moveOn appends the needed records of a segment elsewhere. They keep their
// sequence numbers, so that whatever is done to a block meanwhile comes after.
func (s *Store) moveOn(ctx context.Context, seg *segment, entries []entry) error {
	copies := copiesOfDeleted(entries)
	g, moving := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, e := range entries {
		if moving.Err() != nil {
			break
		}
		if !s.index.needed(seg.num, e, copies[e.id]) {
			continue
		}
		g.Go(func() error { return s.move(moving, seg, e, copies[e.id]) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err() // with that, not all were begun
}

// move appends one needed record of a segment elsewhere.
func (s *Store) move(ctx context.Context, seg *segment, e entry, copies uint32) error {
	var body []byte
	if e.n != tombstone {
		var err error
		if body, err = s.readRecord(e.id, place{seg.num, e.off, e.n}); err != nil {
			if !s.index.needed(seg.num, e, copies) {
				return nil // deleted meanwhile, and its pages given back
			}
			seg.stuck.Store(true)
			return fmt.Errorf("segment %d: %w", seg.num, err)
		}
	}
	_, err := s.append(ctx, e, body)
	return err
}

// copiesOfDeleted counts the records of each id that has a tombstone in the
// same segment.
func copiesOfDeleted(entries []entry) map[blockstore.ID]uint32 {
	copies := map[blockstore.ID]uint32{}
	for _, e := range entries {
		if e.n == tombstone {
			copies[e.id] = 0
		}
	}
	for _, e := range entries {
		if n, ok := copies[e.id]; ok && e.n != tombstone {
			copies[e.id] = n + 1
		}
	}
	return copies
}

// punch gives the pages of a dead record back to the file system: of a large
// one, or of any when space is short. What is left of it is no record, and its
// id is kept from coming back by a tombstone.
func (s *Store) punch(p place) {
	e := p.entry(blockstore.ID{})
	if p.seg == 0 || p.n < punchSize && !s.tight.Load() {
		return
	}
	from, to := roundUp(e.offset(), page), (e.offset()+e.size())&^(page-1)
	seg := s.segment(p.seg)
	if seg == nil || from >= to {
		return
	}
	f, err := s.home.segments.OpenFile(segmentName(p.seg), os.O_RDWR, 0)
	if err != nil {
		return // compacted away
	}
	defer f.Close()
	if s.disk.punch(f, from, to-from) == nil {
		seg.holes.Add(to - from)
	}
}
