package filestore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// ofContents are the attributes that tell of an entry's contents, and go when
// these are changed by somebody who doesn't know them.
var ofContents = [...]dirtree.AttrType{dirtree.AttrDigest, dirtree.AttrChecksums, dirtree.AttrParts, dirtree.AttrClientSeal}

// ofMeta are the attributes that ObjectMeta becomes.
var ofMeta = [...]dirtree.AttrType{
	dirtree.AttrDigest, dirtree.AttrChecksums, dirtree.AttrHeaders, dirtree.AttrTags, dirtree.AttrLock,
	dirtree.AttrClientSeal, dirtree.AttrACL,
}

// ofListing are those of them that a listing without metadata shows.
var ofListing = [...]dirtree.AttrType{dirtree.AttrDigest, dirtree.AttrChecksums}

// encode gives the attributes of an object of those parts, ascending by type.
func (m *ObjectMeta) encode(parts []Part) ([]dirtree.Attr, error) {
	var attrs []dirtree.Attr
	add := func(t dirtree.AttrType, value []byte) { attrs = append(attrs, dirtree.Attr{Type: t, Value: value}) }
	if m.HasMD5 {
		if m.Parts < 0 || m.Parts > math.MaxUint32 {
			return nil, fmt.Errorf("an object of %d parts: %w", m.Parts, kind.Invalid)
		}
		add(dirtree.AttrDigest, binary.BigEndian.AppendUint32(slices.Clone(m.MD5[:]), uint32(m.Parts)))
	}
	if len(m.Checksums) > 0 {
		v, err := appendChecksums(nil, m.Checksums)
		if err != nil {
			return nil, err
		}
		add(dirtree.AttrChecksums, v)
	}
	for _, p := range [...]struct {
		t     dirtree.AttrType
		pairs []Pair
	}{{dirtree.AttrHeaders, m.Headers}, {dirtree.AttrTags, m.Tags}} {
		if len(p.pairs) == 0 {
			continue
		}
		v, err := appendPairs(nil, p.pairs)
		if err != nil {
			return nil, err
		}
		add(p.t, v)
	}
	if !m.Lock.IsZero() {
		attrs = append(attrs, m.Lock.attr())
	}
	if len(parts) > 0 {
		v, err := encodeParts(parts)
		if err != nil {
			return nil, err
		}
		add(dirtree.AttrParts, v)
	}
	if m.Client != nil {
		add(dirtree.AttrClientSeal, append(m.Client.Salt[:], m.Client.Check[:]...))
	}
	if len(m.ACL) > 0 {
		add(dirtree.AttrACL, m.ACL)
	}
	return attrs, nil
}

// attrValue is the value of an attribute of e, wherever it lies; nil if there is
// none.
func (fs *FS) attrValue(ctx context.Context, e *dirtree.Entry, t dirtree.AttrType) ([]byte, error) {
	if v, ok := e.Attr(t); ok {
		return v, nil
	}
	i, n, ok := e.Outside(t)
	if !ok {
		return nil, nil
	}
	if n == 0 || n > filetree.MaxChunkSize {
		return nil, fmt.Errorf("an attribute of %d bytes: %w", n, kind.Corrupt)
	}
	if err := e.Check(); err != nil {
		return nil, err
	}
	ref := e.More[i]
	ref.Size = n
	value := make([]byte, n)
	if _, err := filetree.NewReader(blocks{fs.source}, ref, fs.fileCache).ReadAt(ctx, value, 0); err != nil {
		return nil, fmt.Errorf("read an attribute: %w", err)
	}
	return value, nil
}

