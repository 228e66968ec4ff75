package caps

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"

	"github.com/truckee-fs/truckee/internal/kind"
)

// KeySize is the length in bytes of every generation 3 key.
const KeySize = 32

// kdfPrefix begins the message of every derivation: version 1 of the formats.
const kdfPrefix = "truckee/1/"

// Key is a secret of 32 bytes. No formatting verb, however the key is nested,
// reaches them; copies of a Key share them and nothing changes them. Keys are
// compared by Equal, never by ==. The zero Key is no key.
type Key struct {
	bytes hidden[*[KeySize]byte]
}

// KeyOf returns the key made of b.
func KeyOf(b [KeySize]byte) Key { return Key{hide(&b)} }

// KeyFromSlice returns the key made of a copy of b, or Invalid if b isn't 32
// bytes long.
func KeyFromSlice(b []byte) (Key, error) {
	if len(b) != KeySize {
		return Key{}, fmt.Errorf("caps: a key of %d bytes instead of %d: %w", len(b), KeySize, kind.Invalid)
	}
	return KeyOf([KeySize]byte(b)), nil
}

// Raw returns the secret bytes themselves, for ciphers and encoders; they must
// not be changed. It is nil for the zero Key only.
func (k Key) Raw() *[KeySize]byte { return k.bytes.show() }

// IsZero reports whether k is no key: the zero Key or 32 zero bytes, which
// stand for an absent key in the formats.
func (k Key) IsZero() bool { return k.Equal(Key{}) }

// Equal reports, in constant time, whether both keys hold the same bytes. The
// zero Key equals 32 zero bytes.
func (k Key) Equal(o Key) bool {
	var zero [KeySize]byte
	a, b := k.Raw(), o.Raw()
	if a == nil {
		a = &zero
	}
	if b == nil {
		b = &zero
	}
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Derive returns KDF(k, label, ctx) of formats.md: HMAC-SHA256 (RFC 2104)
// under k of "truckee/1/" + label + 0x00 + the parts of ctx, one after the
// other. A label contains no zero byte and is used with one shape of context
// only; that is what keeps the derivations apart. Deriving from the zero Key
// panics: the result would be a key that anybody knows.
func (k Key) Derive(label string, ctx ...[]byte) Key {
	raw := k.Raw()
	if raw == nil {
		panic("caps: a key derived from no key")
	}
	mac := hmac.New(sha256.New, raw[:])
	head := make([]byte, 0, 64)
	head = append(head, kdfPrefix...)
	head = append(head, label...)
	head = append(head, 0)
	mac.Write(head)
	for _, part := range ctx {
		mac.Write(part)
	}
	sum := new([KeySize]byte)
	mac.Sum(sum[:0])
	return Key{hide(sum)}
}

// redactedKey is all that is ever printed of a key.
const redactedKey = "key(…)"

// Format prints a placeholder, whatever the verb.
func (k Key) Format(s fmt.State, _ rune) { io.WriteString(s, redactedKey) }

// LogValue logs a placeholder.
func (k Key) LogValue() slog.Value { return slog.StringValue(redactedKey) }
