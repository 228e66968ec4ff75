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
	errNumber   = errors.New("a number is malformed")
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

	"LIT":               parseLiteral(false),
	"DIR2-LIT":          parseLiteral(true),
	"CHK":               parseCHKRead(false),
	"DIR2-CHK":          parseCHKRead(true),
	"CHK-Verifier":      parseCHKVerify(false),
	"DIR2-CHK-Verifier": parseCHKVerify(true),

	"SSK":                parseMutable(FormSDMF, false, newMutableWrite),
	"SSK-RO":             parseMutable(FormSDMF, false, newMutableRead),
	"SSK-Verifier":       parseMutable(FormSDMF, false, newMutableVerify),
	"DIR2":               parseMutable(FormSDMF, true, newMutableWrite),
	"DIR2-RO":            parseMutable(FormSDMF, true, newMutableRead),
	"DIR2-Verifier":      parseMutable(FormSDMF, true, newMutableVerify),
	"MDMF":               parseMutable(FormMDMF, false, newMutableWrite),
	"MDMF-RO":            parseMutable(FormMDMF, false, newMutableRead),
	"MDMF-Verifier":      parseMutable(FormMDMF, false, newMutableVerify),
	"DIR2-MDMF":          parseMutable(FormMDMF, true, newMutableWrite),
	"DIR2-MDMF-RO":       parseMutable(FormMDMF, true, newMutableRead),
	"DIR2-MDMF-Verifier": parseMutable(FormMDMF, true, newMutableVerify),
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
