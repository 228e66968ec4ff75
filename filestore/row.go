package filestore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// rowSalt is the length of the fresh salt in front of a sealed row.
const rowSalt = 32

// sealRow seals what the gateway keeps for itself in a table of the metastore
// (formats 9): salt[32] + SEAL(KDF(master,"row",salt), ad = table + 0x00 +
// lookup key, plaintext). The key is used for this one message, which is why
// the nonce can be zero.
func sealRow(master caps.Key, table string, lookup, plain []byte) []byte {
	var salt [rowSalt]byte
	rand.Read(salt[:])
	out := append(make([]byte, 0, rowSalt+len(plain)+16), salt[:]...)
	return rowAEAD(master, salt[:]).Seal(out, make([]byte, 12), plain, rowData(table, lookup))
}

// openRow opens what sealRow sealed, for the same table and lookup key. Corrupt
// if it was sealed under another master key or elsewhere, or is damaged.
func openRow(master caps.Key, table string, lookup, sealed []byte) ([]byte, error) {
	if len(sealed) < rowSalt {
		return nil, fmt.Errorf("a row of table %s is too short: %w", table, kind.Corrupt)
	}
	plain, err := rowAEAD(master, sealed[:rowSalt]).Open(nil, make([]byte, 12), sealed[rowSalt:], rowData(table, lookup))
	if err != nil {
		return nil, fmt.Errorf("a row of table %s doesn't open under this master key: %w", table, kind.Corrupt)
	}
	return plain, nil
}

func rowData(table string, lookup []byte) []byte {
	return append(append([]byte(table), 0), lookup...)
}

func rowAEAD(master caps.Key, salt []byte) cipher.AEAD {
	block, err := aes.NewCipher(master.Derive("row", salt).Raw()[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has blocks of 16 bytes
	}
	return aead
}

// tableRoot is the root table's name in the additional data of its rows; their
// lookup key is the slot id.
const tableRoot = "root"

// sealRoot makes the row's sealed verify capability.
func (fs *FS) sealRoot(v caps.SlotVerify) []byte {
	id := v.ID()
	return sealRow(fs.o.Master, tableRoot, id[:], []byte(caps.OfSlotVerify(v).Reveal()))
}

// openRoot opens it again.
func (fs *FS) openRoot(id slotID, sealed []byte) (caps.SlotVerify, error) {
	text, err := openRow(fs.o.Master, tableRoot, id[:], sealed)
	if err != nil {
		return caps.SlotVerify{}, err
	}
	c, err := caps.Parse(string(text))
	if err != nil {
		return caps.SlotVerify{}, fmt.Errorf("a root's verify capability: %w", kind.Corrupt)
	}
	if v, ok := c.(caps.Verify); ok {
		if slot, ok := v.SlotVerify(); ok && slotID(slot.ID()) == id {
			return slot, nil
		}
	}
	return caps.SlotVerify{}, fmt.Errorf("a root's verify capability is of another slot: %w", kind.Corrupt)
}
