package accounts

import (
	"bytes"
	"crypto/sha1" // how a list may name a key
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/crypto/ssh"
)

// Key revocation lists in the binary form that ssh-keygen -k makes; OpenSSH's
// PROTOCOL.krl describes it. What is not understood refuses the whole list: half
// of one would let somebody in whom the other half names.
const (
	krlMagic   = "SSHKRL\n\x00"
	krlVersion = 1

	krlCertificates = 1
	krlKeys         = 2
	krlSHA1         = 3
	krlSHA256       = 5
	krlExtension    = 255

	krlSerials       = 0x20
	krlSerialRange   = 0x21
	krlSerialBitmap  = 0x22
	krlKeyIDs        = 0x23
	krlCertExtension = 0x39
)

// revocations are what a list says beside fingerprints by SHA-256.
type revocations struct {
	sha1  map[[sha1.Size]byte]bool
	certs []revokedCerts
}

// revokedCerts are certificates of one authority, or of any.
type revokedCerts struct {
	ca      []byte // its public key; empty: any
	ids     map[string]bool
	serials []serials
}

// serials are the numbers from first to last, or those of them whose bit is set.
type serials struct {
	first, last uint64
	bits        []byte // big-endian, bit 0 for first; nil: all
}

func (s *serials) has(n uint64) bool {
	if n < s.first || n > s.last {
		return false
	}
	if s.bits == nil {
		return true
	}
	n -= s.first
	return s.bits[uint64(len(s.bits))-1-n/8]>>(n%8)&1 == 1
}

// key reports whether the list has the SHA-1 of a key.
func (r *revocations) key(k ssh.PublicKey) bool {
	return r != nil && r.sha1[sha1.Sum(k.Marshal())]
}

// certificate reports whether the list has a certificate by its serial number or
// its id. The number 0 is what authorities give that don't number: it is none.
func (r *revocations) certificate(c *ssh.Certificate) bool {
	if r == nil {
		return false
	}
	var ca []byte
	if c.SignatureKey != nil {
		ca = c.SignatureKey.Marshal()
	}
	for i := range r.certs {
		of := &r.certs[i]
		if len(of.ca) > 0 && !bytes.Equal(of.ca, ca) {
			continue
		}
		if of.ids[c.KeyId] {
			return true
		}
		for j := range of.serials {
			if c.Serial != 0 && of.serials[j].has(c.Serial) {
				return true
			}
		}
	}
	return false
}

// parseKRL reads a list: fingerprints as ssh-keygen -l prints them go to keys.
func parseKRL(b []byte, keys map[string]bool) (*revocations, error) {
	r := &revocations{sha1: map[[sha1.Size]byte]bool{}}
	c := krlCursor{rest: b}
	if string(c.take(len(krlMagic))) != krlMagic || c.u32() != krlVersion {
		return nil, fmt.Errorf("it is no key revocation list of version %d", krlVersion)
	}
	c.u64() // number of the list
	c.u64() // when it was made
	c.u64() // flags, none of which are defined
	c.text()
	c.text() // comment
	for c.more() {
		kind, section := c.u8(), krlCursor{rest: c.text()}
		if err := r.section(kind, &section, keys); err != nil {
			return nil, err
		}
		if section.cut {
			return nil, errCutList
		}
	}
	if c.cut {
		return nil, errCutList
	}
	return r, nil
}

var errCutList = errors.New("the key revocation list ends in the middle")

func (r *revocations) section(kind byte, c *krlCursor, keys map[string]bool) error {
	switch kind {
	case krlCertificates:
		return r.certificates(c)
	case krlKeys:
		for c.more() {
			sum := sha256.Sum256(c.text())
			keys[fingerprintOf(sum[:])] = true
		}
	case krlSHA256:
		for c.more() {
			sum := c.text()
			if !c.cut && len(sum) != sha256.Size {
				return fmt.Errorf("a SHA-256 of %d bytes in the key revocation list", len(sum))
			}
			keys[fingerprintOf(sum)] = true
		}
	case krlSHA1:
		for c.more() {
			sum := c.text()
			if c.cut {
				break
			}
			if len(sum) != sha1.Size {
				return fmt.Errorf("a SHA-1 of %d bytes in the key revocation list", len(sum))
			}
			r.sha1[[sha1.Size]byte(sum)] = true
		}
	case krlExtension:
		return c.extension()
	default:
		return fmt.Errorf("section %d of the key revocation list is not known", kind)
	}
	return nil
}

// fingerprintOf is a SHA-256 as ssh-keygen -l prints it.
func fingerprintOf(sum []byte) string { return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum) }

// certificates reads a section on the certificates of one authority.
func (r *revocations) certificates(c *krlCursor) error {
	of := revokedCerts{ca: c.text(), ids: map[string]bool{}}
	c.text()
	for c.more() {
		kind, part := c.u8(), krlCursor{rest: c.text()}
		if err := of.part(kind, &part); err != nil {
			return err
		}
		if part.cut {
			return errCutList
		}
	}
	r.certs = append(r.certs, of)
	return nil
}

func (of *revokedCerts) part(kind byte, c *krlCursor) error {
	switch kind {
	case krlSerials:
		for c.more() {
			n := c.u64()
			of.serials = append(of.serials, serials{first: n, last: n})
		}
	case krlSerialRange:
		s := serials{first: c.u64(), last: c.u64()}
		if !c.cut && (s.first > s.last || c.more()) {
			return fmt.Errorf("a range of serial numbers from %d to %d in the key revocation list", s.first, s.last)
		}
		of.serials = append(of.serials, s)
	case krlSerialBitmap:
		return of.bitmap(c)
	case krlKeyIDs:
		for c.more() {
			of.ids[string(c.text())] = true
		}
	case krlCertExtension:
		return c.extension()
	default:
		return fmt.Errorf("section %#x on certificates of the key revocation list is not known", kind)
	}
	return nil
}

// bitmap reads a set of serial numbers: the first, and an mpint of a bit for each.
func (of *revokedCerts) bitmap(c *krlCursor) error {
	first, mpint := c.u64(), c.text()
	negative := len(mpint) > 0 && mpint[0]&0x80 != 0
	set := bytes.TrimLeft(mpint, "\x00")
	if c.cut || len(set) == 0 && !c.more() {
		return nil
	}
	last := first + uint64(len(set))*8 - 1
	if len(set) > 0 {
		last -= uint64(bits.LeadingZeros8(set[0]))
	}
	if negative || len(set) == 0 || last < first || c.more() {
		return fmt.Errorf("a set of serial numbers from %d on in the key revocation list that can't be", first)
	}
	of.serials = append(of.serials, serials{first, last, set})
	return nil
}

// extension passes over one that may be passed over.
func (c *krlCursor) extension() error {
	name, critical := c.text(), c.u8()
	c.text()
	if critical != 0 {
		return fmt.Errorf("the extension %q of the key revocation list is not known", name)
	}
	return nil
}

// krlCursor reads fields in SSH's encoding (RFC 4251, 5). What isn't there any
// more reads as nothing, and is told by cut.
type krlCursor struct {
	rest []byte
	cut  bool
}

// more reports whether there is anything left to read.
func (c *krlCursor) more() bool { return !c.cut && len(c.rest) > 0 }

func (c *krlCursor) take(n int) []byte {
	if c.cut || n > len(c.rest) {
		c.cut, c.rest = true, nil
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *krlCursor) u8() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *krlCursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *krlCursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (c *krlCursor) text() []byte {
	n := c.u32()
	if uint64(n) > uint64(len(c.rest)) {
		c.cut, c.rest = true, nil
		return nil
	}
	return c.take(int(n))
}
