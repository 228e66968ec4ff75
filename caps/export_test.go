package caps

import (
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// ParseErrors returns the text of every error that parsing may give. It is a
// finite list, so none depends on the text given.
func ParseErrors() map[string]bool {
	texts := map[string]bool{}
	for _, err := range []error{errNotImmutable, errNotReadOnly, errUnclear, errNoCap} {
		texts[err.Error()] = true
	}
	for name := range parsers {
		for _, why := range []error{errFields, errBase32, errNumber, errLevel, errSize, errCheck, errChunkKey} {
			texts[fmt.Sprintf("caps: malformed URI:%s: %v: %v", name, why, kind.Invalid)] = true
		}
	}
	return texts
}
