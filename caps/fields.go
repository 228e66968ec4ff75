package caps

import "strconv"

// encode returns the base32 text of k, of 32 zero bytes for the zero Key.
func (k Key) encode() string {
	raw := k.Raw()
	if raw == nil {
		raw = new([KeySize]byte)
	}
	return encode32(raw[:])
}

// parse sets k to the key that s encodes.
func (k *Key) parse(s string) bool {
	raw := new([KeySize]byte)
	*k = Key{hide(raw)}
	return fixed32(raw[:], s)
}

func rootText(k Key, root RootID, level uint8) string {
	return k.encode() + ":" + encode32(root[:]) + ":" + strconv.Itoa(int(level))
}

// parseRoot reads the three fields that files and frozen directories share.
func parseRoot(f []string) (k Key, root RootID, level uint8, err error) {
	n, ok := parseNumber(f[2], 8)
	switch {
	case !k.parse(f[0]) || !fixed32(root[:], f[1]):
		err = errBase32
	case !ok:
		err = errLevel
	}
	return k, root, uint8(n), err
}

// parseNumber reads the one canonical decimal text of a number below 2^bits.
func parseNumber(s string, bits int) (uint64, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' || s[0] == '0' && s != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, bits)
	return n, err == nil
}
