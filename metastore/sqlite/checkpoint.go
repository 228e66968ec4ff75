package sqlite

// The write-ahead log is copied into the database when it has reached walTarget:
// nearly all of it beside the commits, what they added meanwhile with the writer
// held. After that the writer starts the log anew in the same file, whose blocks
// are allocated: commits that overwrite sync faster than those that append. Only
// a log that grew past walLimit, because an open view kept it, is cut off.
//
// Half of the pages that a small commit writes are those of indices, whose keys are
// random: the more commits a checkpoint covers, the more often it finds the same page
// again, which it copies once.
const (
	walTarget = 64 << 20
	walLimit  = 192 << 20
)

// walSizes are the two, smaller in tests.
type walSizes struct{ target, limit int64 }

// afterCommit looks at the log's length; the writer is held.
func (s *Store) afterCommit() {
	w := s.w
	wal := w.c.wal()
	if wal == nil {
		return
	}
	if wal.end < w.walEnd {
		w.kickedAt = 0 // the log has begun anew
	}
	w.walEnd = wal.end
	if grown := wal.end - w.kickedAt; grown >= s.walTarget(grown) {
		// If a view keeps this one from copying all, the next is for what comes then.
		w.kickedAt = wal.end
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// walTarget is by how much the log grows between two checkpoints. Where little is
// free, it takes less of that from the database.
func (s *Store) walTarget(grown int64) int64 {
	target := s.walSizes.target
	if half := s.reserve.size / 2; half > 0 && half < target && grown >= half && s.reserve.free() < 2*target {
		return half
	}
	return target
}

// checkpoints runs until kick is closed.
func (s *Store) checkpoints() {
	defer close(s.finished)
	for range s.kick {
		if err := s.checkpoint(); err != nil {
			s.log.Warn("a checkpoint of the metastore did not work; its write-ahead log grows", "error", err)
		}
	}
}

func (s *Store) checkpoint() error {
	if err := s.checkpointBeside(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	mode := int32(checkpointPassive)
	if wal := s.w.c.wal(); wal != nil && wal.size > s.walSizes.limit && !s.hasViews() {
		mode = checkpointTruncate
	}
	return s.w.c.checkpoint(mode)
}

// checkpointBeside copies what it can while commits go on. It must not wait for the
// writer, who may wait for it (renewLog).
func (s *Store) checkpointBeside() error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	c, err := openConn(s.path, gatherVFS)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.exec(settings + "PRAGMA cache_size = -256"); err != nil {
		return err
	}
	s.meet(besideWriter)
	return c.checkpoint(checkpointPassive)
}

// Where tests hold a store.
const (
	besideWriter     = "a checkpoint beside the writer"
	behindCheckpoint = "the writer behind that checkpoint"
)

// meet tells a test where the store is.
func (s *Store) meet(where string) {
	if s.at != nil {
		s.at(where)
	}
}
