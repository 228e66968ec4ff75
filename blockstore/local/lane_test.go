package local

import "testing"

// Batches leave most of their buffers untouched, and so out of memory, unless a block
// is larger than their share: that goes alone.
func TestBatchesStayBelowTheirShare(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, tt := range map[string]struct {
		there int64  // bytes of the open batch
		n     uint32 // bytes of the block
		want  bool
	}{
		"two blocks of the usual size":    {mib + unit, mib, true},
		"a third":                         {2 * (mib + unit), mib, false},
		"a small one beside two":          {2 * (mib + unit), 1000, true},
		"the largest, alone":              {0, maxRecord - recordHeader, true},
		"the largest, beside a small one": {unit, maxRecord - recordHeader, false},
	} {
		l := lane{open: &batch{seg: &segment{limit: 1 << 30}, n: tt.there}}
		if got := l.fits(entry{n: tt.n}); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
