package caps

import (
	"encoding/base32"
)

// tahoe32 is RFC 4648's base32 in lower case without padding.
var tahoe32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func encode32(b []byte) string { return tahoe32.EncodeToString(b) }

// decode32 is strict: there is exactly one text for any bytes. The standard
// decoder skips line ends and ignores spare bits in the last character, so
// the result has to encode to the same text again.
func decode32(s string) ([]byte, bool) {
	b, err := tahoe32.DecodeString(s)
	if err != nil || encode32(b) != s {
		return nil, false
	}
	return b, true
}

// fixed32 decodes s into dst and reports whether it holds exactly that many
// bytes.
func fixed32(dst []byte, s string) bool {
	if len(s) != tahoe32.EncodedLen(len(dst)) {
		return false
	}
	b, ok := decode32(s)
	return ok && copy(dst, b) == len(dst)
}
