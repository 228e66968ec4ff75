package blockstore

import (
	"context"
)

// RangeInGetter is an optional interface of a RangeGetter that can read into memory
// of the caller's: a stream through large files reuses it. Callers use GetRangeIn,
// never the assertion.
type RangeInGetter interface {
	RangeGetter

	// GetRangeIn is GetRange, but that the slice lies in room if that has the
	// capacity RangeRoom(n), anywhere in it. Else it is new. Nothing is written to
	// room after the call has returned.
	GetRangeIn(ctx context.Context, id ID, off, n int64, room []byte) ([]byte, error)
}

// RangeRoom is the capacity in which n bytes of a block can be read: a driver may
// have to read whole pages, at places in memory that begin one.
func RangeRoom(n int64) int64 { return n + 3*4096 }

// GetRangeIn is GetRange into room, if s can: if it is a RangeInGetter, or wraps one
// and nothing between them must see the calls. Otherwise the slice is new.
func GetRangeIn(ctx context.Context, s Store, id ID, off, n int64, room []byte) ([]byte, error) {
	if err := CheckRange("blockstore", off, n); err != nil {
		return nil, err
	}
	if r, ok := rangeIn(s); ok {
		return r.GetRangeIn(ctx, id, off, n, room)
	}
	return GetRange(ctx, s, id, off, n)
}

// ReadsIn reports whether GetRangeIn reads into the caller's memory: from a store on
// this machine, that is, where reading a part of a block costs a part.
func ReadsIn(s Store) bool {
	_, ok := rangeIn(s)
	return ok
}

// rangeIn is the outermost RangeGetter of s, if it is a RangeInGetter.
func rangeIn(s Store) (RangeInGetter, bool) {
	r, ok := As[RangeGetter](s)
	if !ok {
		return nil, false
	}
	in, ok := r.(RangeInGetter)
	return in, ok
}
