package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Import implements metastore.Exporter, in one transaction: the write-ahead log
// holds all of it before it goes to the database file, and commits wait.
func (s *Store) Import(ctx context.Context, rows iter.Seq2[metastore.Row, error]) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.w.c.db == 0 {
		return fmt.Errorf("sqlite: %w", kind.Closed)
	}
	if s.reserve.lacking() {
		return errFull
	}
	o := &op{run: func(t *tx) error {
		// A panic of rows must not leave a half to be committed.
		err := fmt.Errorf("sqlite: import: broken off: %w", kind.Other)
		defer func() {
			if err != nil {
				_ = t.fail(err)
			}
		}()
		err = t.fill(ctx, rows)
		return err
	}}
	err := s.transact([]*op{o}, false)
	if o.panicked != nil {
		panic(o.panicked)
	}
	return err
}

// fill imports into the running transaction.
func (t *tx) fill(ctx context.Context, rows iter.Seq2[metastore.Row, error]) error {
	if empty, err := t.empty(); err != nil {
		return err
	} else if !empty {
		return fmt.Errorf("sqlite: import: the metastore is not empty: %w", kind.Conflict)
	}
	i := &importer{tx: t}
	if err := i.prepare(); err != nil {
		return err
	}
	defer i.drop()
	for row, err := range metastore.CheckRows(rows) {
		if err == nil {
			err = ctx.Err()
			if err != nil {
				err = fmt.Errorf("%w: %w", kind.Canceled, err)
			}
		}
		if err == nil {
			err = i.add(row)
		}
		if err != nil {
			return fmt.Errorf("sqlite: import: %w", err)
		}
	}
	return i.finish()
}

// empty: nothing was ever committed or entered; gateways may be there.
func (t *tx) empty() (bool, error) {
	n, err := t.c.queryInt("SELECT EXISTS (SELECT 1 FROM blk) + EXISTS (SELECT 1 FROM draft) + " +
		"EXISTS (SELECT 1 FROM pin) + EXISTS (SELECT 1 FROM charge WHERE root <> x'') + EXISTS (SELECT 1 FROM repair)")
	return n == 0 && t.st.seq == 1, err
}

// importer gathers the rows of log, each of which is made of several imported ones.
type importer struct {
	*tx
	meta metastore.Meta

	seq     uint64 // of the log row being gathered
	at      int64
	entries []byte
	dead    []byte
	newest  int64 // slots whose newest record the log has
	slots   int64

	identitySet, logDead, blockAdd, rootAdd *stmt
}

func (i *importer) statements() []statement {
	return []statement{
		{&i.identitySet, "UPDATE identity SET uuid = ?, nonce = ?, floor = ?"},
		{&i.logDead, "INSERT INTO log (seq, at, dead) VALUES (?1, 0, ?2) ON CONFLICT (seq) DO UPDATE SET dead = excluded.dead"},
		{&i.blockAdd, "INSERT INTO blk (" + blockColumns + ") VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET len = excluded.len, state = excluded.state, " +
			"inline = excluded.inline, seen = excluded.seen, owner = excluded.owner, draft = excluded.draft, condemned_at = excluded.condemned_at, condemned_seq = excluded.condemned_seq"},
		{&i.rootAdd, "INSERT INTO root (id, sealed, source, seen) VALUES (?,?,?,?)"},
	}
}

func (i *importer) prepare() error { return i.c.prepareAll(i.statements()) }

func (i *importer) drop() {
	for _, e := range i.statements() {
		i.c.drop(*e.to)
	}
}

func (i *importer) add(row metastore.Row) error {
	if _, still := row.(metastore.LogRow); !still {
		if err := i.writeLog(); err != nil {
			return err
		}
	}
	if _, still := row.(metastore.DeadRow); !still {
		if err := i.writeDead(); err != nil {
			return err
		}
	}
	switch r := row.(type) {
	case metastore.Meta:
		i.dirty, i.meta, i.st.seq = true, r, r.Seq
		if err := i.c.exec("DELETE FROM log"); err != nil {
			return err
		}
		i.identitySet.setBlob(1, r.Identity.UUID[:])
		i.identitySet.setBlob(2, r.Identity.Nonce[:])
		i.identitySet.setInt(3, int64(r.Seq))
		return i.identitySet.run()
	case metastore.SlotRow:
		i.slots++
		return i.addSlot(&r.Record)
	case metastore.LogRow:
		return i.addLog(&r)
	case metastore.NodeRow:
		return i.addNode(&r)
	case metastore.DeadRow:
		return i.addDead(r)
	case metastore.Block:
		return i.addBlock(&r)
	case metastore.Root:
		s := i.rootAdd
		s.need(minBuffer + len(r.Sealed) + len(r.Source))
		s.setBlob(1, r.ID[:])
		s.setBlob(2, r.Sealed)
		s.setText(3, r.Source)
		s.setInt(4, metastore.Nanos(r.Seen))
		return s.run()
	case metastore.Pin:
		s := i.pinUpsert
		s.need(minBuffer + len(r.Why))
		s.setInt(1, int64(r.Seq))
		s.setInt(2, metastore.Nanos(r.Until))
		s.setText(3, r.Why)
		return s.run()
	case metastore.ChargeRow:
		return i.setCharged(&r)
	case metastore.RepairRow:
		i.repairInsert.setText(1, r.Member)
		i.repairInsert.setBlob(2, r.ID[:])
		return i.repairInsert.run()
	case metastore.SealedRow:
		return i.setSealed(&r)
	}
	return fmt.Errorf("a row of type %T: %w", row, kind.Invalid)
}

