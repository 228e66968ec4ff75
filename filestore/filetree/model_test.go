package filetree_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore/filetree"
)

// checkTree walks a tree by its verify key and checks what formats.md 3 asks of
// each node; the walk itself checks the rest. It returns the number of nodes.
func checkTree(t testing.TB, s *store, ref filetree.Ref) int {
	t.Helper()
	nodes := 0
	checked := map[blockstore.ID]bool{}
	err := filetree.WalkVerify(context.Background(), s, ref.Verify(), filetree.VisitFunc(func(v filetree.VerifyRef) (bool, error) {
		b := s.blocks[v.ID]
		if v.Level != filetree.LevelChunk {
			nodes++
		} else if int64(len(b)) != filetree.SealedLen(int64(v.Size)) {
			t.Errorf("chunk block of %d bytes, want %d", len(b), filetree.SealedLen(int64(v.Size)))
		}
		if checked[v.ID] {
			return true, nil
		}
		checked[v.ID] = true
		return true, blockstore.CheckID(v.ID, b)
	}))
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

// model is a file beside the bytes that it should hold.
type model struct {
	*store
	rng  *rand.Rand
	data []byte
	ref  filetree.Ref
}

// TestEditAgainstBytes applies random edits and compares with a byte slice.
func TestEditAgainstBytes(t *testing.T) {
	t.Parallel()
	runs := 12
	if testing.Short() {
		runs = 3
	}
	for range runs {
		seed := rand.Uint64()
		t.Run("", func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("seed %#x", seed)
				}
			}()
			m := &model{store: newStore(), rng: rand.New(rand.NewPCG(seed, 0))}
			for range 25 {
				m.step(t)
				checkTree(t, m.store, m.ref)
				wantContents(t, read(t, m.store, m.ref, 1+m.rng.IntN(2<<20)), m.data)
			}
		})
	}
}

const modelMax = 6 << 20

// step does what a draft does: a new size, some ranges written, and the leaves
// that follow from them, on the units that exist.
func (m *model) step(t *testing.T) {
	old := m.data
	size := int64(len(old))
	switch m.rng.IntN(6) {
	case 0: // cut
		size = m.rng.Int64N(size + 1)
	case 1: // grow, leaving a hole
		size = min(modelMax, size+m.rng.Int64N(3*small))
	case 2: // grow by little
		size = min(modelMax, size+1+m.rng.Int64N(3))
	case 3: // append without touching the tail
		m.append(t)
		return
	}
	m.data = make([]byte, size)
	copy(m.data, old)
	var dirty []span
	for range m.rng.IntN(4) {
		if size == 0 {
			break
		}
		off := m.rng.Int64N(size)
		n := min(size-off, 1+m.rng.Int64N([]int64{10, 70_000, 3 * small}[m.rng.IntN(3)]))
		if m.rng.IntN(4) == 0 {
			clear(m.data[off : off+n])
		} else {
			copy(m.data[off:], random(m.rng.Uint64(), n))
		}
		dirty = append(dirty, span{off, n})
	}
	leaves := m.units(t, int64(len(old)), size, dirty)
	m.ref, _ = m.edit(t, m.ref, small, size, leaves...)
}

// append adds a leaf at the very end, whatever the last chunk looks like.
func (m *model) append(t *testing.T) {
	more := random(m.rng.Uint64(), 1+m.rng.Int64N(100))
	off := int64(len(m.data))
	m.data = append(m.data[:off:off], more...)
	m.ref, _ = m.edit(t, m.ref, small, int64(len(m.data)), m.seal(t, filetree.Sealer{}, off, more))
}

// units seals the units that dirty, or the ends of the old and new file, touch.
func (m *model) units(t *testing.T, oldSize, size int64, dirty []span) []filetree.Leaf {
	r := filetree.NewReader(m.store, m.ref, nil)
	var leaves []filetree.Leaf
	for off := int64(0); off < size; {
		unit, err := r.UnitAt(t.Context(), int(small), off)
		if err != nil {
			t.Fatal(err)
		}
		if unit.Off > off || unit.End() <= off {
			t.Fatalf("unit %d+%d at %d", unit.Off, unit.Len, off)
		}
		if off == oldSize && unit.Off < off { // the short tail, met again as the beginning of a longer unit
			if n := len(leaves); n > 0 && leaves[n-1].Off == unit.Off {
				leaves = leaves[:n-1]
			}
		}
		end := min(unit.End(), size)
		length := end - unit.Off
		touched := !unit.IsHole() && uint64(length) != unit.Ref.Size
		for _, d := range dirty {
			touched = touched || d.off < end && unit.Off < d.off+d.n
		}
		plain := m.data[unit.Off:end]
		switch {
		case !touched:
		case m.rng.IntN(2) == 0 && m.patchable(unit, length, dirty):
			leaves = append(leaves, m.patch(t, unit, dirty))
		case m.rng.IntN(8) == 0 && allZero(plain):
			leaves = append(leaves, holeLeaf(unit.Off, length))
		default:
			leaves = append(leaves, m.seal(t, filetree.Sealer{}, unit.Off, plain))
		}
		off = end
	}
	return leaves
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
