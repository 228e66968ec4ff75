package filetree_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// mirrored gives ranges from a damaged copy, and whole blocks from a sound one.
type mirrored struct {
	*store
	sound   *store
	rereads int
}

func (m *mirrored) Reread(ctx context.Context, id blockstore.ID) ([]byte, error) {
	m.rereads++
	return m.sound.Node(ctx, id)
}

// One copy of a chunk may be damaged anywhere, cut short or missing: what is read
// comes from the sound one, and the reader hears nothing.
func TestADamagedCopyIsReadAgain(t *testing.T) {
	t.Parallel()
	plain := random(1, small)
	damages := map[string]func(b []byte) []byte{
		"header": func(b []byte) []byte { b[9] ^= 1; return b }, "hashes": func(b []byte) []byte { b[20] ^= 1; return b },
		"first frame": func(b []byte) []byte { b[len(b)/16] ^= 1; return b }, "last frame": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"cut short": func(b []byte) []byte { return b[:len(b)/2] }, "empty": func([]byte) []byte { return nil }, "missing": nil,
	}
	for name, damage := range damages {
		good := newStore()
		leaf := good.seal(t, filetree.Sealer{}, 0, plain)
		bad := newStore()
		if damage != nil {
			bad.blocks[leaf.Ref.ID] = damage(bytes.Clone(good.blocks[leaf.Ref.ID]))
		}
		for _, part := range []struct{ off, n int64 }{{0, small}, {0, 10}, {small - 10, 10}, {small / 2, 70_000}} {
			src := &mirrored{store: bad, sound: good}
			got := make([]byte, part.n)
			n, err := filetree.NewReader(src, leaf.Ref, nil).ReadAt(t.Context(), got, part.off)
			if err != nil || !bytes.Equal(got[:n], plain[part.off:part.off+part.n]) {
				t.Errorf("%s: %d bytes at %d: %d, %v", name, part.n, part.off, n, err)
			}
			if src.rereads > 2 {
				t.Errorf("%s: %d bytes at %d: %d whole blocks were read", name, part.n, part.off, src.rereads)
			}
			// Without a sound copy, it is an error as ever.
			src = &mirrored{store: bad, sound: bad}
			got = make([]byte, small)
			if n, err := filetree.NewReader(src, leaf.Ref, nil).ReadAt(t.Context(), got, 0); kind.Of(err) != kind.Corrupt {
				t.Errorf("%s, no sound copy: %d bytes, %v", name, n, err)
			}
		}
	}
}
