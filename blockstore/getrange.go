package blockstore

import (
	"context"
)

// GetRange returns bytes off to off+n of a block, fewer if it ends earlier,
// none if off is at or past its end, in a slice of the caller's own. It asks
// the RangeGetter that s is, or that it wraps; without one it gets the whole
// block. A part can't be checked against the id: whoever uses it checks its
// frames (CheckHead, CheckFrame). Negative off or n is Invalid.
func GetRange(ctx context.Context, s Store, id ID, off, n int64) ([]byte, error) {
	if err := CheckRange("blockstore", off, n); err != nil {
		return nil, err
	}
	if r, ok := As[RangeGetter](s); ok {
		return r.GetRange(ctx, id, off, n)
	}
	block, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	off = min(off, int64(len(block)))
	end := off + min(n, int64(len(block))-off)
	return block[off:end:end], nil
}

// As finds the optional interface T on s or on what it wraps, outermost first.
// A wrapper that must see the calls of an optional interface implements it, and
// forwards by the helper function; one that need not, has Unwrap alone.
func As[T any](s Store) (T, bool) {
	for s != nil {
		if t, ok := s.(T); ok {
			return t, true
		}
		w, ok := s.(Wrapper)
		if !ok {
			break
		}
		s = w.Unwrap()
	}
	var none T
	return none, false
}
