package filetree

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Chunks with wide frames read like all others, wherever a read begins: what a
// reader expects of a chunk before it has seen its head is wrong for them.
func TestWideFramesAreRead(t *testing.T) {
	t.Parallel()
	const n = 300_000
	plain := vectorPlain(n)
	for _, padded := range []int{n, 1 << 19} {
		h := blockstore.Header{Type: blockstore.TypeChunk, Suite: 1, FrameLog: blockstore.WideFrameLog, Len1: uint32(padded)}
		h.Len2 = uint32(ceilDiv(int64(padded), h.FrameSize()))
		if padded > n {
			h.Flags = blockstore.FlagPadded
		}
		key := randomKey()
		b, err := sealChunk(key, h, nil, [][]byte{plain})
		if err != nil {
			t.Fatal(err)
		}
		ref := Ref{b.ID, key, LevelChunk, n}
		for _, off := range []int64{0, 1, 16383, 16384, 65535, 65536, 70_000, 262_144, 299_999} {
			for _, size := range []int64{1, 4096, 65_536, n} {
				t.Run(fmt.Sprintf("padded to %d: %d at %d", padded, size, off), func(t *testing.T) {
					r := NewReader(blocks{b.ID: b.Data}, ref, nil)
					for range 2 { // from the source, then from the cache and the source
						p := make([]byte, min(size, n-off))
						if _, err := r.ReadAt(t.Context(), p, off); err != nil || !bytes.Equal(p, plain[off:off+int64(len(p))]) {
							t.Fatalf("%v, or other bytes", err)
						}
						off = max(0, off-10_000)
					}
				})
			}
		}
		b.Data[h.HeadSize()+70_000] ^= 1
		r := NewReader(blocks{b.ID: b.Data}, ref, nil)
		if _, err := r.ReadAt(t.Context(), make([]byte, 10), 131_000); kind.Of(err) != kind.Corrupt {
			t.Errorf("a damaged wide frame: %v", err)
		}
		if _, err := r.ReadAt(t.Context(), make([]byte, 10), 132_000); err != nil {
			t.Errorf("beside a damaged wide frame: %v", err)
		}
	}
}
