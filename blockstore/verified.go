package blockstore

import (
	"context"
	"fmt"
	"iter"
)

// Verified is a Store that checks every whole block against its id (CheckID)
// on its way in and out, so that a store that flips, truncates or swaps bytes
// yields Corrupt, never wrong data. Ranges pass through: their reader checks
// them frame by frame. It is for blocks of formats.md 2, unless it is told
// otherwise (Holds).
type Verified struct {
	inner Store
	check Check
}

var (
	_ Store   = (*Verified)(nil)
	_ Wrapper = (*Verified)(nil)
	_ Holder  = (*Verified)(nil)
)

// NewVerified wraps s, which it closes when it is closed.
func NewVerified(s Store) *Verified { return &Verified{s, CheckID} }

// Holds implements Holder: it replaces CheckID.
func (v *Verified) Holds(check Check) { v.check = check }

// Unwrap gives the wrapped store.
func (v *Verified) Unwrap() Store { return v.inner }

// Put refuses data that isn't the block of that id with Corrupt.
func (v *Verified) Put(ctx context.Context, id ID, data []byte) error {
	if err := v.check(id, data); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	return v.inner.Put(ctx, id, data)
}

// PutFresh stores a block whose id the caller has just computed over these very
// bytes, so that they aren't hashed again.
func (v *Verified) PutFresh(ctx context.Context, id ID, data []byte) error {
	return v.inner.Put(ctx, id, data)
}

// PutFresh is Put of a block that the caller has just sealed: what checks blocks on
// their way in may pass it on unchecked.
func PutFresh(ctx context.Context, s Store, id ID, data []byte) error {
	if v, ok := s.(*Verified); ok {
		return v.PutFresh(ctx, id, data)
	}
	return s.Put(ctx, id, data)
}

// Get returns the block, or Corrupt if the store gave anything else.
func (v *Verified) Get(ctx context.Context, id ID) ([]byte, error) {
	block, err := v.inner.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := v.check(id, block); err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	return block, nil
}

// Stat asks the wrapped store; a size is not verified.
func (v *Verified) Stat(ctx context.Context, id ID) (Info, error) { return v.inner.Stat(ctx, id) }

// Delete passes through.
func (v *Verified) Delete(ctx context.Context, id ID) error { return v.inner.Delete(ctx, id) }

// List passes through.
func (v *Verified) List(ctx context.Context, after ID) iter.Seq2[Info, error] {
	return v.inner.List(ctx, after)
}

// Close closes the wrapped store.
func (v *Verified) Close() error { return v.inner.Close() }
