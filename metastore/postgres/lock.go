package postgres

import (
	"bytes"
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/metastore"
)

// read is what a batch has locked and read, and, as its requests are evaluated one
// after another, what they make of it.
type read struct {
	slots   map[metastore.SlotID]*slotState
	roots   map[metastore.SlotID]bool
	blocks  map[metastore.ID]*blockState
	drafts  map[metastore.DraftID]int64 // leases
	charges map[metastore.SlotID]*chargeState
	nodes   map[metastore.ID]*nodeState
	sealed  map[sealedName]*sealedState
	dead    map[uint64][]byte // by seq: rows of log whose dead are revived
}

type slotState struct {
	anchored bool // the table slot has it
	owner    metastore.SlotID
	stored   metastore.Record // Bytes nil: absent
	current  metastore.Record
	by       int // the commit of the batch that writes it; 0: none
}

type blockState struct {
	metastore.Block // State 0: no row
	inserted        bool
	linked          bool
}

type chargeState struct {
	metastore.ChargeRow
	anchored, changed bool
	n                 int64 // of the row that counts
}

type nodeState struct {
	stored bool
	added  *metastore.NewNode
	by     int // the commit that adds it
}

// lockAndRead is the first round trip. Rows are locked in the order of formats 10
// and each table's in the order of ids. A slot's lock covers its row of root, too:
// whoever writes that has locked the slot.
func (t *tx) lockAndRead(ctx context.Context, ops []*op) error {
	n := nameAll(ops, t.careful)
	t.read = read{
		slots: make(map[metastore.SlotID]*slotState), roots: make(map[metastore.SlotID]bool),
		blocks: make(map[metastore.ID]*blockState), drafts: make(map[metastore.DraftID]int64),
		charges: make(map[metastore.SlotID]*chargeState), nodes: make(map[metastore.ID]*nodeState),
		sealed: make(map[sealedName]*sealedState), dead: make(map[uint64][]byte),
	}
	b := &pgx.Batch{}
	t.s.begin(b)
	if n.dirMove {
		b.Queue("SELECT pg_advisory_xact_lock($1, $2)", t.s.key, lockDirMove)
	}
	t.queueSlots(b, n)
	t.queueBlocks(b, n)
	t.queueCharges(b, n)
	if len(n.nodes) > 0 {
		t.queueNodes(b, n.nodes)
	}
	t.queueSealed(b, n.sealed)
	t.queueLast(b, n)
	return send(ctx, t.conn, b)
}

// lastRow is what is asked for when everything is locked. Each statement sees what
// was committed before it began: the records are read after their slots were locked.
const lastRow = nowNS + " AS now, pg_current_xact_id()::text AS xid, (" + newest + ") AS base"

func (t *tx) queueLast(b *pgx.Batch, n named) {
	if len(n.slots) == 0 {
		b.Queue("SELECT " + lastRow).QueryRow(into(&t.now, &t.xid, &t.base))
		return
	}
	b.Queue("SELECT last.*, "+slotColumns+" FROM (SELECT "+lastRow+" OFFSET 0) AS last LEFT JOIN (slot s CROSS JOIN "+newestRecord+
		") ON s.id = ANY($1)", n.slots.sorted(), int64(anySeq)).Query(t.scanLast)
}

func (t *tx) queueSlots(b *pgx.Batch, n named) {
	for id := range n.roots {
		n.slots.add(id)
	}
	if len(n.slots) > 0 {
		for id := range n.slots {
			t.slots[id] = &slotState{current: metastore.Record{ID: id}}
		}
		array := n.slots.sorted()
		var id, owner []byte
		b.Queue("SELECT id, owner FROM slot WHERE id = ANY($1) ORDER BY id FOR UPDATE", array).Query(each([]any{&id, &owner}, func() error {
			var key metastore.SlotID
			if err := setID(key[:], id, "slot"); err != nil {
				return err
			}
			t.slots[key].anchored = true
			return setOptional(t.slots[key].owner[:], owner, "slot")
		}))
	}
	if len(n.roots) > 0 {
		for id := range n.roots {
			t.roots[id] = false
		}
		var id []byte
		b.Queue("SELECT id FROM root WHERE id = ANY($1)", n.roots.sorted()).Query(each([]any{&id}, func() error {
			var key metastore.SlotID
			err := setID(key[:], id, "root")
			t.roots[key] = true
			return err
		}))
	}
}

