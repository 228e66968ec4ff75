package filetree

import (
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// WrongKeyError says that a node has the id that was asked for and doesn't open
// with the key at hand. It is Corrupt; marking (formats.md 11) treats such a
// reference as dead where any other failure is damage.
type WrongKeyError struct{ ID blockstore.ID }

// Error names the block, which is public.
func (e *WrongKeyError) Error() string {
	return fmt.Sprintf("filetree: block %v doesn't open with the key of its reference: %v", e.ID, kind.Corrupt)
}

// Unwrap gives kind.Corrupt.
func (e *WrongKeyError) Unwrap() error { return kind.Corrupt }
