package postgres

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/truckee-fs/truckee/metastore"
)

// writes is what the requests of a batch write. Seqs are counted from 1, the
// batch's first commit, until the server adds what they follow.
type writes struct {
	commits   []commitRow
	entered   map[metastore.SlotID]metastore.Root
	forgotten ids[metastore.SlotID]
}

// commitRow becomes a row of log.
type commitRow struct {
	slots bool
	dead  []metastore.ID
}

func timeOf(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// note takes down what a request writes.
func (t *tx) note(r *metastore.Request, recs []metastore.Record, charges []metastore.ChargeRow) {
	by := len(t.commits) + 1
	t.commits = append(t.commits, commitRow{slots: len(recs) > 0})
	for _, rec := range recs {
		st := t.slots[rec.ID]
		st.current, st.by = rec, by
	}
	// Nodes first: one that is added again and dies again dies by this commit.
	for i := range r.Nodes {
		t.noteNode(&r.Nodes[i], by)
	}
	t.commits[by-1].dead = r.Dead
	for _, c := range charges {
		st := t.charges[c.Root]
		st.ChargeRow, st.changed = c, true
	}
	for _, b := range r.Live {
		b.Owner = r.OwnerOf(b.Owner)
		t.blocks[b.ID] = &blockState{Block: metastore.Block{BlockRow: b, State: metastore.BlockLive, Inline: true}, inserted: true}
	}
	for _, id := range r.Links {
		st := t.blocks[id]
		st.State, st.Owner, st.linked = metastore.BlockLive, r.OwnerOf(st.Owner), true
	}
	t.noteSealed(r, by)
	t.noteRoots(r)
}

// noteNode adds a node, or revives one that is there.
func (t *tx) noteNode(n *metastore.NewNode, by int) {
	st := t.nodes[n.ID]
	if st == nil {
		t.nodes[n.ID] = &nodeState{added: n, by: by}
		return
	}
	for i := range t.commits {
		t.commits[i].dead = slices.DeleteFunc(slices.Clone(t.commits[i].dead), func(id metastore.ID) bool { return id == n.ID })
	}
	for seq, dead := range t.dead {
		var kept []byte
		for id := range slices.Chunk(dead, len(n.ID)) {
			if !bytes.Equal(id, n.ID[:]) {
				kept = append(kept, id...)
			}
		}
		t.dead[seq] = kept
	}
}

func (t *tx) noteRoots(r *metastore.Request) {
	if t.entered == nil {
		t.entered, t.forgotten = make(map[metastore.SlotID]metastore.Root), ids[metastore.SlotID]{}
	}
	for _, id := range r.ForgetRoots {
		t.roots[id] = false
		delete(t.entered, id)
		t.forgotten.add(id)
	}
	for _, root := range r.Roots {
		if _, again := t.entered[root.ID]; !again {
			t.entered[root.ID] = root // one that is in the table keeps what it has
		}
		t.roots[root.ID] = true
	}
}

// exactly, after a part w, has the transaction fail unless w has as many rows as $2.
// Every row is locked or known to be absent: another number is damage.
const exactly = " SELECT 1 / (count(*) = $2::bigint)::int FROM w"

// writeAndCommit is the second round trip. What does not need its seq is written
// first; then the lock of commits is taken, and held to the end of COMMIT, so
// that seqs are in the order in which commits become visible.
func (t *tx) writeAndCommit(ctx context.Context) error {
	b := &pgx.Batch{}
	t.queueSlotRows(b)
	t.queueBlockRows(b)
	t.queueNodeRows(b)
	t.queueRootRows(b)
	t.queueChargeRows(b)
	b.Queue("SELECT pg_advisory_xact_lock($1, $2)", t.s.key, lockCommit)
	t.queueSeqRows(b)
	t.queueSealedRows(b)
	var tag pgconn.CommandTag
	b.Queue("commit").Exec(func(got pgconn.CommandTag) error {
		tag = got
		return nil
	})
	results := t.conn.SendBatch(ctx, b)
	t.onSent()
	err := results.Close()
	if tag.String() == "COMMIT" {
		return nil // what breaks after it does not undo it
	}
	if err == nil {
		err = corrupt("a COMMIT was answered with %q", tag.String())
	}
	return err
}

func (t *tx) queueBlockRows(b *pgx.Batch) {
	var live, linked []*blockState
	size := int64(0)
	for _, st := range t.blocks {
		switch {
		case st.inserted:
			live = append(live, st)
			size += st.Len
		case st.linked:
			linked = append(linked, st)
		}
	}
	if len(live) > 0 {
		ids, owners := blockArrays(live)
		lens := make([]int64, len(live))
		for i, st := range live {
			lens[i] = st.Len
		}
		b.Queue(`INSERT INTO blk (id, len, state, inline, seen, owner)
			SELECT u.id, u.len, 2, true, $4, u.owner FROM unnest($1::bytea[], $2::bigint[], $3::bytea[]) AS u(id, len, owner)`, ids, lens, owners, t.now)
		t.s.queueDifference(b, int64(len(live)), size)
	}
	if len(linked) > 0 {
		ids, owners := blockArrays(linked)
		b.Queue(`WITH w AS (UPDATE blk b SET state = 2, draft = NULL, condemned_at = NULL, condemned_seq = NULL, seen = $1, owner = u.owner
			FROM unnest($3::bytea[], $4::bytea[]) AS u(id, owner) WHERE b.id = u.id RETURNING 1)`+exactly, t.now, len(linked), ids, owners)
	}
}

// blockArrays sorts the rows, as every table's are inserted, and gives their ids
// and owners.
func blockArrays(rows []*blockState) (ids, owners [][]byte) {
	slices.SortFunc(rows, func(a, b *blockState) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for _, st := range rows {
		ids, owners = append(ids, st.ID[:]), append(owners, orNull(st.Owner))
	}
	return ids, owners
}

// queueNodeRows: born is what the seq will be if no other gateway is faster, else
// less, so that a pin keeps the node rather too long.
func (t *tx) queueNodeRows(b *pgx.Batch) {
	var added []*nodeState
	for _, st := range t.nodes {
		if st.added != nil {
			added = append(added, st)
		}
	}
	slices.SortFunc(added, func(a, b *nodeState) int { return bytes.Compare(a.added.ID[:], b.added.ID[:]) })
	ids, slots, data := make([][]byte, len(added)), make([][]byte, len(added)), make([][]byte, len(added))
	born := make([]int64, len(added))
	for i, st := range added {
		ids[i], slots[i], data[i] = st.added.ID[:], orNull(st.added.Slot), st.added.Data
		born[i] = int64(t.base) + int64(st.by)
	}
	if len(added) > 0 {
		b.Queue(`INSERT INTO node (id, slot, born, data)
			SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[])`, ids, slots, born, data)
	}
	for seq, dead := range t.dead {
		if len(dead) == 0 {
			dead = nil
		}
		b.Queue("UPDATE log SET dead = $2 WHERE seq = $1", seq, dead)
	}
}

func (t *tx) queueRootRows(b *pgx.Batch) {
	if len(t.forgotten) > 0 {
		b.Queue("DELETE FROM root WHERE id = ANY($1)", t.forgotten.sorted())
	}
	if len(t.entered) == 0 {
		return
	}
	var ids, sealed [][]byte
	var sources []string
	for _, root := range t.entered {
		if root.Sealed == nil {
			root.Sealed = []byte{}
		}
		ids, sealed, sources = append(ids, root.ID[:]), append(sealed, root.Sealed), append(sources, root.Source)
	}
	b.Queue(`INSERT INTO root (id, sealed, source, seen)
		SELECT u.id, u.sealed, u.source, $4 FROM unnest($1::bytea[], $2::bytea[], $3::text[]) AS u(id, sealed, source)
		ON CONFLICT (id) DO UPDATE SET seen = excluded.seen`, ids, sealed, sources, t.now)
}

// queueChargeRows adds rows after those that counted, and drops these.
func (t *tx) queueChargeRows(b *pgx.Batch) {
	var roots, fresh, old [][]byte
	var numbers, files, sizes, oldNumbers []int64
	for _, st := range t.charges {
		if !st.changed {
			continue
		}
		if !st.anchored {
			fresh = append(fresh, st.Root[:])
		}
		if st.n > 0 {
			old, oldNumbers = append(old, st.Root[:]), append(oldNumbers, st.n)
		}
		roots, numbers = append(roots, st.Root[:]), append(numbers, st.n+1)
		files, sizes = append(files, st.Files), append(sizes, st.Bytes)
	}
	if len(fresh) > 0 {
		b.Queue("INSERT INTO charge (root, n, files, bytes) SELECT u.root, 0, 0, 0 FROM unnest($1::bytea[]) AS u(root) ORDER BY u.root", fresh)
	}
	if len(roots) > 0 {
		b.Queue("INSERT INTO charge (root, n, files, bytes) SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[])",
			roots, numbers, files, sizes)
	}
	if len(old) > 0 {
		b.Queue("DELETE FROM charge c USING unnest($1::bytea[], $2::bigint[]) AS u(root, n) WHERE c.root = u.root AND c.n = u.n", old, oldNumbers)
	}
}

// queueSlotRows adds the rows that are locked from now on, and changes owners.
func (t *tx) queueSlotRows(b *pgx.Batch) {
	var fresh, freshOwners, changed, owners [][]byte
	for _, st := range t.writtenSlots() {
		switch {
		case !st.anchored:
			fresh, freshOwners = append(fresh, st.current.ID[:]), append(freshOwners, orNull(st.current.Owner))
		case st.owner != st.current.Owner:
			changed, owners = append(changed, st.current.ID[:]), append(owners, orNull(st.current.Owner))
		}
	}
	if len(fresh) > 0 {
		b.Queue("INSERT INTO slot (id, owner) SELECT * FROM unnest($1::bytea[], $2::bytea[])", fresh, freshOwners)
	}
	if len(changed) > 0 {
		b.Queue(`WITH w AS (UPDATE slot s SET owner = u.owner FROM unnest($1::bytea[], $3::bytea[]) AS u(id, owner)
			WHERE s.id = u.id RETURNING 1)`+exactly, changed, len(changed), owners)
	}
}
