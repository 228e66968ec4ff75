package filetree

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
)

// sectionAEADs are the ciphers of sections V and R; kr may be no key, then that
// of R is nil. Both encrypt with the nonce 0^12: their keys are Kr's alone, and
// a node's Kr is drawn when it is sealed.
func sectionAEADs(kv, kr caps.Key) (v, r cipher.AEAD, err error) {
	if kv.Raw() == nil {
		_, err := newAEAD(kv)
		return nil, nil, err
	}
	if v, err = newAEAD(kv.Derive("fnode-v")); err != nil || kr.Raw() == nil {
		return v, nil, err
	}
	r, err = newAEAD(kr.Derive("fnode-r"))
	return v, r, err
}

// openNode checks and opens the node that c refers to, by c.Key, and compares
// everything that c says about it.
func openNode(c *child, block []byte) (*node, error) {
	if c.Size == 0 {
		return nil, corruptf(c.ID, "is a node below a reference to no bytes")
	}
	kv := verifyKey(c.Key)
	n, r, err := openVerify(VerifyRef{c.ID, kv, c.Level, c.Size}, block)
	if err != nil {
		return nil, err
	}
	_, aead, err := sectionAEADs(kv, c.Key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), r, block[:blockstore.HeaderSize])
	if err != nil {
		return nil, corruptf(c.ID, "section R doesn't open with the key of its reference")
	}
	n.key = c.Key
	if err := n.setKeys(c.ID, plain); err != nil {
		return nil, err
	}
	return n, c.binds(n)
}

// binds compares with n, which has c's id, level, size and Kr, what else the
// parent said: Kv, and that the subtree is aligned.
func (c *child) binds(n *node) error {
	if c.kv.Raw() != nil && !c.kv.Equal(n.kv) {
		return corruptf(c.ID, "has another verify key in its parent than follows from its key")
	}
	return c.bindsShape(n)
}

// bindsShape is the part of binds that a verify key can tell.
func (c *child) bindsShape(n *node) error {
	if c.grid != 0 && (n.ragged() || n.grid != c.grid) {
		return corruptf(c.ID, "is ragged, or of another chunk size, below an aligned node")
	}
	return nil
}

// openVerify checks the node that v refers to and opens section V. It returns
// section R still sealed; its length is right. If v has no Size, it isn't
// compared.
func openVerify(v VerifyRef, block []byte) (*node, []byte, error) {
	h, err := checkNodeBlock(v, block)
	if err != nil {
		return nil, nil, err
	}
	aead, _, err := sectionAEADs(v.Key, caps.Key{})
	if err != nil {
		return nil, nil, err
	}
	cut := blockstore.HeaderSize + int(h.Len1)
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()),
		block[blockstore.HeaderSize:cut], block[:blockstore.HeaderSize])
	if err != nil {
		return nil, nil, &WrongKeyError{v.ID}
	}
	n, err := decodeVerify(v, h, plain)
	if err != nil {
		return nil, nil, err
	}
	n.kv = v.Key
	return n, block[cut:], nil
}

// checkNodeBlock checks all that needs no key: bounds, header, id.
func checkNodeBlock(v VerifyRef, block []byte) (blockstore.Header, error) {
	var h blockstore.Header
	if v.Level > MaxLevel || v.Size > MaxSize || v.ID.IsZero() {
		return h, corruptf(v.ID, "can't be a node of level %d with %d bytes below", v.Level, v.Size)
	}
	if len(block) > maxNode {
		return h, corruptf(v.ID, "has %d bytes, more than a node", len(block))
	}
	if blockstore.NodeID(block) != v.ID {
		return h, corruptf(v.ID, "has another hash")
	}
	h, err := blockstore.ParseHeader(block)
	if err != nil {
		return h, err
	}
	rest := int64(len(block)) - blockstore.HeaderSize - int64(h.Len1) - int64(h.Len2)
	if h.Type != blockstore.TypeFileNode || h.Level != v.Level || rest != 0 {
		return h, corruptf(v.ID, "is of type %d, level %d, its sections leave %d bytes over", h.Type, h.Level, rest)
	}
	return h, nil
}

