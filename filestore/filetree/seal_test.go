package filetree_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestEachSealingDrawsItsOwnKey(t *testing.T) {
	t.Parallel()
	plain := random(1, 100)
	a, ka, err := filetree.SealChunk(nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	b, kb, err := filetree.SealChunk(nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	if ka.Equal(kb) || a.ID == b.ID || bytes.Equal(a.Data[48:], b.Data[48:]) {
		t.Error("two sealings of one plaintext are alike")
	}
	first, _, err := filetree.Build(t.Context(), int(small), nil, 5)
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := filetree.Build(t.Context(), int(small), nil, 5)
	if err != nil {
		t.Fatal(err)
	}
	if first.Key.Equal(second.Key) || first.ID == second.ID {
		t.Error("two sealings of one node are alike")
	}
}

func TestConvergentKeysFollowSecretAndContents(t *testing.T) {
	t.Parallel()
	plain := random(1, 5000)
	seal := func(s filetree.Sealer, plain []byte) blockstore.ID {
		t.Helper()
		b, _, err := s.Seal(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		return b.ID
	}
	mine := filetree.Sealer{Secret: caps.KeyOf([32]byte{1})}
	padded := mine
	padded.Pad = filetree.Pad4096
	want := seal(mine, plain)
	b, _, err := filetree.SealChunkConvergent(mine.Secret, nil, plain)
	if err != nil || b.ID != want {
		t.Errorf("SealChunkConvergent: another block, %v", err)
	}
	if seal(mine, bytes.Clone(plain)) != want {
		t.Error("equal chunks under one secret became two blocks")
	}
	for name, other := range map[string]blockstore.ID{
		"another secret": seal(filetree.Sealer{Secret: caps.KeyOf([32]byte{2})}, plain),
		"other contents": seal(mine, plain[1:]),
		"padding":        seal(padded, plain),
		"a random key":   seal(filetree.Sealer{}, plain),
	} {
		if other == want {
			t.Errorf("%s: the same block", name)
		}
	}
}

func TestSealPiecesIsSealOfTheirBytes(t *testing.T) {
	t.Parallel()
	secret := caps.KeyOf([32]byte{1})
	for _, pad := range []filetree.Padding{filetree.PadNone, filetree.Pad4096, filetree.PadPowerOfTwo} {
		for _, n := range boundarySizes {
			if n > 4*mib {
				continue
			}
			s := filetree.Sealer{Secret: secret, Pad: pad}
			plain := random(uint64(n), n)
			whole, key, err := s.Seal(nil, plain)
			if err != nil {
				t.Fatal(err)
			}
			pieces, key2, err := s.SealPieces(nil, slices.Collect(slices.Chunk(plain, blockstore.FrameSize)))
			if err != nil || !key.Equal(key2) || !bytes.Equal(whole.Data, pieces.Data) {
				t.Errorf("%d bytes, padding %d: another block, %v", n, pad, err)
			}
		}
	}
}

func TestSealRefusesWhatIsNoChunk(t *testing.T) {
	t.Parallel()
	frame := make([]byte, blockstore.FrameSize)
	for _, n := range []int{0, filetree.MaxChunkSize + 1} {
		if _, _, err := filetree.SealChunk(nil, make([]byte, n)); kind.Of(err) != kind.Invalid {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for name, frames := range map[string][][]byte{
		"none": {}, "an empty one": {{}}, "empty last": {frame, {}}, "short first": {frame[1:], frame},
		"long last": {frame, append([]byte{0}, frame...)}, "too many": slices.Repeat([][]byte{frame}, filetree.MaxChunkSize/len(frame)+1),
	} {
		if _, _, err := (filetree.Sealer{}).SealPieces(nil, frames); kind.Of(err) != kind.Invalid {
			t.Errorf("frames, %s: %v", name, err)
		}
	}
}

func TestSealWritesOverTheCallersBuffer(t *testing.T) {
	plain := random(1, 100_000)
	n := filetree.SealedLen(100_000)
	buf := bytes.Repeat([]byte{0xFF}, int(n)+50)
	for _, size := range []int64{n - 1, n, n + 50} {
		b, key, err := filetree.SealChunk(buf[:0:size], plain)
		if err != nil {
			t.Fatal(err)
		}
		if same := &b.Data[0] == &buf[0]; same != (size >= n) {
			t.Errorf("a buffer of %d bytes for a block of %d: used %v", size, n, same)
		}
		got, err := filetree.OpenChunk(nil, filetree.Ref{ID: b.ID, Key: key, Level: filetree.LevelChunk, Size: 100_000}, b.Data)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("opened %d bytes, %v", len(got), err)
		}
	}
	if allocs := testing.AllocsPerRun(10, func() {
		if _, _, err := filetree.SealChunk(buf, plain); err != nil {
			t.Error(err)
		}
	}); allocs > 6 {
		t.Errorf("%v allocations a chunk", allocs)
	}
}

func TestRefsAndCaps(t *testing.T) {
	t.Parallel()
	s := newStore()
	for _, size := range []int64{100, small + 1} {
		ref := s.file(t, random(1, size), small)
		if !filetree.RefOf(ref.FileRead()).Equal(ref) {
			t.Error("a read cap gives another reference")
		}
		v, w := ref.Verify(), filetree.VerifyRefOf(ref.FileRead().Verify())
		if v.ID != w.ID || !v.Key.Equal(w.Key) || v.Level != w.Level || v.Size != w.Size {
			t.Error("a verify cap gives another reference than weakening")
		}
	}
}
