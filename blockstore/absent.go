package blockstore

import "github.com/truckee-fs/truckee/internal/kind"

// ReadMarker reads a marker for a driver, by read, which says NotExist where there
// is none. It asks several times before it believes that and returns nil: Swift
// lists a directory to find an object's file, and may see neither the old nor the
// new one while it is replaced.
func ReadMarker(read func() ([]byte, error)) ([]byte, error) {
	data, err := unlessAbsent(4, read)
	if kind.Of(err) == kind.NotExist {
		return nil, nil
	}
	return data, err
}

// ReadBlock reads a block, or something of it, for a driver, by read. It asks twice
// before it believes that there is none, for the same reason: a block, too, is
// replaced by itself, when a put is tried again or a copy is repaired.
func ReadBlock[T any](read func() (T, error)) (T, error) { return unlessAbsent(2, read) }

// unlessAbsent reads until the answer is another than NotExist, at most so many
// times.
func unlessAbsent[T any](times int, read func() (T, error)) (v T, err error) {
	for range times {
		if v, err = read(); kind.Of(err) != kind.NotExist {
			return v, err
		}
	}
	return v, err
}
