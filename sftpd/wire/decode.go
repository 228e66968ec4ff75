package wire

import "encoding/binary"

// Decoder reads the fields of one packet in order. A field that is missing or
// cut reads as zero and makes the decoder bad; callers read all fields first
// and ask Bad once. Strings alias the packet.
type Decoder struct {
	rest []byte
	bad  bool
}

// NewDecoder reads the fields of p, which begins after the request id.
func NewDecoder(p []byte) Decoder { return Decoder{rest: p} }

// Bad reports whether a field was missing or cut.
func (d *Decoder) Bad() bool { return d.bad }

// Rest returns what has not been read.
func (d *Decoder) Rest() []byte { return d.rest }

func (d *Decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.bad, d.rest = true, nil
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

// Uint32 reads a uint32.
func (d *Decoder) Uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads a uint64.
func (d *Decoder) Uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Bytes reads a string; the result aliases the packet.
func (d *Decoder) Bytes() []byte {
	n := d.Uint32()
	if uint64(n) > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	return d.take(int(n))
}

// Attrs reads an ATTRS field. Extended pairs are checked for their shape and
// dropped; flag bits that version 3 does not know carry no data and are kept.
func (d *Decoder) Attrs() Attrs {
	a := Attrs{Flags: d.Uint32()}
	if a.Flags&AttrSize != 0 {
		a.Size = d.Uint64()
	}
	if a.Flags&AttrUIDGID != 0 {
		a.UID, a.GID = d.Uint32(), d.Uint32()
	}
	if a.Flags&AttrPermissions != 0 {
		a.Mode = d.Uint32()
	}
	if a.Flags&AttrTimes != 0 {
		a.Atime, a.Mtime = d.Uint32(), d.Uint32()
	}
	if a.Flags&AttrExtended != 0 {
		for n := d.Uint32(); n > 0 && !d.bad; n-- {
			d.Bytes()
			d.Bytes()
		}
	}
	return a
}
