package sqlite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// logEntry is one slot in a log row (schema.go): id, seq of the record before,
// epoch, version, record.
const (
	logEntry   = 32 + 8 + 4 + 8 + metastore.RecordSize
	logPrev    = 32
	logEpoch   = logPrev + 8
	logVersion = logEpoch + 4
	logRecord  = logVersion + 8
)

func appendLogEntry(b []byte, r *metastore.Record, prev uint64) []byte {
	b = append(b, r.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, prev)
	b = binary.BigEndian.AppendUint32(b, r.Epoch)
	b = binary.BigEndian.AppendUint64(b, r.Version)
	return append(b, r.Bytes...)
}

// logged reads a slot's record from the log row of a commit, and the seq of the
// one before; ok is false if the row is not kept any more.
func (r *reads) logged(seq uint64, id metastore.SlotID) (rec metastore.Record, prev uint64, ok bool, err error) {
	s := r.logGet
	s.setInt(1, int64(seq))
	row, err := s.step()
	if err != nil || !row {
		return rec, 0, false, err
	}
	defer s.reset()
	entries := s.lent(0)
	if len(entries)%logEntry != 0 {
		return rec, 0, false, fmt.Errorf("sqlite: log row %d is damaged: %w", seq, kind.Corrupt)
	}
	for e := range slices.Chunk(entries, logEntry) {
		if !bytes.Equal(e[:logPrev], id[:]) {
			continue
		}
		rec = metastore.Record{
			ID: id, Seq: seq,
			Epoch:   binary.BigEndian.Uint32(e[logEpoch:]),
			Version: binary.BigEndian.Uint64(e[logVersion:]),
		}
		return rec, binary.BigEndian.Uint64(e[logPrev:]), true, fill(&rec, e[logRecord:])
	}
	return rec, 0, false, nil
}

// entries gives a log row's records, none if there is no such row.
func (r *reads) entries(seq uint64) ([]byte, error) {
	s := r.logGet
	s.setInt(1, int64(seq))
	row, err := s.step()
	if err != nil || !row {
		return nil, err
	}
	entries := bytes.Clone(s.lent(0))
	s.reset()
	if len(entries)%logEntry != 0 {
		return nil, fmt.Errorf("sqlite: log row %d is damaged: %w", seq, kind.Corrupt)
	}
	return entries, nil
}

// replaced names the slots in a log row whose newest record is another one.
func (r *reads) replaced(seq uint64) (map[metastore.SlotID]bool, error) {
	entries, err := r.entries(seq)
	if err != nil {
		return nil, err
	}
	replaced := map[metastore.SlotID]bool{}
	for e := range slices.Chunk(entries, logEntry) {
		id := metastore.SlotID(e[:logPrev])
		rec, err := r.slot(id)
		if err != nil {
			return nil, err
		}
		if rec.Seq != seq {
			replaced[id] = true
		}
	}
	return replaced, nil
}

// without gives what is left of a log row, and how many records it has less.
func (r *reads) without(row replacedIn) (kept []byte, dropped int, err error) {
	entries, err := r.entries(row.seq)
	if err != nil {
		return nil, 0, err
	}
	for e := range slices.Chunk(entries, logEntry) {
		if row.slots[metastore.SlotID(e[:logPrev])] {
			dropped++
		} else {
			kept = append(kept, e...)
		}
	}
	return kept, dropped, nil
}

// chain gives a slot's records from the newest down as long as want says so and
// the log keeps them, in ascending order.
func (r *reads) chain(id metastore.SlotID, want func(*metastore.Record) bool) ([]metastore.Record, error) {
	rec, err := r.slot(id)
	if err != nil || rec.Bytes == nil || !want(&rec) {
		return nil, err
	}
	recs := []metastore.Record{rec}
	_, prev, ok, err := r.logged(rec.Seq, id)
	for ok && prev != 0 && err == nil {
		var older metastore.Record
		if prev >= recs[len(recs)-1].Seq {
			return nil, fmt.Errorf("sqlite: log of slot %v runs in a circle: %w", id, kind.Corrupt)
		}
		older, prev, ok, err = r.logged(prev, id)
		if !ok || err != nil || !want(&older) {
			break
		}
		older.Owner = rec.Owner
		recs = append(recs, older)
	}
	if err != nil {
		return nil, err
	}
	slices.Reverse(recs)
	return recs, nil
}

// at gives a slot's newest record with a seq up to the one asked, as far as it is kept.
func (r *reads) at(id metastore.SlotID, seq uint64) (rec metastore.Record, there bool, err error) {
	newest, err := r.slot(id)
	if err != nil || newest.Bytes == nil || newest.Seq <= seq {
		return newest, newest.Bytes != nil, err
	}
	for next := newest.Seq; ; {
		older, prev, ok, err := r.logged(next, id)
		if !ok || err != nil {
			return rec, false, err
		}
		if older.Seq <= seq {
			older.Owner = newest.Owner
			return older, true, nil
		}
		if prev == 0 || prev >= next {
			return rec, false, nil
		}
		next = prev
	}
}
