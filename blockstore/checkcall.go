package blockstore

import (
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// CheckPut is what Put of every Store begins with: Invalid for the zero id, TooLarge
// for more than MaxBlock bytes. by names the store in the error.
func CheckPut(by string, id ID, data []byte) error {
	if id.IsZero() {
		return fmt.Errorf("%s: put under the zero id: %w", by, kind.Invalid)
	}
	if len(data) > MaxBlock {
		return fmt.Errorf("%s: put %v of %d bytes: %w", by, id, len(data), kind.TooLarge)
	}
	return nil
}

// CheckRange is what GetRange of every RangeGetter begins with: Invalid for what is
// negative. by names the store in the error.
func CheckRange(by string, off, n int64) error {
	if off < 0 || n < 0 {
		return fmt.Errorf("%s: range of %d bytes at %d: %w", by, n, off, kind.Invalid)
	}
	return nil
}
