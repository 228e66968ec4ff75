package sqlite

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// statement is a prepared statement to be and the field that it goes to.
type statement struct {
	to  **stmt
	sql string
}

func (c *conn) prepareAll(list []statement) error {
	for _, e := range list {
		s, err := c.prepare(e.sql)
		if err != nil {
			return err
		}
		*e.to = s
	}
	return nil
}

// reads are the statements that every connection has: the point reads.
type reads struct {
	slotGet, nodeGet, rootGet, logGet *stmt
	blockGet, chargeGet, identityGet  *stmt
	repairPage, repairCount           *stmt
	sealedGet, sealedPage, sealedSum  *stmt
}

func (r *reads) prepare(c *conn) error {
	return c.prepareAll([]statement{
		{&r.slotGet, "SELECT seq, epoch, ver, owner, rec FROM slot WHERE id = ?"},
		{&r.nodeGet, "SELECT node.data FROM blk JOIN node ON node.n = blk.n WHERE blk.id = ?"},
		{&r.rootGet, "SELECT 1 FROM root WHERE id = ?"},
		{&r.logGet, "SELECT slots FROM log WHERE seq = ?"},
		{&r.blockGet, "SELECT " + blockColumns + " FROM blk WHERE id = ? AND state IS NOT NULL"},
		{&r.chargeGet, "SELECT files, bytes FROM charge WHERE root = ?"},
		{&r.identityGet, "SELECT uuid, nonce FROM identity"},
		{&r.repairPage, "SELECT r.id, b.state FROM repair r LEFT JOIN blk b ON b.id = r.id WHERE r.member = ? AND r.id > ? ORDER BY r.id LIMIT ?"},
		{&r.repairCount, "SELECT member, count(*) FROM repair GROUP BY member"},
		{&r.sealedGet, "SELECT rev FROM sealed WHERE kind = ? AND key = ?"},
		{&r.sealedPage, "SELECT kind, key, rev, data FROM sealed WHERE kind = ? AND (rev, key) > (?, ?) ORDER BY rev, key LIMIT ?"},
		{&r.sealedSum, "SELECT count(*), coalesce(max(rev), 0) FROM sealed WHERE kind = ?"},
	})
}

// slot reads a slot's newest record, with nil Bytes if it is absent.
func (r *reads) slot(id metastore.SlotID) (metastore.Record, error) {
	rec := metastore.Record{ID: id}
	s := r.slotGet
	s.setBlob(1, id[:])
	row, err := s.step()
	if err != nil || !row {
		return rec, err
	}
	defer s.reset()
	rec.Seq, rec.Epoch, rec.Version = uint64(s.int(0)), uint32(s.int(1)), uint64(s.int(2))
	copy(rec.Owner[:], s.lent(3))
	return rec, fill(&rec, s.lent(4))
}

// fill sets a record's bytes, which are lent, and what follows from them.
func fill(rec *metastore.Record, lent []byte) error {
	if len(lent) != metastore.RecordSize {
		return fmt.Errorf("sqlite: record of slot %v has %d bytes: %w", rec.ID, len(lent), kind.Corrupt)
	}
	rec.Bytes = bytes.Clone(lent)
	rec.Hash = sha256.Sum256(rec.Bytes)
	return nil
}

// node reads a node's bytes, nil if it is absent.
func (r *reads) node(id metastore.ID) ([]byte, error) {
	s := r.nodeGet
	s.setBlob(1, id[:])
	row, err := s.step()
	if err != nil || !row {
		return nil, err
	}
	defer s.reset()
	return bytes.Clone(s.lent(0)), nil
}

func (r *reads) isRoot(id metastore.SlotID) (bool, error) {
	r.rootGet.setBlob(1, id[:])
	row, err := r.rootGet.step()
	if row {
		r.rootGet.reset()
	}
	return row, err
}

// charged gives a root's counters, zero if it has none.
func (r *reads) charged(root metastore.SlotID) (files, size int64, err error) {
	s := r.chargeGet
	s.setBlob(1, root[:])
	row, err := s.step()
	if row {
		files, size = s.int(0), s.int(1)
		s.reset()
	}
	return files, size, err
}

func (r *reads) identity() (id metastore.Identity, err error) {
	row, err := r.identityGet.step()
	if err != nil {
		return id, err
	}
	defer r.identityGet.reset()
	if !row || copy(id.UUID[:], r.identityGet.lent(0)) != 16 || copy(id.Nonce[:], r.identityGet.lent(1)) != 16 {
		return id, fmt.Errorf("sqlite: the database has no identity: %w", kind.Corrupt)
	}
	return id, nil
}

const blockColumns = "id, len, state, inline, seen, owner, draft, condemned_at, condemned_seq"

// blockOf reads the columns of blockColumns.
func blockOf(s *stmt) (metastore.Block, error) {
	var b metastore.Block
	if copy(b.ID[:], s.lent(0)) != len(b.ID) {
		return b, fmt.Errorf("sqlite: a block row is damaged: %w", kind.Corrupt)
	}
	b.Len, b.State, b.Inline = s.int(1), metastore.BlockState(s.int(2)), s.int(3) != 0
	b.Seen = timeOf(s.int(4))
	copy(b.Owner[:], s.lent(5))
	copy(b.Draft[:], s.lent(6))
	if at := s.int(7); at != 0 {
		b.CondemnedAt, b.CondemnedSeq = timeOf(at), uint64(s.int(8))
	}
	return b, nil
}

// block reads a row of the block index.
func (r *reads) block(id metastore.ID) (b metastore.Block, there bool, err error) {
	s := r.blockGet
	s.setBlob(1, id[:])
	row, err := s.step()
	if err != nil || !row {
		return b, false, err
	}
	defer s.reset()
	b, err = blockOf(s)
	return b, true, err
}
