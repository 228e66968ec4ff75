package dirtree

import (
	"math"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
)

// sections are the plaintexts of a node. w is nil where it was not opened.
type sections struct{ v, r, w []byte }

// leafDecoder takes the entries out of a leaf's sections. The entries' raw
// bytes stay parts of these.
type leafDecoder struct {
	form    form
	v, r, w cursor
	withW   bool // W was opened

	names []byte // all names, "/" after those of directories
	prev  []byte // the name before, in names
}

// decodeLeaf reads the entries of a leaf. It is strict: what it accepts is the
// only encoding of the entries that it returns. ok is false for anything else.
func decodeLeaf(f form, s sections, withW bool) (items []*item, ok bool) {
	d := &leafDecoder{form: f, v: cursor{b: s.v}, r: cursor{b: s.r}, w: cursor{b: s.w}, withW: withW}
	n := int(d.v.u16())
	if n == 0 || n > len(d.v.b) || n > len(s.r) {
		return nil, false
	}
	items = make([]*item, n)
	ends := make([]int, n) // of the entries' sort keys in d.names
	for i := range items {
		if items[i] = d.item(); items[i] == nil {
			return nil, false
		}
		ends[i] = len(d.names)
	}
	if !d.v.done() || !d.r.done() || d.withW && !d.w.done() {
		return nil, false
	}
	return items, d.name(items, ends)
}

// name gives the items their names and sort keys, cut from one string, and
// checks their order.
func (d *leafDecoder) name(items []*item, ends []int) bool {
	all, at := string(d.names), 0
	for i, it := range items {
		it.key = all[at:ends[i]]
		it.e.Name = it.key
		if it.e.Kind.IsDir() {
			it.e.Name = it.key[:len(it.key)-1]
		}
		at = ends[i]
		if !d.form.nameOK(it.e.Name) || !d.form.fits(&it.e) || i > 0 && it.key <= items[i-1].key {
			return false
		}
	}
	return d.form != formFile || len(items) == 1
}

// item reads the next entry but for its name, nil if it isn't well formed.
func (d *leafDecoder) item() *item {
	it := newItem()
	e := &it.e
	v := d.v.b
	l := decodeLink(&d.v)
	it.v = v[:len(v)-len(d.v.b)]
	e.Kind = l.kind
	name := d.nextName(l.kind.IsDir())
	r := d.r.b
	d.meta(e)
	d.keys(e, &l)
	it.r = r[:len(r)-len(d.r.b)]
	if d.withW {
		w := d.w.b
		d.writes(e)
		it.w = w[:len(w)-len(d.w.b)]
	}
	if d.v.bad || d.r.bad || d.w.bad || !d.form.admits(e.Kind) || !e.sizeValid() ||
		it.sizeBut()+name > d.form.maxEntry() {
		return nil
	}
	return it
}

// nextName appends the next name to d.names and returns its length. The prefix
// that it shares with the name before must be as long as possible.
func (d *leafDecoder) nextName(dir bool) int {
	shared := int(d.r.u16())
	suffix := d.r.bytes16()
	prev := d.prev
	if shared > len(prev) || shared < len(prev) && len(suffix) > 0 && suffix[0] == prev[shared] {
		d.r.fail()
		return 0
	}
	at := len(d.names)
	d.names = append(append(d.names, prev[:shared]...), suffix...)
	d.prev = d.names[at:]
	if dir {
		d.names = append(d.names, '/')
	}
	return shared + len(suffix)
}

func (d *leafDecoder) meta(e *Entry) {
	r := &d.r
	copy(e.FileID[:], r.take(16))
	e.Mode = uint32(r.uvarint(math.MaxUint32))
	e.UID = uint32(r.uvarint(math.MaxUint32))
	e.GID = uint32(r.uvarint(math.MaxUint32))
	e.Mtime = int64(r.u64())
	e.Size = r.uvarint(math.MaxInt64)
	k := int(r.u16())
	if k == 0 || k*4 > len(r.b) {
		if k > 0 {
			r.fail()
		}
		return
	}
	e.Attrs = make([]Attr, k)
	for i := range e.Attrs {
		e.Attrs[i] = Attr{Type: AttrType(r.u16()), Value: r.bytes16()}
		if i > 0 && e.Attrs[i].Type <= e.Attrs[i-1].Type {
			r.fail()
			return
		}
	}
}

// keys reads what the kind has in R, and joins it with l to the entry's
// references.
func (d *leafDecoder) keys(e *Entry, l *link) {
	r := &d.r
	switch e.Kind {
	case OneChunk, TreeFile:
		e.File = filetree.Ref{ID: l.id, Key: r.key(), Level: l.level, Size: e.Size}
	case Directory:
		e.Dir = caps.NewSlotRead(caps.SlotDirectory, r.key(), l.id)
	case MutableFile:
		e.Dir = caps.NewSlotRead(caps.SlotFile, r.key(), l.id)
	case Symlink, Inline:
		e.Data = r.bytes16()
	case Foreign:
		e.Foreign.parse(l.text, r.bytes16())
	case FrozenDir:
		e.Frozen = caps.FrozenRead{Key: r.key(), Root: l.id, Level: l.level}
	}
	if len(l.more) == 0 {
		return
	}
	e.More = make([]filetree.Ref, len(l.more))
	for i, m := range l.more {
		e.More[i] = filetree.Ref{ID: blockstore.ID(m.id), Key: r.key(), Level: m.level}
	}
}

// parse reads the capabilities of a foreign entry. One that doesn't parse is
// no damage to the leaf: it becomes a caps.Unknown that Check refuses, so the
// entry can be listed and removed, not used.
func (f *ForeignCaps) parse(verify, read []byte) {
	if len(verify) > 0 {
		f.Verify, _ = caps.ParseChild(string(verify), false)
	}
	f.Read, _ = caps.ParseChild(string(read), false)
}

// writes reads what the kind has in W.
func (d *leafDecoder) writes(e *Entry) {
	w := &d.w
	if !e.Kind.hasSlot() && e.Kind != Foreign {
		return
	}
	present := w.u8()
	if present > 1 {
		w.fail()
	}
	if present == 0 || d.form == formFrozen {
		return
	}
	if e.Kind == Foreign {
		e.Foreign.Write, _ = caps.ParseChild(string(w.bytes16()), false)
		return
	}
	write := caps.NewSlotWrite(e.Dir.Type(), w.key())
	e.DirWrite = &write
}

// decodeInner reads the children of an inner node. It is as strict as
// decodeLeaf; r is nil if only V was opened, and the separators are "" then.
func decodeInner(v, r []byte, withR bool) (kids []kid, ok bool) {
	cv, cr := cursor{b: v}, cursor{b: r}
	n := int(cv.u16())
	if n == 0 || len(cv.b) != 32*n {
		return nil, false
	}
	kids = make([]kid, n)
	seps := string(r)
	for j := range kids {
		k := &kids[j]
		k.id = cv.liveID()
		if !withR {
			continue
		}
		k.count = cr.u32()
		if j == 0 {
			continue
		}
		sep := cr.bytes16()
		end := len(r) - len(cr.b)
		k.sep = seps[end-len(sep) : end]
		if len(sep) > maxKey || k.sep <= kids[j-1].sep {
			return nil, false
		}
	}
	return kids, cv.done() && (!withR || cr.done())
}
