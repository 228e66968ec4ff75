// Package bundle is the file in which one gateway brings another its keys and its
// configuration: a few small files by name, sealed under a passphrase or, for
// channels that are safe by themselves, as they are.
//
// # The format, version 1
//
//	"truckee join bundle 1\n"
//	1    0: open, 1: sealed
//	open:    payload, SHA-256 over all before it [32]
//	sealed:  salt[16], AES-256-GCM over the payload, with a nonce of 12 zero bytes
//	         and all before the ciphertext as additional data
//
// The key is argon2id(passphrase, salt, time 3, memory 64 MiB, 4 lanes), and so is
// used once: the salt is random. The payload is JSON: {"files": [{"name", "data"}]}, data in
// base64.
package bundle

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"golang.org/x/crypto/argon2"

	"github.com/truckee-fs/truckee/internal/kind"
)

// File is one file of a bundle.
type File struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// Format shows the name only.
func (f File) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("file " + f.Name)) }

// MaxSize bounds a bundle, in bytes.
const MaxSize = 16 << 20

const (
	magic    = "truckee join bundle 1\n"
	open     = 0
	sealed   = 1
	saltSize = 16
)

type payload struct {
	Files []File `json:"files"`
}

// Pack makes a bundle; with an empty passphrase it isn't sealed.
func Pack(files []File, passphrase []byte) ([]byte, error) {
	body, err := json.Marshal(payload{files})
	if err != nil {
		return nil, err
	}
	if len(body) > MaxSize-1<<10 {
		return nil, kind.Errorf(kind.TooLarge, "the files of the bundle are larger than %d MiB", MaxSize>>20)
	}
	b := []byte(magic)
	if len(passphrase) == 0 {
		b = append(append(b, open), body...)
		sum := sha256.Sum256(b)
		return append(b, sum[:]...), nil
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	b = append(append(b, sealed), salt...)
	aead, err := cipherOf(passphrase, salt)
	if err != nil {
		return nil, err
	}
	return aead.Seal(b, make([]byte, aead.NonceSize()), body, b), nil
}

// IsSealed reports whether a bundle needs a passphrase.
func IsSealed(b []byte) bool {
	return bytes.HasPrefix(b, []byte(magic)) && len(b) > len(magic) && b[len(magic)] == sealed
}

// Unpack gives the files of a bundle. Invalid: it is none. Unsupported: of another
// version. Denied: the passphrase is wrong or missing, or it was changed. Corrupt:
// it is damaged. Errors show nothing of the contents.
func Unpack(b, passphrase []byte) ([]File, error) {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	switch {
	case bytes.HasPrefix(b, []byte("truckee join bundle ")) && !ok:
		return nil, kind.Errorf(kind.Unsupported, "this bundle is of another version; use the same truckee on both gateways")
	case !ok:
		return nil, kind.Errorf(kind.Invalid, "this is no bundle of `truckee join-bundle`")
	case len(b) > MaxSize || len(rest) == 0:
		return nil, kind.Errorf(kind.Corrupt, "the bundle is damaged or cut off")
	}
	switch rest[0] {
	case open:
		return unpackOpen(b)
	case sealed:
		return unpackSealed(b, rest[1:], passphrase)
	}
	return nil, kind.Errorf(kind.Corrupt, "the bundle is damaged")
}

func unpackOpen(b []byte) ([]File, error) {
	end := len(b) - sha256.Size
	if end <= len(magic) || sha256.Sum256(b[:end]) != [32]byte(b[end:]) {
		return nil, kind.Errorf(kind.Corrupt, "the bundle is damaged or cut off")
	}
	return parse(b[len(magic)+1 : end])
}

func unpackSealed(b, rest, passphrase []byte) ([]File, error) {
	if len(passphrase) == 0 {
		return nil, kind.Errorf(kind.Denied, "the bundle is sealed: its passphrase is needed")
	}
	if len(rest) < saltSize {
		return nil, kind.Errorf(kind.Corrupt, "the bundle is cut off")
	}
	aead, err := cipherOf(passphrase, rest[:saltSize])
	if err != nil {
		return nil, err
	}
	begin := len(b) - len(rest) + saltSize
	body, err := aead.Open(nil, make([]byte, aead.NonceSize()), b[begin:], b[:begin])
	if err != nil {
		return nil, kind.Errorf(kind.Denied, "the passphrase is wrong, or the bundle is damaged")
	}
	return parse(body)
}

func parse(body []byte) ([]File, error) {
	var p payload
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(&p) != nil || d.More() {
		return nil, kind.Errorf(kind.Corrupt, "the bundle's contents make no sense")
	}
	return p.Files, nil
}

func cipherOf(passphrase, salt []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(argon2.IDKey(passphrase, salt, 3, 64<<10, 4, 32))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
