package dump

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

// AppendRow appends a row's record body. Two rows say the same if and only if
// their types and their bodies are equal.
func AppendRow(b []byte, row metastore.Row) []byte {
	_, b = appendRow(b, row)
	return b
}

func appendAbout(b []byte, a About) []byte {
	b = appendTime(b, a.Created)
	return append(b, a.Program...)
}

func parseAbout(body []byte) (About, error) {
	p := parser{body}
	a := About{Created: p.time(), Program: string(p.rest())}
	if p.bad() {
		return About{}, corrupt("its first record is too short")
	}
	return a, nil
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(metastore.Nanos(t)))
}

// appendRow gives a row's record type and body (formats 13).
func appendRow(b []byte, row metastore.Row) (kind byte, body []byte) {
	u64 := binary.BigEndian.AppendUint64
	switch r := row.(type) {
	case metastore.Meta:
		b = append(append(b, r.Identity.UUID[:]...), r.Identity.Nonce[:]...)
		return typeMeta, u64(b, r.Seq)
	case metastore.SlotRow:
		b = appendRecord(b, &r.Record)
		return typeSlot, append(b, r.Owner[:]...)
	case metastore.LogRow:
		b = appendRecord(b, &r.Record)
		return typeLog, u64(appendTime(b, r.At), r.Prev)
	case metastore.NodeRow:
		b = append(append(b, r.ID[:]...), r.Slot[:]...)
		return typeNode, append(u64(b, r.Born), r.Data...)
	case metastore.DeadRow:
		return typeDead, u64(append(b, r.ID[:]...), r.Died)
	case metastore.Block:
		return typeBlock, appendBlock(b, &r)
	case metastore.Root:
		b = appendTime(append(b, r.ID[:]...), r.Seen)
		b = binary.BigEndian.AppendUint32(b, uint32(len(r.Source)))
		return typeRoot, append(append(b, r.Source...), r.Sealed...)
	case metastore.Pin:
		return typePin, append(appendTime(u64(b, r.Seq), r.Until), r.Why...)
	case metastore.ChargeRow:
		b = append(b, r.Root[:]...)
		return typeCharge, u64(u64(b, uint64(r.Files)), uint64(r.Bytes))
	case metastore.RepairRow:
		return typeRepair, append(append(b, r.ID[:]...), r.Member...)
	case metastore.SealedRow:
		b = append(append(b, r.Kind), r.Key[:]...)
		return typeSealed, append(u64(b, r.Rev), r.Data...)
	}
	return 0, b // CheckRows has refused it
}

func appendRecord(b []byte, r *metastore.Record) []byte {
	b = append(b, r.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Seq)
	b = binary.BigEndian.AppendUint32(b, r.Epoch)
	b = binary.BigEndian.AppendUint64(b, r.Version)
	return append(b, r.Bytes...)
}

func appendBlock(b []byte, r *metastore.Block) []byte {
	b = append(append(append(b, r.ID[:]...), r.Owner[:]...), r.Draft[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Len))
	inline := byte(0)
	if r.Inline {
		inline = 1
	}
	b = appendTime(append(b, byte(r.State), inline), r.Seen)
	if r.CondemnedAt.IsZero() {
		return append(b, make([]byte, 16)...)
	}
	return binary.BigEndian.AppendUint64(appendTime(b, r.CondemnedAt), r.CondemnedSeq)
}

// parseRow is the way back. Slices are the row's own.
func parseRow(kind byte, body []byte) (metastore.Row, error) {
	p := parser{body}
	var row metastore.Row
	switch kind {
	case typeMeta:
		r := metastore.Meta{}
		p.copy(r.Identity.UUID[:])
		p.copy(r.Identity.Nonce[:])
		r.Seq = p.u64()
		row = r
	case typeSlot:
		r := metastore.SlotRow{Record: p.record()}
		p.copy(r.Owner[:])
		row = r
	case typeLog:
		row = metastore.LogRow{Record: p.record(), At: p.time(), Prev: p.u64()}
	case typeNode:
		r := metastore.NodeRow{}
		p.copy(r.ID[:])
		p.copy(r.Slot[:])
		r.Born = p.u64()
		r.Data = p.rest()
		row = r
	case typeDead:
		r := metastore.DeadRow{}
		p.copy(r.ID[:])
		r.Died = p.u64()
		row = r
	case typeBlock:
		row = p.block()
	case typeRoot:
		r := metastore.Root{}
		p.copy(r.ID[:])
		r.Seen = p.time()
		r.Source = string(p.take(uint64(p.u32())))
		r.Sealed = p.rest()
		row = r
	case typePin:
		row = metastore.Pin{Seq: p.u64(), Until: p.time(), Why: string(p.rest())}
	case typeCharge:
		r := metastore.ChargeRow{}
		p.copy(r.Root[:])
		r.Files, r.Bytes = p.i64(), p.i64()
		row = r
	case typeRepair:
		r := metastore.RepairRow{}
		p.copy(r.ID[:])
		r.Member = string(p.rest())
		row = r
	case typeSealed:
		r := metastore.SealedRow{}
		if t := p.take(1); t != nil {
			r.Kind = t[0]
		}
		p.copy(r.Key[:])
		r.Rev = p.u64()
		r.Data = p.rest()
		row = r
	default:
		return nil, corrupt("a record is of type %d", kind)
	}
	if p.bad() || len(p.b) > 0 {
		return nil, corrupt("a %T has %d bytes", row, len(body))
	}
	return row, nil
}

// parser takes fields from the front of a body; b is nil once one was missing.
type parser struct{ b []byte }

func (p *parser) bad() bool { return p.b == nil }

func (p *parser) take(n uint64) []byte {
	if p.b == nil || uint64(len(p.b)) < n {
		p.b = nil
		return nil
	}
	t := p.b[:n]
	p.b = p.b[n:]
	return t
}

func (p *parser) copy(to []byte) { copy(to, p.take(uint64(len(to)))) }

func (p *parser) rest() []byte {
	return bytes.Clone(p.take(uint64(len(p.b))))
}

func (p *parser) u32() uint32 {
	if t := p.take(4); t != nil {
		return binary.BigEndian.Uint32(t)
	}
	return 0
}

func (p *parser) u64() uint64 {
	if t := p.take(8); t != nil {
		return binary.BigEndian.Uint64(t)
	}
	return 0
}

// i64 takes a number that is not below zero.
func (p *parser) i64() int64 {
	n := p.u64()
	if n > math.MaxInt64 {
		p.b = nil
		return 0
	}
	return int64(n)
}

func (p *parser) time() time.Time { return time.Unix(0, int64(p.u64())).UTC() }

func (p *parser) record() (r metastore.Record) {
	p.copy(r.ID[:])
	r.Seq, r.Epoch, r.Version = p.u64(), p.u32(), p.u64()
	r.Bytes = bytes.Clone(p.take(metastore.RecordSize))
	r.Hash = sha256.Sum256(r.Bytes)
	return r
}

func (p *parser) block() (b metastore.Block) {
	p.copy(b.ID[:])
	p.copy(b.Owner[:])
	p.copy(b.Draft[:])
	b.Len = p.i64()
	if t := p.take(2); t != nil {
		b.State, b.Inline = metastore.BlockState(t[0]), t[1] == 1
		if t[1] > 1 {
			p.b = nil
		}
	}
	b.Seen = p.time()
	at := p.u64()
	b.CondemnedSeq = p.u64()
	switch {
	case at != 0:
		b.CondemnedAt = time.Unix(0, int64(at)).UTC()
	case b.CondemnedSeq != 0:
		p.b = nil
	}
	return b
}
