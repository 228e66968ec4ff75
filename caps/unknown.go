package caps

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// The prefixes by which a directory marks what it can't look into.
const (
	readOnlyPrefix  = "ro."
	immutablePrefix = "imm."
)

// Unknown is a capability of the future: a text that is kept as it is, prefix
// included, and that nothing can be computed from. It is as secret as any.
type Unknown struct {
	text hidden[string]
}

// Authority returns AuthorityNone.
func (u Unknown) Authority() Authority { return AuthorityNone }

// Form returns FormUnknown.
func (u Unknown) Form() Form { return FormUnknown }

// IsDir returns false: nobody knows.
func (u Unknown) IsDir() bool { return false }

// Index returns the zero Index.
func (u Unknown) Index() Index { return Index{} }

// Verify returns false.
func (u Unknown) Verify() (Verify, bool) { return Verify{}, false }

// ReadOnly reports whether a prefix claims that the capability allows reading
// at most, or is even immutable.
func (u Unknown) ReadOnly() bool {
	return strings.HasPrefix(u.Reveal(), readOnlyPrefix) || u.Immutable()
}

// Immutable reports whether a prefix claims that the object is deeply
// immutable.
func (u Unknown) Immutable() bool { return strings.HasPrefix(u.Reveal(), immutablePrefix) }

// Reveal returns the text as it was given, the secret.
func (u Unknown) Reveal() string { return u.text.show() }

const redactedUnknown = "cap(unknown)"

// Format prints a placeholder, whatever the verb.
func (u Unknown) Format(s fmt.State, _ rune) { io.WriteString(s, redactedUnknown) }

// LogValue logs a placeholder.
func (u Unknown) LogValue() slog.Value { return slog.StringValue(redactedUnknown) }

func (Unknown) sealed() {}
