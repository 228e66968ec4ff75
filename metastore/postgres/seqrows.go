package postgres

import (
	"bytes"
	"slices"

	"github.com/jackc/pgx/v5"
)

// seqRows is the one statement that writes all that needs a seq, under the lock of
// commits: the batch's rows of log, which give it; what is replaced, into slotlog;
// and the new records. A seq that is a parameter is that of a commit before the
// batch or, below zero, the batch's own, counted from -1. The time of a row of log
// is never less than that of the row before.
const seqRows = `WITH l AS (
	INSERT INTO log (seq, at, slots, dead, batch)
	SELECT newest.seq + u.n, greatest(newest.at, $3), u.slots, u.dead, CASE u.n WHEN 1 THEN $4::bytea END
	FROM (SELECT seq, at FROM log ORDER BY seq DESC LIMIT 1) AS newest, unnest($1::boolean[], $2::bytea[]) WITH ORDINALITY AS u(slots, dead, n)
	RETURNING seq, at
), b AS (
	SELECT min(seq) - 1 AS base, min(at) AS at FROM l
), replaced AS (
	INSERT INTO slotlog (id, seq, until, prev, at, epoch, ver, rec)
	SELECT u.id, CASE WHEN u.seq < 0 THEN b.base - u.seq ELSE u.seq END, b.base - u.until,
		CASE WHEN u.prev < 0 THEN b.base - u.prev ELSE u.prev END, CASE WHEN u.seq < 0 THEN b.at ELSE u.at END, u.epoch, u.ver, u.rec
	FROM b, unnest($6::bytea[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bytea[])
		AS u(id, seq, until, prev, at, epoch, ver, rec)
), changed AS (
	UPDATE slot s SET seq = b.base - u.seq, prev = CASE WHEN u.prev < 0 THEN b.base - u.prev ELSE u.prev END, at = b.at,
		epoch = u.epoch, ver = u.ver, owner = u.owner, rec = u.rec
	FROM b, unnest($14::bytea[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bytea[], $20::bytea[])
		AS u(id, seq, prev, epoch, ver, owner, rec)
	WHERE s.id = u.id AND (u.prev < 0 OR u.prev = s.seq) RETURNING 1
), fresh AS (
	INSERT INTO slot (id, seq, prev, at, epoch, ver, owner, rec)
	SELECT u.id, b.base - u.seq, CASE WHEN u.prev < 0 THEN b.base - u.prev ELSE u.prev END, b.at, u.epoch, u.ver, u.owner, u.rec
	FROM b, unnest($21::bytea[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[], $26::bytea[], $27::bytea[])
		AS u(id, seq, prev, epoch, ver, owner, rec)
) SELECT 1 / (count(*) = $5::bigint)::int FROM changed`

// slotArrays are columns of rows of slot or slotlog.
type slotArrays struct {
	ids, owners, recs                        [][]byte
	seqs, until, prev, ats, epochs, versions []int64
}

func (a *slotArrays) add(r slotRow, seq, prev, until int64) {
	a.ids, a.owners, a.recs = append(a.ids, bytes.Clone(r.ID[:])), append(a.owners, orNull(r.Owner)), append(a.recs, r.Bytes)
	a.seqs, a.until, a.prev, a.ats = append(a.seqs, seq), append(a.until, until), append(a.prev, prev), append(a.ats, r.at)
	a.epochs, a.versions = append(a.epochs, int64(r.Epoch)), append(a.versions, int64(r.Version))
}

// columns are those of a table slot.
func (a *slotArrays) columns() []any {
	return []any{a.ids, a.seqs, a.prev, a.epochs, a.versions, a.owners, a.recs}
}

func (t *tx) queueSeqRows(b *pgx.Batch) {
	slots, dead := make([]bool, len(t.commits)), make([][]byte, len(t.commits))
	for i, c := range t.commits {
		slots[i] = c.slots
		for _, id := range c.dead {
			dead[i] = append(dead[i], id[:]...)
		}
	}
	var replaced, changed, fresh slotArrays
	for _, st := range t.writtenSlots() {
		to, prev := &fresh, int64(0)
		if st.stored.Bytes != nil {
			to, prev = &changed, int64(st.stored.Seq)
			replaced.add(st.stored, int64(st.stored.Seq), int64(st.stored.prev), -int64(st.written[0].by))
		}
		for i, w := range st.written {
			if last := i+1 == len(st.written); last {
				to.add(slotRow{Record: w.Record}, -int64(w.by), prev, 0)
			} else {
				replaced.add(slotRow{Record: w.Record}, -int64(w.by), prev, -int64(st.written[i+1].by))
			}
			prev = -int64(w.by)
		}
	}
	r := &replaced
	b.Queue(seqRows, slices.Concat(
		[]any{slots, dead, t.now, t.token[:], len(changed.ids)},
		[]any{r.ids, r.seqs, r.until, r.prev, r.ats, r.epochs, r.versions, r.recs},
		changed.columns(), fresh.columns())...)
}

// writtenSlots are the slots with new records, in order.
func (t *tx) writtenSlots() []*slotState {
	var list []*slotState
	for _, st := range t.slots {
		if len(st.written) > 0 {
			list = append(list, st)
		}
	}
	slices.SortFunc(list, func(a, b *slotState) int { return bytes.Compare(a.current.ID[:], b.current.ID[:]) })
	return list
}
