package sqlite

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// What the writer does to single rows.

// insertBlock adds a row unless its id has one.
func (t *tx) insertBlock(b *metastore.BlockRow, state metastore.BlockState, d metastore.DraftID, inline bool) (added bool, err error) {
	s := t.blockInsert
	s.setBlob(1, b.ID[:])
	s.setInt(2, b.Len)
	s.setInt(3, int64(state))
	s.setBool(4, inline)
	s.setInt(5, t.now)
	s.setIDOrNull(6, b.Owner[:])
	s.setIDOrNull(7, d[:])
	if err := s.run(); err != nil {
		return false, err
	}
	if t.c.changes() == 0 {
		return false, nil
	}
	t.dirty = true
	t.st.blocks++
	t.st.bytes += b.Len
	return true, nil
}

func (t *tx) setBlockState(id metastore.ID, state metastore.BlockState) error {
	t.dirty = true
	t.blockState.setBlob(1, id[:])
	t.blockState.setInt(2, int64(state))
	return t.blockState.run()
}

// insertKey adds the index row of a directory node, which is the next, unless its
// id has one.
func (t *tx) insertKey(id metastore.ID) (added bool, err error) {
	t.keyInsert.setBlob(1, id[:])
	t.keyInsert.setInt(2, t.st.node+1)
	err = t.keyInsert.run()
	return err == nil && t.c.changes() > 0, err
}

// insertLive is insertKey of a node that is a block, which becomes live.
func (t *tx) insertLive(b *metastore.BlockRow, owner metastore.SlotID) (added bool, err error) {
	s := t.liveInsert
	s.setBlob(1, b.ID[:])
	s.setInt(2, t.st.node+1)
	s.setInt(3, b.Len)
	s.setInt(4, t.now)
	s.setIDOrNull(5, owner[:])
	if err := s.run(); err != nil || t.c.changes() == 0 {
		return false, err
	}
	t.st.blocks++
	t.st.bytes += b.Len
	return true, nil
}

// insertNode adds a node whose index row is there.
func (t *tx) insertNode(n *metastore.NewNode, born uint64) error {
	t.st.node++
	s := t.nodeInsert
	s.need(minBuffer + len(n.Data))
	s.setInt(1, t.st.node)
	s.setBlob(2, n.ID[:])
	s.setIDOrNull(3, n.Slot[:])
	s.setInt(4, int64(born))
	s.setBlob(5, n.Data)
	return s.run()
}

// revive deals with a new directory node that is there already: it lives again if
// it had died.
func (t *tx) revive(id metastore.ID) error {
	_, isBlock, err := t.block(id)
	if err != nil {
		return err
	}
	if isBlock {
		return fmt.Errorf("sqlite: node %v is a block: %w", id, kind.Conflict)
	}
	return t.undie(id)
}

// undie takes a node out of the dead of earlier commits. It reads the whole log:
// nodes are sealed under fresh salts, so that only a repeated request gets here.
func (t *tx) undie(id metastore.ID) error {
	type row struct {
		seq  int64
		dead []byte
	}
	var rows []row
	s := t.deadFind
	s.setBlob(1, id[:])
	for {
		more, err := s.step()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		rows = append(rows, row{s.int(0), bytes.Clone(s.lent(1))})
	}
	for _, r := range rows {
		var kept []byte
		for d := range slices.Chunk(r.dead, 32) {
			if !bytes.Equal(d, id[:]) {
				kept = append(kept, d...)
			}
		}
		if err := t.setDead(r.seq, kept); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) setDead(seq int64, dead []byte) error {
	t.dirty = true
	s := t.deadUpdate
	s.need(minBuffer + len(dead))
	s.setInt(1, seq)
	s.setBlobOrNull(2, dead)
	return s.run()
}

// draftHolds requires the draft's lease.
func (t *tx) draftHolds(d metastore.DraftID) error {
	s := t.draftGet
	s.setBlob(1, d[:])
	row, err := s.step()
	if err != nil {
		return err
	}
	lease := int64(0)
	if row {
		lease = s.int(0)
		s.reset()
	}
	if lease <= t.now {
		return fmt.Errorf("sqlite: the draft's lease has lapsed: %w", kind.Conflict)
	}
	return nil
}

func (t *tx) gateway(g metastore.GatewayID) (ttl time.Duration, lease int64, known bool, err error) {
	s := t.gatewayGet
	s.setBlob(1, g[:])
	row, err := s.step()
	if err != nil || !row {
		return 0, 0, false, err
	}
	defer s.reset()
	return time.Duration(s.int(1)), s.int(0), true, nil
}

// oldestOpen is the smallest of the live gateways' oldest open seqs.
func (t *tx) oldestOpen() (uint64, error) {
	s := t.gatewayOldest
	s.setInt(1, t.now)
	row, err := s.step()
	if err != nil || !row {
		return t.st.seq, err
	}
	defer s.reset()
	return min(t.st.seq, uint64(s.int(0))), nil
}
