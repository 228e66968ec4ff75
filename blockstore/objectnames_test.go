package blockstore_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
)

// The names of objects, there and back; what others put beside them is no block.
func TestObjectNames(t *testing.T) {
	t.Parallel()
	id := blockstore.ID(bytes.Repeat([]byte{0xab, 0x01}, 16))
	hex := strings.Repeat("ab01", 16)
	for prefix, want := range map[string]string{"": "blocks/ab/" + hex, "deep/er/": "deep/er/blocks/ab/" + hex} {
		n := blockstore.ObjectNames{Prefix: prefix}
		if got := n.Block(id); got != want {
			t.Errorf("with prefix %q a block is %q, not %q", prefix, got, want)
		}
		if got, ok := n.ID(want); !ok || got != id {
			t.Errorf("%q is %v, %v", want, got, ok)
		}
		for _, other := range []string{
			"", "blocks/", n.Marker(), want + "0", want[:len(want)-1], "x" + want,
			strings.Replace(want, "/ab/", "/ac/", 1), strings.ToUpper(want),
			prefix + "blocks/AB/" + strings.ToUpper(hex), strings.Replace(want, "01ab", "01xy", 1),
		} {
			if got, ok := n.ID(other); ok {
				t.Errorf("with prefix %q, %q is block %v", prefix, other, got)
			}
		}
	}
}