func (t *tx) scanLast(rows pgx.Rows) error {
	for rows.Next() {
		var id, owner, rec []byte
		var seq, prev, at, epoch, ver *int64
		if err := rows.Scan(&t.now, &t.xid, &t.base, &id, &seq, &prev, &at, &epoch, &ver, &owner, &rec); err != nil {
			return err
		}
		if seq == nil {
			continue // the one row without a slot
		}
		r := slotRow{Record: metastore.Record{Seq: uint64(*seq), Epoch: uint32(*epoch), Version: uint64(*ver), Bytes: rec}}
		if err := r.identify(id, owner); err != nil {
			return err
		}
		t.slots[r.ID].stored, t.slots[r.ID].current = r.Record, r.Record
	}
	return rows.Err()
}

func (t *tx) queueBlocks(b *pgx.Batch, n named) {
	if len(n.blocks) > 0 {
		for id := range n.blocks {
			t.blocks[id] = &blockState{}
		}
		b.Queue("SELECT "+blockColumns+" FROM blk WHERE id = ANY($1) ORDER BY id FOR UPDATE", n.blocks.sorted()).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				row, err := scanBlock(rows)
				if err != nil {
					return err
				}
				t.blocks[row.ID] = &blockState{Block: row}
			}
			return rows.Err()
		})
	}
	if len(n.drafts) > 0 {
		var id []byte
		var lease int64
		b.Queue("SELECT id, lease FROM draft WHERE id = ANY($1)", n.drafts.sorted()).Query(each([]any{&id, &lease}, func() error {
			var key metastore.DraftID
			err := setID(key[:], id, "draft")
			t.drafts[key] = lease
			return err
		}))
	}
}

func (t *tx) queueCharges(b *pgx.Batch, n named) {
	if len(n.charges) == 0 {
		return
	}
	for id := range n.charges {
		t.charges[id] = &chargeState{ChargeRow: metastore.ChargeRow{Root: id}}
	}
	array := n.charges.sorted()
	var root []byte
	b.Queue("SELECT root FROM charge WHERE root = ANY($1) AND n = 0 ORDER BY root FOR UPDATE", array).Query(each([]any{&root}, func() error {
		var key metastore.SlotID
		err := setID(key[:], root, "charge")
		t.charges[key].anchored = true
		return err
	}))
	var number, files, size int64
	b.Queue(`SELECT c.root, c.n, c.files, c.bytes FROM unnest($1::bytea[]) AS u(root),
		LATERAL (SELECT * FROM charge WHERE charge.root = u.root ORDER BY n DESC LIMIT 1) AS c`, array).
		Query(each([]any{&root, &number, &files, &size}, func() error {
			st := t.charges[metastore.SlotID(root)]
			st.n, st.Files, st.Bytes = number, files, size
			return nil
		}))
}

// queueNodes finds those of the new nodes that are there, and where it is noted
// that they died. The latter reads the whole log: only a repeated request gets here.
func (t *tx) queueNodes(b *pgx.Batch, nodes ids[metastore.ID]) {
	array := nodes.sorted()
	var id []byte
	b.Queue("SELECT id FROM node WHERE id = ANY($1) ORDER BY id FOR UPDATE", array).Query(each([]any{&id}, func() error {
		var key metastore.ID
		err := setID(key[:], id, "node")
		t.nodes[key] = &nodeState{stored: true}
		return err
	}))
	var seq uint64
	var dead []byte
	b.Queue("SELECT seq, dead FROM log WHERE dead IS NOT NULL AND EXISTS (SELECT FROM unnest($1::bytea[]) AS u(id) WHERE position(u.id IN dead) > 0) ORDER BY seq FOR UPDATE", array).
		Query(each([]any{&seq, &dead}, func() error {
			t.dead[seq] = bytes.Clone(dead)
			return nil
		}))
}
