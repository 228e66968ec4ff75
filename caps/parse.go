package caps

import (
	"errors"
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
)

// parser reads what follows "URI:" + type + ":". Its error is one of those
// below, none of which holds any of the text.
type parser func(body string) (Cap, error)

var (
	errFields   = errors.New("wrong number of fields")
	errBase32   = errors.New("a field is not the base32 text of the right length")
	errLevel    = errors.New("the level is malformed or out of range")
	errSize     = errors.New("the size is malformed or out of range")
	errCheck    = errors.New("the check does not match: some character is wrong")
	errChunkKey = errors.New("a verify key where there is none")
)

// parsers lists every known type. The type is matched exactly, upper and
// lower case included.
var parsers = map[string]parser{
	"DIR3":              parseSlotWrite(SlotDirectory),
	"DIR3-RO":           parseSlotRead(SlotDirectory),
	"DIR3-Verifier":     parseSlotVerify(SlotDirectory),
	"MUT3":              parseSlotWrite(SlotFile),
	"MUT3-RO":           parseSlotRead(SlotFile),
	"MUT3-Verifier":     parseSlotVerify(SlotFile),
	"DIR3-IMM":          parseFrozenRead,
	"DIR3-IMM-Verifier": parseFrozenVerify,
	"FILE3":             parseFileRead,
	"FILE3-Verifier":    parseFileVerify,

	"LIT":      parseLiteral(false),
	"DIR2-LIT": parseLiteral(true),
}

// parseKnown reads text if its type is known; known says so.
func parseKnown(text string) (c Cap, known bool, err error) {
	rest, ok := strings.CutPrefix(text, "URI:")
	if !ok {
		return nil, false, nil
	}
	name, body, ok := strings.Cut(rest, ":")
	parse := parsers[name]
	if !ok || parse == nil {
		return nil, false, nil
	}
	c, err = parse(body)
	if err != nil {
		return nil, true, fmt.Errorf("caps: malformed URI:%s: %w: %w", name, err, kind.Invalid)
	}
	return c, true, nil
}

// Parse reads a capability. A known type with a malformed body is an error of
// kind Invalid, which says what is wrong without showing the text. A type that
// isn't known gives an Unknown and no error. Nothing is trimmed.
func Parse(text string) (Cap, error) {
	c, err := ParseChild(text, false)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ParseChild reads a capability as it stands in a directory, where a prefix
// may claim that it is read-only ("ro.") or deeply immutable ("imm."); one
// such prefix is understood. deepImmutable says that the directory is
// immutable, so that only immutable children may stand in it.
//
// A known capability that is what is claimed is returned without its prefix.
// One that is malformed or stronger than claimed comes back as an Unknown,
// with its whole text, together with an error of kind Invalid: such an entry
// can be listed and removed, and not linked again. A type that isn't known is
// an Unknown without an error. The Cap is never nil.
func ParseChild(text string, deepImmutable bool) (Cap, error) {
	opaque := Unknown{text: &text}
	rest, immutable := strings.CutPrefix(text, immutablePrefix)
	readOnly := false
	if !immutable {
		rest, readOnly = strings.CutPrefix(text, readOnlyPrefix)
	}
	c, known, err := parseKnown(rest)
	switch {
	case err != nil:
		return opaque, err
	case !known:
		return opaque, nil
	case (immutable || deepImmutable) && c.Form().Mutable() && c.Authority() != AuthorityVerify:
		return opaque, fmt.Errorf("caps: a mutable capability where an immutable one must be: %w", kind.Invalid)
	case readOnly && c.Authority() == AuthorityWrite:
		return opaque, fmt.Errorf("caps: a write capability where a read-only one must be: %w", kind.Invalid)
	}
	return c, nil
}