// metaOf is what e keeps of the object, as far as only some attributes are asked
// for.
func (fs *FS) metaOf(ctx context.Context, e *dirtree.Entry, types ...dirtree.AttrType) (ObjectMeta, error) {
	var m ObjectMeta
	for _, t := range types {
		v, err := fs.attrValue(ctx, e, t)
		if err != nil {
			return m, err
		}
		if v == nil {
			continue
		}
		r := attrReader{b: v}
		switch t {
		case dirtree.AttrDigest:
			copy(m.MD5[:], r.take(16))
			m.HasMD5, m.Parts = true, int(r.u32())
		case dirtree.AttrChecksums:
			m.Checksums = r.checksums()
		case dirtree.AttrHeaders:
			m.Headers = r.pairs()
		case dirtree.AttrTags:
			m.Tags = r.pairs()
		case dirtree.AttrLock:
			m.Lock, r.b = lockOf(e), nil
		case dirtree.AttrClientSeal:
			m.Client = new(ClientSeal)
			copy(m.Client.Salt[:], r.take(32))
			copy(m.Client.Check[:], r.take(32))
		case dirtree.AttrACL:
			m.ACL = r.take(len(r.b))
		}
		if err := r.end(); err != nil {
			return m, err
		}
	}
	return m, nil
}

// object describes what an entry holds; in is that of its contents, which differs
// from e for a mutable file only.
func (fs *FS) object(ctx context.Context, key string, e, in *dirtree.Entry, types ...dirtree.AttrType) (Object, error) {
	o := Object{Key: key, Size: int64(in.Size), Mtime: time.Unix(0, in.Mtime).UTC(), DeleteMarker: isMarker(e)}
	_, _, _, past := dirtree.ParseHistoryKey(e.Name)
	o.Latest = !past
	var err error
	if o.Meta, err = fs.metaOf(ctx, e, types...); err != nil {
		return o, err
	}
	if e.Kind == dirtree.MutableFile {
		o.Meta.HasMD5 = false // its contents change beside the entry
	}
	o.ETag = fs.etag(&o.Meta, in)
	o.Version = versionOf(e)
	o.aging(e)
	return o, nil
}

// etag is the entity tag of contents. Where no digest of them is known it follows
// from what names them, by a key that only the gateways have: it tells nothing of
// the contents, and of no id or key that a capability would hide.
func (fs *FS) etag(m *ObjectMeta, in *dirtree.Entry) string {
	if m.HasMD5 && m.Parts > 0 {
		return fmt.Sprintf("%x-%d", m.MD5, m.Parts)
	}
	if m.HasMD5 {
		return fmt.Sprintf("%x", m.MD5)
	}
	b := append([]byte{byte(in.Kind)}, in.FileID[:]...)
	b = append(b, in.File.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, in.Size)
	tag := fs.o.Master.Derive("etag", append(b, in.Data...)).Raw()
	return fmt.Sprintf("%x-f", tag[:16])
}

// contentsChanged takes away what an entry says of contents that it hasn't any more.
func contentsChanged(e *dirtree.Entry) {
	var outside []dirtree.AttrType
	for _, t := range ofContents {
		if _, ok := e.Attr(t); ok {
			e.Attrs = dirtree.WithoutAttr(e.Attrs, t)
		}
		if _, ok := e.Attr(t | dirtree.AttrOutside); ok {
			outside = append(outside, t)
		}
	}
	for _, t := range outside {
		dropOutside(e, t)
	}
}

// dropOutside takes an attribute away that lies outside, with its block.
func dropOutside(e *dirtree.Entry, t dirtree.AttrType) {
	gone, _, ok := e.Outside(t)
	e.Attrs = dirtree.WithoutAttr(e.Attrs, t|dirtree.AttrOutside)
	if !ok {
		return
	}
	for _, a := range e.Attrs {
		if a.Type&dirtree.AttrOutside == 0 {
			continue
		}
		if i, n, ok := e.Outside(a.Type &^ dirtree.AttrOutside); ok && i > gone {
			e.Attrs = dirtree.WithAttr(e.Attrs, dirtree.OutsideAttr(a.Type&^dirtree.AttrOutside, uint8(i-1), n))
		}
	}
	e.More = slices.Delete(slices.Clone(e.More), gone, gone+1)
}