// decodeVerify reads the plaintext of section V and checks it against header
// and reference.
func decodeVerify(v VerifyRef, h blockstore.Header, plain []byte) (*node, error) {
	if len(plain) < nodePrefix {
		return nil, corruptf(v.ID, "has a section V of %d bytes", len(plain))
	}
	ragged, patched := h.Flags&blockstore.FlagRagged != 0, h.Flags&blockstore.FlagPatched != 0
	n := &node{level: h.Level, grid: plain[8], n: int(binary.BigEndian.Uint16(plain[9:])), v: plain[nodePrefix:]}
	switch total := binary.BigEndian.Uint64(plain); {
	case n.n < 1 || n.n > MaxChildren:
		return nil, corruptf(v.ID, "has %d children", n.n)
	case !sectionsFit(n.n, len(n.v)-n.n*record(n.level, ragged), int(h.Len2)-blockstore.TagSize, patched):
		return nil, corruptf(v.ID, "has sections of %d and %d bytes for %d children", h.Len1, h.Len2, n.n)
	case [5]byte(plain[11:]) != [5]byte{}:
		return nil, corruptf(v.ID, "has bytes set where zeros belong")
	case total == 0 || total > MaxSize || v.Size != 0 && total != v.Size:
		return nil, corruptf(v.ID, "holds %d bytes, its reference says %d", total, v.Size)
	default:
		n.total = int64(total)
	}
	over := n.v[n.n*record(n.level, ragged):]
	n.v = n.v[:len(n.v)-len(over)]
	check := n.checkAligned
	if ragged {
		check = n.decodeRagged
	}
	if err := check(v); err != nil {
		return nil, err
	}
	return n, n.decodePatches(v.ID, over)
}

// sectionsFit checks the lengths of the sections of a node of n children: more bytes
// of V follow their records, R has r bytes. How many of those extents take is told by
// R alone.
func sectionsFit(n, more, r int, patched bool) bool {
	if !patched {
		return more == 0 && r == n*caps.KeySize
	}
	if more <= 0 || more%patchV != 0 || more/patchV > n {
		return false
	}
	patches := more / patchV
	r -= n*caps.KeySize + patches*patchR
	return r >= patches*extentSize && r <= patches*MaxExtents*extentSize
}

// checkAligned checks the shape of a node whose children hold what their place
// says.
func (n *node) checkAligned(v VerifyRef) error {
	if n.grid < minGrid || n.grid > maxGrid {
		return corruptf(v.ID, "has a chunk size of 2^%d", n.grid)
	}
	if want := ceilDiv(n.total, coverage(n.grid, int(n.level)-1)); int64(n.n) != want {
		return corruptf(v.ID, "has %d children for %d bytes", n.n, n.total)
	}
	return n.checkHoles(v, false)
}

// decodeRagged reads how many bytes each child of a ragged node holds.
func (n *node) decodeRagged(v VerifyRef) error {
	if n.level > 0 && n.grid != 0 || n.level == 0 && (n.grid < minGrid || n.grid > maxGrid) {
		return corruptf(v.ID, "is ragged and has a chunk size of 2^%d", n.grid)
	}
	size := record(n.level, true)
	ends := make([]int64, n.n)
	end := uint64(0)
	for i := range ends {
		rec := n.v[i*size:]
		below := binary.BigEndian.Uint64(rec[size-ragged8:])
		if below == 0 || below > uint64(n.total)-end {
			return corruptf(v.ID, "has a child %d of %d bytes", i, below)
		}
		if n.level == 0 && below > 1<<n.grid && !blockstore.ID(rec).IsZero() {
			return corruptf(v.ID, "has a chunk of %d bytes, more than its chunk size", below)
		}
		end += below
		ends[i] = int64(end)
	}
	if end != uint64(n.total) {
		return corruptf(v.ID, "has children of %d bytes together, and says %d", end, n.total)
	}
	n.ends = ends
	return n.checkHoles(v, true)
}

// checkHoles checks that a child without id has no verify key.
func (n *node) checkHoles(v VerifyRef, ragged bool) error {
	size := record(n.level, ragged)
	for i := range n.n {
		rec := n.v[i*size:]
		if n.level > 0 && isZero(rec[:idSize]) != isZero(rec[idSize:idSize+caps.KeySize]) {
			return corruptf(v.ID, "has a child %d with an id or a verify key only", i)
		}
	}
	return nil
}

// setKeys takes section R: exactly the holes have no key in it.
func (n *node) setKeys(id blockstore.ID, r []byte) error {
	size := record(n.level, n.ragged())
	for i := range n.n {
		if isZero(n.v[i*size:][:idSize]) != isZero(r[i*caps.KeySize:][:caps.KeySize]) {
			return corruptf(id, "has a child %d with an id or a key only", i)
		}
	}
	keys := r[:n.n*caps.KeySize]
	if n.r = keys; n.patches == nil {
		return nil
	}
	n.v, n.r = bytes.Clone(n.v), bytes.Clone(keys) // without what tells of patches
	return n.setPatchKeys(id, r[len(keys):])
}

func isZero(b []byte) bool { return [32]byte(b) == [32]byte{} }
