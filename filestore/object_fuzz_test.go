package filestore_test

import (
	"bytes"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

// FuzzObjectAttributes reads what whoever may write a directory may have put into
// its entries: it is refused, or says what it would be written as again.
func FuzzObjectAttributes(f *testing.F) {
	fs := newStorage(f).open()
	f.Add(uint16(2), append(make([]byte, 16), 0, 0, 0, 3))
	f.Add(uint16(3), []byte("\x01\x05CRC32\x01\x04abcd"))
	f.Add(uint16(4), []byte("\x00\x01\x00\x04name\x00\x05value"))
	f.Add(uint16(5), []byte("\x00\x02\x00\x00\x00\x00\x00\x01k\x00\x01v"))
	f.Add(uint16(6), []byte("\x01\x01\x00\x00\x00\x00\x00\x00\x00\x09"))
	f.Add(uint16(6), []byte("\x03\x02\x00\x00\x00\x00\x00\x00\x00\x09"))
	f.Add(uint16(9), []byte("\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00"))
	f.Add(uint16(9), []byte("\xff\xff\xff\xff\x00"))
	f.Add(uint16(10), make([]byte, 64))
	f.Add(uint16(11), []byte("acl"))
	f.Add(uint16(0x8004), []byte("\x00\x00\x00\x00\x00\x00\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, at uint16, value []byte) {
		again, err := fs.Recode(t.Context(), at, value)
		if err != nil && kind.Of(err) != kind.Corrupt {
			t.Fatalf("attribute %d: %v", at, err)
		}
		if err == nil && again != nil && !bytes.Equal(again, value) {
			t.Fatalf("attribute %d is %x, and %x when it is written again", at, value, again)
		}
	})
}
