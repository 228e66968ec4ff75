package postgres

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/jackc/pgx/v5"
)

// seqRows is the one statement that writes all that needs a seq, under the lock of
// commits: the batch's rows of log, which give it, and the new records. A time in log
// is never less than that of the row before. It also sends the hint $13, if there is
// one. The transaction fails unless each of
// the $6 records that replace another one ($8 and $9) replaces the newest: their rows
// of slot are locked, so that anything else is damage.
const seqRows = `WITH l AS (
	INSERT INTO log (seq, at, slots, replaced, dead, batch)
	SELECT newest.seq + u.n, greatest(newest.at, $4), u.slots, u.replaced, u.dead, CASE u.n WHEN 1 THEN $5::bytea END
	FROM (SELECT seq, at FROM log ORDER BY seq DESC LIMIT 1) AS newest,
		unnest($1::boolean[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS u(slots, replaced, dead, n)
	RETURNING seq, at
), b AS (
	SELECT min(seq) - 1 AS base, min(at) AS at FROM l
), r AS (
	INSERT INTO record (id, seq, prev, at, epoch, ver, rec)
	SELECT u.id, b.base + u.n, u.prev, b.at, u.epoch, u.ver, u.rec
	FROM b, unnest($8::bytea[], $7::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bytea[]) AS u(id, n, prev, epoch, ver, rec)
) SELECT 1 / (count(*) = $6::bigint)::int, CASE WHEN $13::text <> '' THEN pg_notify($14, $13) END
	FROM unnest($8::bytea[], $9::bigint[]) AS u(id, prev)
	WHERE u.prev > 0 AND u.prev = (SELECT record.seq FROM record WHERE record.id = u.id ORDER BY record.seq DESC LIMIT 1)`

func (t *tx) queueSeqRows(b *pgx.Batch) {
	slots, replaced, dead := make([]bool, len(t.commits)), make([][]byte, len(t.commits)), make([][]byte, len(t.commits))
	for i, c := range t.commits {
		slots[i] = c.slots
		for _, id := range c.dead {
			dead[i] = append(dead[i], id[:]...)
		}
	}
	var ids, recs [][]byte
	var by, prev, epochs, versions []int64
	changed := 0
	for _, st := range t.writtenSlots() {
		r := &st.current
		ids, recs, by = append(ids, r.ID[:]), append(recs, r.Bytes), append(by, int64(st.by))
		prev = append(prev, int64(st.stored.Seq))
		epochs, versions = append(epochs, int64(r.Epoch)), append(versions, int64(r.Version))
		if st.stored.Bytes != nil {
			changed++
			list := append(replaced[st.by-1], r.ID[:]...)
			replaced[st.by-1] = binary.BigEndian.AppendUint64(list, st.stored.Seq)
		}
	}
	b.Queue(seqRows, slots, replaced, dead, t.now, t.token[:], changed, by, ids, prev, epochs, versions, recs, t.hint(), t.s.c.channel())
}

// writtenSlots are the slots with new records, in order.
func (t *tx) writtenSlots() []*slotState {
	var list []*slotState
	for _, st := range t.slots {
		if st.by != 0 {
			list = append(list, st)
		}
	}
	slices.SortFunc(list, func(a, b *slotState) int { return bytes.Compare(a.current.ID[:], b.current.ID[:]) })
	return list
}
