package dirtree

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The layout of a node (formats.md 4):
//
//	0  16 header: type 3, level, lengths of V and R with their tags
//	16 16 salt = KDF(rk, "salt", 16 random bytes + v + r + w)[:16]
//	32    V = SEAL(KDF(vk, "dnode-v", salt), header+salt, v)
//	..    R = SEAL(KDF(rk, "dnode-r", salt), header+salt, r)
//	..    W = SEAL(KDF(wk, "dnode-w", salt), header+salt, w); absent in frozen nodes
const (
	saltAt  = blockstore.HeaderSize
	saltEnd = saltAt + 16
	tagSize = blockstore.TagSize
)

// keyring is what one authority over one tree opens nodes with.
type keyring struct {
	form form
	vk   caps.Key
	rk   caps.Key // zero for a walk by verify key
	wk   caps.Key // zero without write authority, and for frozen trees
}

// Node is a sealed node to store.
type Node struct {
	ID    [32]byte // H(Data)
	Level uint8
	Data  []byte
}

// seal encrypts n with fresh random bytes.
func (k *keyring) seal(n *node) Node {
	var fresh [16]byte
	rand.Read(fresh[:]) // never fails
	return k.sealWith(n, fresh)
}

// sealWith encrypts n. The salt depends on the random bytes and on all that is
// encrypted under it, so that not even a random generator that repeats itself
// makes one key encrypt two messages.
func (k *keyring) sealWith(n *node, fresh [16]byte) Node {
	lv, lr, lw := n.lengths()
	rAt := saltEnd + lv + tagSize
	wAt := rAt + lr + tagSize
	size := wAt
	if k.form != formFrozen {
		size += lw + tagSize
	}
	b := make([]byte, size)
	h := blockstore.Header{
		Type: blockstore.TypeDirNode, Suite: blockstore.Suite1, Level: n.level,
		Len1: uint32(lv + tagSize), Len2: uint32(lr + tagSize),
	}
	h.Append(b[:0])
	// The plaintexts are written where their ciphertexts will be.
	s := n.encode(b[saltEnd:saltEnd:saltEnd+lv], b[rAt:rAt:rAt+lr], b[wAt:wAt:wAt+lw])
	salt := b[saltAt:saltEnd]
	copy(salt, k.rk.Derive("salt", fresh[:], s.v, s.r, s.w).Raw()[:])
	ad := b[:saltEnd]
	if len(s.v) != lv || len(s.r) != lr || len(s.w) != lw {
		panic("dirtree: a node with other lengths than it counted")
	}
	sealSection(k.vk.Derive("dnode-v", salt), ad, b[saltEnd:rAt])
	sealSection(k.rk.Derive("dnode-r", salt), ad, b[rAt:wAt])
	if k.form != formFrozen {
		sealSection(k.wk.Derive("dnode-w", salt), ad, b[wAt:])
	}
	return Node{ID: sha256.Sum256(b), Level: n.level, Data: b}
}

// sealSection encrypts in place: the plaintext lies at the front of section,
// which has room for the tag after it.
func sealSection(key caps.Key, ad, section []byte) {
	aead(key).Seal(section[:0], make([]byte, 12), section[:len(section)-tagSize], ad)
}

// aead is AES-256-GCM under a key that is used for one message, with the zero
// nonce.
func aead(key caps.Key) cipher.AEAD {
	block, err := aes.NewCipher(key.Raw()[:])
	if err != nil {
		panic(err) // the key's length is fixed
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // and so is the block's
	}
	return gcm
}

// openSections checks block against id and level and decrypts the sections
// that k has keys for, V always.
func (k *keyring) openSections(id [32]byte, level uint8, block []byte) (s sections, fault Fault) {
	if len(block) > maxNode || sha256.Sum256(block) != id {
		return s, WrongID
	}
	h, err := blockstore.ParseHeader(block)
	if err != nil || h.Type != blockstore.TypeDirNode || h.Level != level {
		return s, Malformed
	}
	rest := int64(len(block)) - saltEnd - int64(h.Len1) - int64(h.Len2)
	if k.form == formFrozen && rest != 0 || k.form != formFrozen && rest < tagSize ||
		level > 0 && rest > tagSize { // W of an inner node is empty
		return s, Malformed
	}
	salt, ad := block[saltAt:saltEnd], block[:saltEnd]
	sealedV := block[saltEnd:][:h.Len1]
	sealedR := block[saltEnd+int(h.Len1):][:h.Len2]
	sealedW := block[len(block)-int(rest):]
	var ok [3]bool
	buf := make([]byte, 0, len(block))
	s.v, buf, ok[0] = openSection(buf, k.vk, "dnode-v", salt, ad, sealedV)
	s.r, buf, ok[1] = openSection(buf, k.rk, "dnode-r", salt, ad, sealedR)
	s.w, _, ok[2] = openSection(buf, k.wk, "dnode-w", salt, ad, sealedW)
	if !ok[0] || !ok[1] || !ok[2] {
		return sections{}, WrongKey
	}
	return s, 0
}

// openSection decrypts a section to the end of buf. Without a key it gives nil.
func openSection(buf []byte, key caps.Key, label string, salt, ad, sealed []byte) (plain, rest []byte, ok bool) {
	if key.Raw() == nil {
		return nil, buf, true
	}
	plain, err := aead(key.Derive(label, salt)).Open(buf, make([]byte, 12), sealed, ad)
	if err != nil {
		return nil, buf, false
	}
	n := len(plain)
	return plain[:n:n], plain[n:], true
}

// open decrypts and decodes a node.
func (k *keyring) open(id [32]byte, level uint8, block []byte) (*node, error) {
	s, fault := k.openSections(id, level, block)
	if fault != 0 {
		return nil, &NodeError{ID: id, Level: level, Fault: fault}
	}
	n, ok := &node{level: level, run: -1}, true
	if level == 0 {
		n.entries, ok = decodeLeaf(k.form, s, k.wk.Raw() != nil)
	} else {
		n.kids, ok = decodeInner(s.v, s.r, true)
		ok = ok && k.form != formFile
	}
	if !ok {
		return nil, &NodeError{ID: id, Level: level, Fault: Malformed}
	}
	return n, nil
}

// Fault is what is wrong with a node.
type Fault uint8

// The faults of a node.
const (
	Missing   Fault = iota + 1 // the source hasn't it
	WrongID                    // its bytes have another hash: damage
	WrongKey                   // the right bytes, but they don't open under this key: a dead reference
	Malformed                  // it opens, but breaks the format or stands in the wrong place
)

// String describes the fault.
func (f Fault) String() string {
	switch f {
	case Missing:
		return "is missing"
	case WrongID:
		return "has another hash"
	case WrongKey:
		return "does not open under its key"
	case Malformed:
		return "is malformed or in the wrong place"
	}
	return "has an unknown fault"
}

// NodeError says that a node is not what the tree promises. Its kind is
// Corrupt.
type NodeError struct {
	ID    [32]byte
	Level uint8 // that the tree expects
	Fault Fault
}

// Error names the node and its fault.
func (e *NodeError) Error() string {
	return "dirtree: node " + hex.EncodeToString(e.ID[:]) + " " + e.Fault.String()
}

// Unwrap gives kind.Corrupt.
func (e *NodeError) Unwrap() error { return kind.Corrupt }
