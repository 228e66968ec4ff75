package caps

import (
	"fmt"
	"io"
	"log/slog"
)

// Cap is a capability of any authority: a Write, Read, Verify or Unknown. It
// is for the edges, where text comes in and goes out; code that needs one
// authority takes that type. Only this package implements it.
type Cap interface {
	Authority() Authority
	Form() Form
	IsDir() bool // false for Unknown

	// Index returns the object's public name.
	Index() Index
	// Verify weakens to verify authority. It is false for literals, which
	// nothing is stored of, and for Unknown.
	Verify() (Verify, bool)
	// Reveal returns the canonical text, which is the secret: two
	// capabilities are equal if and only if their texts are. It is "" for a
	// zero value.
	Reveal() string

	fmt.Formatter  // prints a placeholder with the public name
	slog.LogValuer // logs the same
	sealed()
}

// body is what each form implements once for each of its authorities. The three interfaces below keep the authorities apart.
type body interface {
	form() Form
	isDir() bool
	index() Index
	text() string // canonical; the secret
}

type writeBody interface {
	body
	read() readBody
}

type readBody interface {
	body
	verify() verifyBody // nil: there is none
}

type verifyBody interface {
	body
	verifies()
}

// Write is the authority to read and replace one mutable object.
type Write struct {
	writes hidden[writeBody]
}

// Authority returns AuthorityWrite.
func (w Write) Authority() Authority { return AuthorityWrite }

// Form returns how the object is stored.
func (w Write) Form() Form { return formOf(w.writes.show()) }

// IsDir reports whether the object is a directory.
func (w Write) IsDir() bool { return w.writes != nil && w.writes.show().isDir() }

// Index returns the object's public name.
func (w Write) Index() Index { return indexIn(w.writes.show()) }

// Read weakens w.
func (w Write) Read() Read {
	if w.writes == nil {
		return Read{}
	}
	return Read{hide(w.writes.show().read())}
}

// Verify weakens w by two steps.
func (w Write) Verify() (Verify, bool) { return w.Read().Verify() }

// Reveal returns the canonical text, the secret.
func (w Write) Reveal() string { return textOf(w.writes.show()) }

// Format prints a placeholder with the public name, whatever the verb.
func (w Write) Format(s fmt.State, _ rune) { io.WriteString(s, w.redacted()) }

// LogValue logs a placeholder with the public name.
func (w Write) LogValue() slog.Value { return slog.StringValue(w.redacted()) }

func (w Write) redacted() string { return redact(AuthorityWrite, w.writes.show()) }
func (Write) sealed()            {}

// Read is the authority to read one object.
type Read struct {
	reads hidden[readBody]
}

// Authority returns AuthorityRead.
func (r Read) Authority() Authority { return AuthorityRead }

// Form returns how the object is stored.
func (r Read) Form() Form { return formOf(r.reads.show()) }

// IsDir reports whether the object is a directory.
func (r Read) IsDir() bool { return r.reads != nil && r.reads.show().isDir() }

// Index returns the object's public name, the zero Index for a literal.
func (r Read) Index() Index { return indexIn(r.reads.show()) }

// Verify weakens r. It is false for a literal.
func (r Read) Verify() (Verify, bool) {
	if r.reads == nil {
		return Verify{}, false
	}
	v := r.reads.show().verify()
	if v == nil {
		return Verify{}, false
	}
	return Verify{hide(v)}, true
}

// Size returns the object's length in bytes, if the capability tells it: that of
// an immutable file or of what an immutable directory is stored as. False for a
// number that no file has.
func (r Read) Size() (uint64, bool) {
	if s, ok := r.reads.show().(interface{ size() (uint64, bool) }); ok {
		return s.size()
	}
	return 0, false
}

// Reveal returns the canonical text, the secret.
func (r Read) Reveal() string { return textOf(r.reads.show()) }

// Format prints a placeholder with the public name, whatever the verb.
func (r Read) Format(s fmt.State, _ rune) { io.WriteString(s, r.redacted()) }

// LogValue logs a placeholder with the public name.
func (r Read) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

func (r Read) redacted() string { return redact(AuthorityRead, r.reads.show()) }
func (Read) sealed()            {}

// Verify is the authority to check and repair what is stored of one object
// without reading it.
type Verify struct {
	checks hidden[verifyBody]
}

// Authority returns AuthorityVerify.
func (v Verify) Authority() Authority { return AuthorityVerify }

// Form returns how the object is stored.
func (v Verify) Form() Form { return formOf(v.checks.show()) }

// IsDir reports whether the object is a directory.
func (v Verify) IsDir() bool { return v.checks != nil && v.checks.show().isDir() }

// Index returns the object's public name.
func (v Verify) Index() Index { return indexIn(v.checks.show()) }

// Verify returns v itself.
func (v Verify) Verify() (Verify, bool) { return v, v.checks != nil }

// Reveal returns the canonical text, the secret: whoever has it can tell what
// the object's blocks are and how many entries it has.
func (v Verify) Reveal() string { return textOf(v.checks.show()) }

// Format prints a placeholder with the public name, whatever the verb.
func (v Verify) Format(s fmt.State, _ rune) { io.WriteString(s, v.redacted()) }

// LogValue logs a placeholder with the public name.
func (v Verify) LogValue() slog.Value { return slog.StringValue(v.redacted()) }

func (v Verify) redacted() string { return redact(AuthorityVerify, v.checks.show()) }
func (Verify) sealed()            {}

func formOf(b body) Form {
	if b == nil {
		return FormUnknown
	}
	return b.form()
}

func indexIn(b body) Index {
	if b == nil {
		return Index{}
	}
	return b.index()
}

func textOf(b body) string {
	if b == nil {
		return ""
	}
	return b.text()
}

// redact describes a capability without its keys: authority, form, and the
// first characters of its public name.
func redact(a Authority, b body) string {
	if b == nil {
		return "cap(none)"
	}
	noun := "file"
	if b.isDir() {
		noun = "directory"
	}
	text := fmt.Sprintf("cap(%v %v %s", a, b.form(), noun)
	if name := b.index().String(); name != "" {
		text += " " + name[:8]
	}
	return text + ")"
}