func (i *importer) addSlot(r *metastore.Record) error {
	s := i.slotInsert
	s.setBlob(1, r.ID[:])
	s.setInt(2, int64(r.Seq))
	s.setInt(3, int64(r.Epoch))
	s.setInt(4, int64(r.Version))
	s.setIDOrNull(5, r.Owner[:])
	s.setBlob(6, r.Bytes)
	return s.run()
}

func (i *importer) addLog(r *metastore.LogRow) error {
	current, err := i.slot(r.ID)
	if err != nil {
		return err
	}
	if r.Seq > current.Seq || (r.Seq == current.Seq) != bytes.Equal(r.Bytes, current.Bytes) {
		return fmt.Errorf("the log of slot %v does not lead to its record: %w", r.ID, kind.Invalid)
	}
	if r.Seq == current.Seq {
		i.newest++
	}
	if r.Seq != i.seq {
		if err := i.writeLog(); err != nil {
			return err
		}
		i.seq, i.at = r.Seq, metastore.Nanos(r.At)
	}
	i.entries = appendLogEntry(i.entries, &r.Record, r.Prev)
	return nil
}

// writeLog writes the row of log that was gathered.
func (i *importer) writeLog() error {
	if len(i.entries) == 0 {
		return nil
	}
	s := i.logInsert
	s.need(minBuffer + len(i.entries))
	s.setInt(1, int64(i.seq))
	s.setInt(2, i.at)
	s.setBlobOrNull(3, i.entries)
	s.setNull(4)
	i.entries, i.seq = i.entries[:0], 0
	return s.run()
}

func (i *importer) addNode(r *metastore.NodeRow) error {
	// The row of its block, if it is one, comes later.
	added, err := i.insertKey(r.ID)
	if err != nil {
		return err
	}
	if !added {
		return fmt.Errorf("node %v comes twice: %w", r.ID, kind.Invalid)
	}
	return i.insertNode(&metastore.NewNode{ID: r.ID, Data: r.Data, Slot: r.Slot}, r.Born)
}

func (i *importer) addDead(r metastore.DeadRow) error {
	if r.Died != i.seq {
		if err := i.writeDead(); err != nil {
			return err
		}
		i.seq = r.Died
	}
	i.dead = append(i.dead, r.ID[:]...)
	return nil
}

func (i *importer) writeDead() error {
	if len(i.dead) == 0 {
		return nil
	}
	s := i.logDead
	s.need(minBuffer + len(i.dead))
	s.setInt(1, int64(i.seq))
	s.setBlob(2, i.dead)
	i.dead, i.seq = i.dead[:0], 0
	return s.run()
}

func (i *importer) addBlock(b *metastore.Block) error {
	s := i.blockAdd
	s.setBlob(1, b.ID[:])
	s.setInt(2, b.Len)
	s.setInt(3, int64(b.State))
	s.setBool(4, b.Inline)
	s.setInt(5, metastore.Nanos(b.Seen))
	s.setIDOrNull(6, b.Owner[:])
	s.setIDOrNull(7, b.Draft[:])
	if b.CondemnedAt.IsZero() {
		s.setNull(8)
		s.setNull(9)
	} else {
		s.setInt(8, metastore.Nanos(b.CondemnedAt))
		s.setInt(9, int64(b.CondemnedSeq))
	}
	if b.State == metastore.BlockNew || b.State == metastore.BlockLive {
		i.st.blocks++
		i.st.bytes += b.Len
	}
	return s.run()
}

// finish writes what is still gathered, checks what only the whole shows, and
// lets the log end at the newest commit.
func (i *importer) finish() error {
	if err := i.writeLog(); err != nil {
		return err
	}
	if err := i.writeDead(); err != nil {
		return err
	}
	if i.newest != i.slots {
		return fmt.Errorf("sqlite: import: %d of %d slots are not logged: %w", i.slots-i.newest, i.slots, kind.Invalid)
	}
	return i.c.exec(fmt.Sprintf("INSERT INTO log (seq, at) VALUES (%d, 0) ON CONFLICT DO NOTHING", i.meta.Seq))
}
