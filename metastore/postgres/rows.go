package postgres

import (
	"bytes"
	"crypto/sha256"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/metastore"
)

// slotColumns are what slotRow.scan reads, of a row s of slot and a row r of record.
const slotColumns = "s.id, r.seq, r.prev, r.at, r.epoch, r.ver, s.owner, r.rec"

// newestRecord is the row r that counts for a row s, of those up to the seq $2.
const newestRecord = "LATERAL (SELECT * FROM record WHERE record.id = s.id AND record.seq <= $2 ORDER BY record.seq DESC LIMIT 1) AS r"

// slotRow is a row of slot with its newest row of record.
type slotRow struct {
	metastore.Record
	prev uint64
	at   int64
}

// scan reads the columns of slotColumns; a row that can't be a record is Corrupt.
func (r *slotRow) scan(row pgx.CollectableRow) error {
	var id, owner []byte
	var seq, prev, epoch, ver int64
	*r = slotRow{}
	if err := row.Scan(&id, &seq, &prev, &r.at, &epoch, &ver, &owner, &r.Bytes); err != nil {
		return err
	}
	r.Seq, r.prev, r.Epoch, r.Version = uint64(seq), uint64(prev), uint32(epoch), uint64(ver)
	return r.identify(id, owner)
}

// identify sets a record's ids, checks its bytes and hashes them.
func (r *slotRow) identify(id, owner []byte) error {
	if err := setID(r.ID[:], id, "slot"); err != nil {
		return err
	}
	if err := setOptional(r.Owner[:], owner, "slot"); err != nil {
		return err
	}
	if len(r.Bytes) != metastore.RecordSize {
		return corrupt("the record of slot %v has %d bytes", r.ID, len(r.Bytes))
	}
	r.Hash = sha256.Sum256(r.Bytes)
	return nil
}

func setID(to, id []byte, table string) error {
	if len(id) != len(to) {
		return corrupt("table %s has an id of %d bytes", table, len(id))
	}
	copy(to, id)
	return nil
}

// setOptional is setID for a column that may be NULL: then to stays zero.
func setOptional(to, id []byte, table string) error {
	if id == nil {
		return nil
	}
	return setID(to, id, table)
}

// idArray is ids as a parameter of type bytea[].
func idArray[T ~[32]byte | ~[16]byte](ids []T) [][]byte {
	list := make([][]byte, len(ids))
	for i := range ids {
		switch p := any(&ids[i]).(type) {
		case *metastore.ID:
			list[i] = p[:]
		case *metastore.SlotID:
			list[i] = p[:]
		case *metastore.DraftID:
			list[i] = p[:]
		}
	}
	return list
}

// orNull is an id as a parameter: NULL for one of zeros.
func orNull[T ~[32]byte](id T) []byte {
	if id == (T{}) {
		return nil
	}
	return id[:]
}

const blockColumns = "id, len, state, inline, seen, owner, draft, condemned_at, condemned_seq"

// scanBlock reads the columns of blockColumns.
func scanBlock(row pgx.CollectableRow) (b metastore.Block, err error) {
	var id, owner, draft []byte
	var state int16
	var seen int64
	var condemnedAt, condemnedSeq *int64
	if err := row.Scan(&id, &b.Len, &state, &b.Inline, &seen, &owner, &draft, &condemnedAt, &condemnedSeq); err != nil {
		return b, err
	}
	b.State, b.Seen = metastore.BlockState(state), timeOf(seen)
	if b.State < metastore.BlockNew || b.State > metastore.BlockDeleted {
		return b, corrupt("a block is in state %d", state)
	}
	if condemnedAt != nil && condemnedSeq != nil {
		b.CondemnedAt, b.CondemnedSeq = timeOf(*condemnedAt), uint64(*condemnedSeq)
	}
	for _, err := range []error{setID(b.ID[:], id, "blk"), setOptional(b.Owner[:], owner, "blk"), setOptional(b.Draft[:], draft, "blk")} {
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// inOrder gives what was found for each id, in the order asked; each answer is
// the caller's own.
func inOrder[K comparable, V any](ids []K, found map[K]V, none func(K) V, clone func(V) V) []V {
	list := make([]V, len(ids))
	given := make(map[K]bool, len(found))
	for i, id := range ids {
		v, ok := found[id]
		switch {
		case !ok:
			list[i] = none(id)
		case given[id]:
			list[i] = clone(v)
		default:
			list[i], given[id] = v, true
		}
	}
	return list
}

func copyOf(r metastore.Record) metastore.Record {
	r.Bytes = append([]byte(nil), r.Bytes...)
	return r
}

func compareIDs(a, b metastore.ID) int { return bytes.Compare(a[:], b[:]) }
