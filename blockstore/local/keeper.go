package local

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
)

// keeper seals segments that are full and compacts those that are mostly dead,
// in a goroutine of its own.
type keeper struct {
	store  *Store
	ctx    context.Context // ends with stop
	cancel context.CancelFunc
	signal chan struct{} // of capacity 1: there may be work
	ended  sync.WaitGroup

	work sync.Mutex // held while sealing and compacting

	mu   sync.Mutex // guards the fields below
	full []*segment // to be sealed
}

func newKeeper(s *Store) *keeper {
	k := &keeper{store: s, signal: make(chan struct{}, 1)}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return k
}

func (k *keeper) start() {
	k.ended.Go(func() {
		for {
			select {
			case <-k.ctx.Done():
				return
			case <-k.signal:
			}
			k.work.Lock()
			_, err := k.tidy(k.ctx, k.store.segmentSize/4)
			k.work.Unlock()
			if err != nil && k.ctx.Err() == nil {
				k.store.log.Error("blocks: space of deleted blocks is not given back", "error", err)
			}
		}
	})
}

// stop ends what is under way, and seals nothing more: the next start does.
func (k *keeper) stop() {
	k.cancel()
	k.ended.Wait()
}

// wake says that there may be work.
func (k *keeper) wake() {
	select {
	case k.signal <- struct{}{}:
	default:
	}
}

// seal hands over a segment that is written to no more.
func (k *keeper) seal(seg *segment) {
	k.mu.Lock()
	k.full = append(k.full, seg)
	k.mu.Unlock()
	k.wake()
}

// tidy seals and compacts until nothing is left to do, and tells what it gave
// back. Segments that are still written to are ended for it if they hold least
// bytes. The lock on work is held.
func (k *keeper) tidy(ctx context.Context, least int64) (r Report, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		retired, err := k.store.retireWasteful(ctx, least)
		if err != nil {
			return r, err
		}
		sealed := k.sealFull()
		seg := k.store.wasteful()
		if seg == nil && !sealed && !retired {
			return r, nil
		}
		if seg == nil {
			continue
		}
		given, err := k.store.compact(ctx, seg)
		if err != nil {
			return r, err
		}
		r.Segments++
		r.Bytes += given
	}
}

// sealFull seals what was handed over, and reports whether there was any.
func (k *keeper) sealFull() bool {
	k.mu.Lock()
	full := k.full
	k.full = nil
	k.mu.Unlock()
	for _, seg := range full {
		if err := k.store.seal(seg); err != nil {
			k.store.log.Warn("blocks: segment not sealed, the next start will scan it", "segment", seg.num, "error", err)
		}
	}
	return len(full) > 0
}

// retireWasteful ends active segments of at least so many bytes that are mostly
// dead, and reports whether there were any. On a disk without room for others
// they stay.
func (s *Store) retireWasteful(ctx context.Context, least int64) (retired bool, err error) {
	for _, l := range s.lanes {
		if seg := l.active(); seg.used.Load() < least || !seg.wasteful() {
			continue
		}
		switch err := l.retire(ctx); {
		case err == nil:
			retired = true
		case !errors.Is(err, kind.NoSpace):
			return retired, err
		}
	}
	return retired, nil
}

// wasteful finds a sealed segment that compaction would do good.
func (s *Store) wasteful() *segment {
	for _, seg := range s.segments() {
		if seg.sealed.Load() && seg.wasteful() {
			return seg
		}
	}
	return nil
}

// seal gives a segment its footer, and the rest of its space back to the file
// system. One without records goes.
func (s *Store) seal(seg *segment) error {
	if seg.sealed.Load() {
		return nil
	}
	seg.mu.Lock()
	entries, end := seg.entries, seg.end
	seg.mu.Unlock()
	defer seg.f.Close()
	if len(entries) == 0 {
		return s.removeSegment(seg)
	}
	f, err := s.home.segments.OpenFile(segmentName(seg.num), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(end); err != nil {
		return err
	}
	if err := s.disk.write(f, s.sums.encodeFooter(footer{seg: seg.num, end: end, entries: entries}), end); err != nil {
		_ = f.Truncate(end)
		return err
	}
	if err := s.disk.sync(f); err != nil {
		return err
	}
	seg.mu.Lock()
	seg.entries = nil
	seg.mu.Unlock()
	seg.sealed.Store(true)
	_ = s.home.index.Remove(checkpointName(seg.num))
	return nil
}

// removeSegment deletes the file of a segment, durably.
func (s *Store) removeSegment(seg *segment) error {
	if err := s.home.segments.Remove(segmentName(seg.num)); err != nil {
		return err
	}
	if err := s.disk.syncDir(s.home.segments); err != nil {
		return err
	}
	s.segMu.Lock()
	delete(s.segs, seg.num)
	s.segMu.Unlock()
	s.files.drop(seg.num)
	return nil
}
