package blockstore

import (
	"context"
	"unsafe"
)

// RangeInGetter is an optional interface of a RangeGetter that can read into memory
// of the caller's: a stream through large files reuses it. Callers use GetRangeIn,
// never the assertion.
type RangeInGetter interface {
	RangeGetter

	// GetRangeIn is GetRange, but that the slice lies in room, anywhere in it, if that
	// has the capacity RangeRoom(n). Else it is new.
	//
	// If the slice lies in room (InRoom), nothing is written to room after the call has
	// returned. If it doesn't, or there is an error, a member of an array may still be
	// reading into room which was too late: the caller never uses room again.
	GetRangeIn(ctx context.Context, id ID, off, n int64, room []byte) ([]byte, error)
}

// InReader is implemented by a RangeInGetter that reads from other stores: it reports
// whether these read into memory of the caller's. That may change, as they come and go.
type InReader interface{ ReadsIn() bool }

// RangeRoom is the capacity in which n bytes of a block can be read: a driver may
// have to read whole pages, at places in memory that begin one.
func RangeRoom(n int64) int64 { return n + 3*4096 }

// InRoom reports whether what GetRangeIn gave lies in the room that it was given: that
// is the caller's again, then. Of a slice that holds nothing that can't be told.
func InRoom(data, room []byte) bool {
	if len(data) == 0 || len(data) > cap(room) {
		return false
	}
	at, from := uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(unsafe.Pointer(unsafe.SliceData(room)))
	return at >= from && at-from <= uintptr(cap(room)-len(data))
}

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
	r, ok := rangeIn(s)
	if !ok {
		return false
	}
	in, ok := r.(InReader)
	return !ok || in.ReadsIn()
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
