package blockstore_test

import (
	"bytes"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestVerifiedNeverGivesOtherBytes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	id, block := storecheck.Chunk(70_000)
	otherID, other := storecheck.Chunk(70_000)
	flipped := bytes.Clone(block)
	flipped[len(flipped)/2] ^= 1
	for name, stored := range map[string][]byte{
		"flipped": flipped, "truncated": block[:len(block)-1], "another block": other, "empty": nil,
	} {
		raw := memory.New()
		v := blockstore.NewVerified(raw)
		if err := raw.Put(ctx, id, stored); err != nil {
			t.Fatal(err)
		}
		if got, err := v.Get(ctx, id); kind.Of(err) != kind.Corrupt || got != nil {
			t.Errorf("%s: get gives %d bytes, %v", name, len(got), err)
		}
		if err := v.Put(ctx, otherID, stored); name != "another block" && kind.Of(err) != kind.Corrupt {
			t.Errorf("%s: put: %v", name, err)
		}
	}
}

// hidden is a store without optional interfaces.
type hidden struct{ blockstore.Store }

// wrapping hides nothing.
type wrapping struct{ blockstore.Store }

func (w wrapping) Unwrap() blockstore.Store { return w.Store }

func TestGetRangeFindsTheRangesOfWrappedStores(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	raw := memory.New()
	id, block := storecheck.Chunk(1000)
	if err := raw.Put(ctx, id, block); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		s      blockstore.Store
		ranged bool
	}{
		"plain":           {raw, true},
		"wrapped":         {wrapping{raw}, true},
		"verified":        {blockstore.NewVerified(wrapping{raw}), true},
		"hidden":          {hidden{raw}, false},
		"wrapped, hidden": {wrapping{hidden{raw}}, false},
		"wrapped nothing": {wrapping{}, false},
	} {
		if _, ok := blockstore.As[blockstore.RangeGetter](tt.s); ok != tt.ranged {
			t.Errorf("%s: has ranges: %t", name, ok)
		}
		if name == "wrapped nothing" {
			continue
		}
		got, err := blockstore.GetRange(ctx, tt.s, id, 100, 50)
		if err != nil || !bytes.Equal(got, block[100:150]) {
			t.Errorf("%s: range gives %d bytes, %v", name, len(got), err)
		}
	}
}

func TestSuiteOnHiddenRanges(t *testing.T) {
	t.Parallel()
	for _, check := range storecheck.Checks() {
		if check.Marks {
			continue // hidden has none
		}
		if err := check.Run(t.Context(), hidden{memory.New()}); err != nil {
			t.Errorf("%s: %v", check.Name, err)
		}
	}
}
