package filetree_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

const (
	kib   = int64(1) << 10
	mib   = int64(1) << 20
	small = 256 * kib // the smallest chunk size, to get deep trees of little data
)

// store is a Source over a map that counts what is asked of it.
type store struct {
	mu     sync.Mutex
	blocks map[blockstore.ID][]byte
	nodes  int // calls of Node
	ranges []span
	fail   error
}

type span struct{ off, n int64 }

func newStore() *store { return &store{blocks: map[blockstore.ID][]byte{}} }

func (s *store) put(blocks ...filetree.Block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range blocks {
		s.blocks[b.ID] = bytes.Clone(b.Data)
	}
}

func (s *store) Node(_ context.Context, id blockstore.ID) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes++
	if s.fail != nil {
		return nil, s.fail
	}
	b, ok := s.blocks[id]
	if !ok {
		return nil, fmt.Errorf("store: %v: %w", id, kind.NotExist)
	}
	return b, nil
}

func (s *store) ChunkRange(_ context.Context, id blockstore.ID, _, off, n int64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ranges = append(s.ranges, span{off, n})
	if s.fail != nil {
		return nil, s.fail
	}
	b, ok := s.blocks[id]
	if !ok {
		return nil, fmt.Errorf("store: %v: %w", id, kind.NotExist)
	}
	off = min(off, int64(len(b)))
	return bytes.Clone(b[off:min(off+n, int64(len(b)))]), nil
}

func (s *store) resetCounts() { s.nodes, s.ranges = 0, nil }

// random gives n reproducible bytes.
func random(seed uint64, n int64) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// seal stores plain as one chunk and gives the leaf that begins at off.
func (s *store) seal(t testing.TB, sealer filetree.Sealer, off int64, plain []byte) filetree.Leaf {
	t.Helper()
	b, key, err := sealer.Seal(nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	s.put(b)
	n := int64(len(plain))
	return filetree.Leaf{Off: off, Len: n, Ref: filetree.Ref{ID: b.ID, Key: key, Level: filetree.LevelChunk, Size: uint64(n)}}
}

// leaves cuts data into chunks.
func (s *store) leaves(t testing.TB, off int64, data []byte, chunk int64) []filetree.Leaf {
	t.Helper()
	var out []filetree.Leaf
	for len(data) > 0 {
		n := min(chunk, int64(len(data)))
		out = append(out, s.seal(t, filetree.Sealer{}, off, data[:n]))
		off, data = off+n, data[n:]
	}
	return out
}

// file stores data as a file of that chunk size.
func (s *store) file(t testing.TB, data []byte, chunk int64) filetree.Ref {
	t.Helper()
	ref, blocks, err := filetree.Build(t.Context(), int(chunk), s.leaves(t, 0, data, chunk), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	s.put(blocks...)
	return ref
}

// edit edits and stores.
func (s *store) edit(t testing.TB, base filetree.Ref, chunk, size int64, leaves ...filetree.Leaf) (filetree.Ref, []filetree.Block) {
	t.Helper()
	ref, blocks, err := filetree.Edit(t.Context(), s, base, int(chunk), size, leaves)
	if err != nil {
		t.Fatal(err)
	}
	s.put(blocks...)
	return ref, blocks
}

func holeLeaf(off, n int64) filetree.Leaf {
	return filetree.Leaf{Off: off, Len: n, Ref: filetree.Ref{Level: filetree.LevelChunk, Size: uint64(n)}}
}

// read reads a whole file in steps.
func read(t testing.TB, src filetree.Source, ref filetree.Ref, step int) []byte {
	t.Helper()
	got, err := readErr(t, src, ref, step)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func readErr(t testing.TB, src filetree.Source, ref filetree.Ref, step int) ([]byte, error) {
	t.Helper()
	r := filetree.NewReader(src, ref, nil)
	var got []byte
	buf := make([]byte, step)
	for {
		n, err := r.ReadAt(t.Context(), buf, int64(len(got)))
		got = append(got, buf[:n]...)
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}

// wantContents compares without printing megabytes.
func wantContents(t testing.TB, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	t.Fatalf("got %d bytes, want %d; they differ from byte %d on", len(got), len(want), at)
}
