package blockstore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// MaxMarker is the largest marker that a driver must take, in bytes.
const MaxMarker = 4 << 10

// MarkerRoom is the largest marker that any Store must take, compositions of
// compositions included, which put records of their own around it.
const MarkerRoom = 3 << 10

// Marker is an optional interface of a Store that keeps one small record beside
// its blocks, by which its user knows it again: that it is not another's, and
// did not come back empty. A marker is no block: no call for blocks shows it.
// Every driver and composition has it. Callers use GetMarker and SetMarker,
// never the assertion.
type Marker interface {
	// Marker returns the record, in a slice of the caller's own, nil if there
	// has never been one. Corrupt if the store can tell that it is damaged; a
	// composition whose members hold markers of different origin says Conflict.
	Marker(ctx context.Context) ([]byte, error)

	// SetMarker replaces the record, or makes it, and returns when the new one
	// is durable; readers and crashes meet the old one or the new one whole. It
	// keeps no reference to data. No bytes are Invalid (a marker can't be taken
	// away), more than the store can take are TooLarge. On an error the record
	// is the old one or the new one.
	SetMarker(ctx context.Context, data []byte) error
}

// GetMarker asks the Marker that s is, or that it wraps; without one it is
// Unsupported.
func GetMarker(ctx context.Context, s Store) ([]byte, error) {
	m, ok := As[Marker](s)
	if !ok {
		return nil, fmt.Errorf("blockstore: %T keeps no marker: %w", s, kind.Unsupported)
	}
	return m.Marker(ctx)
}

// SetMarker asks the Marker that s is, or that it wraps; without one it is
// Unsupported.
func SetMarker(ctx context.Context, s Store, data []byte) error {
	m, ok := As[Marker](s)
	if !ok {
		return fmt.Errorf("blockstore: %T keeps no marker: %w", s, kind.Unsupported)
	}
	return m.SetMarker(ctx, data)
}

// CheckMarkerSize is what every driver's SetMarker begins with: Invalid for no
// bytes, TooLarge for more than MaxMarker.
func CheckMarkerSize(data []byte) error {
	switch {
	case len(data) == 0:
		return fmt.Errorf("blockstore: a marker of no bytes: %w", kind.Invalid)
	case len(data) > MaxMarker:
		return fmt.Errorf("blockstore: a marker of %d bytes, at most %d: %w", len(data), MaxMarker, kind.TooLarge)
	}
	return nil
}
