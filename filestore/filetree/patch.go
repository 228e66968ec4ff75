package filetree

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
)

// Bounds of a patch (formats.md 3). With them the largest node stays below 64 KiB.
const (
	MaxPatch   = 256 << 10 // plaintext bytes
	MaxExtents = 32        // runs of bytes
)

// Patch is what has been written over one chunk, or one hole, of a file without
// writing that anew: a chunk of its own whose plaintext is the bytes of Extents, one
// after the other. What they cover is the patch's, the rest what lies below.
type Patch struct {
	ID      blockstore.ID
	Key     caps.Key
	Len     int64    // plaintext bytes, as many as Extents have together
	Extents []Extent // ascending; none overlaps or touches the one before
}

// Extent is a run of at least one byte of a chunk or hole.
type Extent struct{ Off, Len uint32 }

// End is the offset of the first byte after the run.
func (x Extent) End() int64 { return int64(x.Off) + int64(x.Len) }

// ref is the reference to the chunk that holds the patch's bytes.
func (p *Patch) ref() Ref { return Ref{p.ID, p.Key, LevelChunk, uint64(p.Len)} }

// place is that chunk as a leaf, which nothing may pad.
func (p *Patch) place() *place { return &place{Leaf{Len: p.Len, Ref: p.ref()}, p.Len} }

// fault tells what is wrong with a patch over below bytes, "" if it is sound. No
// patch is.
func (p *Patch) fault(below int64) string {
	switch {
	case p == nil:
		return ""
	case p.ID.IsZero() || p.Key.IsZero():
		return "without an id or a key"
	case below > MaxChunkSize || p.Len > MaxPatch || p.Len > below:
		return fmt.Sprintf("of %d bytes over %d", p.Len, below)
	case len(p.Extents) < 1 || len(p.Extents) > MaxExtents:
		return fmt.Sprintf("of %d extents", len(p.Extents))
	}
	sum, end := int64(0), int64(-1)
	for i, x := range p.Extents {
		if x.Len == 0 || int64(x.Off) <= end || x.End() > below {
			return fmt.Sprintf("whose extent %d has %d bytes from %d of %d", i, x.Len, x.Off, below)
		}
		sum, end = sum+int64(x.Len), x.End()
	}
	if sum != p.Len {
		return fmt.Sprintf("of %d bytes whose extents have %d", p.Len, sum)
	}
	return ""
}

// append lays out the parts of sections V and R that tell of the patch of child i.
func (p *Patch) append(v, r []byte, i int) ([]byte, []byte) {
	v = binary.BigEndian.AppendUint16(v, uint16(i))
	v = append(v, p.ID[:]...)
	v = binary.BigEndian.AppendUint32(v, uint32(p.Len))
	r = appendKey(r, p.Key)
	r = binary.BigEndian.AppendUint16(r, uint16(len(p.Extents)))
	for _, x := range p.Extents {
		r = binary.BigEndian.AppendUint32(r, x.Off)
		r = binary.BigEndian.AppendUint32(r, x.Len)
	}
	return v, r
}

// decodePatches reads what section V tells of patches; its length is right.
func (n *node) decodePatches(id blockstore.ID, v []byte) error {
	if len(v) == 0 {
		return nil
	}
	n.patches = make([]*Patch, n.n)
	last := -1
	for ; len(v) > 0; v = v[patchV:] {
		i := int(binary.BigEndian.Uint16(v))
		if i <= last || i >= n.n {
			return corruptf(id, "has a patch of child %d of %d after that of %d", i, n.n, last)
		}
		p := &Patch{ID: blockstore.ID(v[2:]), Len: int64(binary.BigEndian.Uint32(v[2+idSize:]))}
		off, end := n.span(i)
		if p.ID.IsZero() || p.Len < 1 || p.Len > min(MaxPatch, end-off) || end-off > 1<<n.grid {
			return corruptf(id, "has a patch of %d bytes over child %d of %d", p.Len, i, end-off)
		}
		n.patches[i], last = p, i
	}
	return nil
}

// setPatchKeys reads what section R tells of patches: each has a key and at least one
// extent.
func (n *node) setPatchKeys(id blockstore.ID, r []byte) error {
	for i, p := range n.patches {
		if p == nil {
			continue
		}
		if len(r) < patchR {
			return corruptf(id, "ends before the patch of child %d", i)
		}
		p.Key = caps.KeyOf([caps.KeySize]byte(r))
		count := int(binary.BigEndian.Uint16(r[caps.KeySize:]))
		if r = r[patchR:]; count > MaxExtents || len(r) < count*extentSize {
			return corruptf(id, "has a patch of child %d with %d extents", i, count)
		}
		p.Extents = make([]Extent, count)
		for j := range p.Extents {
			p.Extents[j] = Extent{binary.BigEndian.Uint32(r), binary.BigEndian.Uint32(r[4:])}
			r = r[extentSize:]
		}
		off, end := n.span(i)
		if fault := p.fault(end - off); fault != "" {
			return corruptf(id, "has a patch of child %d %s", i, fault)
		}
	}
	if len(r) > 0 {
		return corruptf(id, "has %d bytes after its last patch", len(r))
	}
	return nil
}

// uncovered is the shortest run that has all bytes from at to end which the patch
// doesn't cover; from == to: it covers them all.
func (p *Patch) uncovered(at, end int64) (from, to int64) {
	from, to = at, end
	for _, x := range p.Extents {
		off := int64(x.Off)
		if off <= from && from < x.End() {
			from = min(x.End(), end)
		}
		if off < to && to <= x.End() {
			to = max(off, from)
		}
	}
	return from, to
}

// each gives the runs of bytes at to end that the patch covers, in order: n bytes from
// off of the leaf, which lie at byte in of the patch.
func (p *Patch) each(at, end int64, f func(off, n, in int64)) {
	in := int64(0)
	for _, x := range p.Extents {
		if off, stop := max(int64(x.Off), at), min(x.End(), end); off < stop {
			f(off, stop-off, in+off-int64(x.Off))
		}
		in += int64(x.Len)
	}
}

// overlay puts over p, which begins at byte at of the leaf, what c has of the patch,
// where its cells for all of p are held. c is nil if that is nothing.
func (p *Patch) overlay(c *chunk, b []byte, at int64) {
	if p == nil || c == nil {
		return
	}
	p.each(at, at+int64(len(b)), func(off, n, in int64) { c.copyTo(b[off-at:off-at+n], in) })
}

// patchOf is the chunk of the patch of a leaf, in which all cells are held that cover
// bytes at to end of the leaf; nil if it has none of those, or there is no patch.
func (r *Reader) patchOf(ctx context.Context, pl *place, at, end int64, ahead bool) (*chunk, error) {
	if pl.Patch == nil {
		return nil, nil
	}
	from, to := int64(-1), int64(0)
	pl.Patch.each(at, end, func(_, n, in int64) {
		if from < 0 {
			from = in
		}
		to = in + n
	})
	if from < 0 {
		return nil, nil
	}
	return r.cells(ctx, pl.Patch.place(), from, to, ahead)
}
