package filetree_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// parts are files to join.
func parts(refs ...filetree.Ref) []filetree.Part {
	var parts []filetree.Part
	for _, ref := range refs {
		parts = append(parts, filetree.Part{Ref: ref})
	}
	return parts
}

func TestJoinGivesThePartsInOrder(t *testing.T) {
	t.Parallel()
	s := newStore()
	sizes := map[string]int64{"empty": 0, "byte": 1, "chunk": small, "short": 1000, "tree": 3*small + 5, "even": 2 * small}
	files := map[string]filetree.Ref{}
	data := map[string][]byte{}
	for name, n := range sizes {
		data[name] = random(uint64(n), n)
		files[name] = s.file(t, data[name], small)
	}
	sparse, _ := s.edit(t, filetree.Ref{}, small, 200*small, s.seal(t, filetree.Sealer{}, 130*small, data["chunk"]))
	files["deep"] = sparse
	data["deep"] = append(append(make([]byte, 130*small), data["chunk"]...), make([]byte, 69*small)...)
	tests := [][]string{
		{},
		{"empty"},
		{"byte"},
		{"tree"},
		{"empty", "tree", "empty"},
		{"byte", "byte"},
		{"chunk", "chunk", "short"},
		{"tree", "tree"},
		{"tree", "byte"},
		{"byte", "tree"},
		{"short", "deep", "tree"},
		{"deep", "byte", "short", "tree", "deep"},
		slices.Repeat([]string{"byte"}, 129), slices.Repeat([]string{"byte", "tree"}, 70),
	}
	for _, names := range tests {
		var refs []filetree.Ref
		var want []byte
		for _, name := range names {
			refs = append(refs, files[name])
			want = append(want, data[name]...)
		}
		ref, blocks, err := filetree.Join(parts(refs...))
		if err != nil {
			t.Fatal(err)
		}
		s.put(blocks...)
		if ref.Size != uint64(len(want)) {
			t.Errorf("%v: size %d, want %d", names, ref.Size, len(want))
		}
		checkTree(t, s, ref)
		wantContents(t, read(t, s, ref, 1<<20), want)
		if len(want) == 0 {
			continue
		}
		// What was joined can be edited: put a byte at its end.
		grown, more := s.edit(t, ref, small, int64(len(want))+1, s.seal(t, filetree.Sealer{}, int64(len(want)), []byte("z")))
		if len(more) > 4 {
			t.Errorf("%v: a byte more makes %d nodes", names, len(more))
		}
		checkTree(t, s, grown)
		wantContents(t, read(t, s, grown, 1<<20), append(want, 'z'))
	}
}

func TestJoinOfTenThousandParts(t *testing.T) {
	t.Parallel()
	s, rng := newStore(), rand.New(rand.NewPCG(1, 2))
	var leaves []filetree.Leaf
	for i := range int64(5) {
		leaves = append(leaves, fakeChunk(rng, i*mib, mib))
	}
	part, _ := s.edit(t, filetree.Ref{}, mib, 5*mib, leaves...)
	ref, blocks, err := filetree.Join(slices.Repeat(parts(part), 10_000))
	if err != nil {
		t.Fatal(err)
	}
	s.put(blocks...)
	if ref.Level > 3 || len(blocks) > 80 {
		t.Errorf("level %d, %d nodes", ref.Level, len(blocks))
	}
	if err := filetree.WalkVerify(t.Context(), s, ref.Verify(), &visitor{}); err != nil {
		t.Error(err)
	}
	l, err := filetree.NewReader(s, ref, nil).LeafAt(t.Context(), 49_999*mib+1)
	if err != nil || !l.Ref.Equal(leaves[4].Ref) || l.Off != 49_999*mib {
		t.Errorf("last leaf: %+v, %v", l, err)
	}
}

func TestJoinRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	key := caps.KeyOf([32]byte{1})
	ok := filetree.Ref{ID: [32]byte{1}, Key: key, Level: 0, Size: 1 << 62}
	with := func(f func(*filetree.Ref)) filetree.Ref { r := ok; f(&r); return r }
	tests := map[string]struct {
		parts []filetree.Ref
		want  kind.Kind
	}{
		"no key":       {[]filetree.Ref{with(func(r *filetree.Ref) { r.Key = caps.Key{} })}, kind.Invalid},
		"level 8":      {[]filetree.Ref{with(func(r *filetree.Ref) { r.Level = 8 })}, kind.Invalid},
		"large chunk":  {[]filetree.Ref{with(func(r *filetree.Ref) { r.Level = filetree.LevelChunk })}, kind.Invalid},
		"2^63 bytes":   {[]filetree.Ref{ok, ok}, kind.TooLarge},
		"2^64 bytes":   {[]filetree.Ref{with(func(r *filetree.Ref) { r.Size = 1<<64 - 1 })}, kind.TooLarge},
		"nine levels":  {slices.Repeat([]filetree.Ref{with(func(r *filetree.Ref) { r.Level, r.Size = 7, 1 })}, 2), kind.TooLarge},
		"ninth by 129": {slices.Repeat([]filetree.Ref{with(func(r *filetree.Ref) { r.Level, r.Size = 6, 1 })}, 129), kind.TooLarge},
	}
	for name, tt := range tests {
		_, _, err := filetree.Join(parts(tt.parts...))
		if kind.Of(err) != tt.want {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestEditRefusesLeavesThatDontFit(t *testing.T) {
	t.Parallel()
	s, rng := newStore(), rand.New(rand.NewPCG(1, 2))
	base := s.file(t, random(1, 3*small+100), small)
	ragged, _ := s.edit(t, base, small, 3*small+110, s.seal(t, filetree.Sealer{}, 3*small+100, []byte("0123456789")))
	c := func(off, n int64) filetree.Leaf { return fakeChunk(rng, off, n) }
	odd := c(0, small)
	odd.Ref.Size--
	level := c(0, small)
	level.Ref.Level = 0
	noKey := c(0, small)
	noKey.Ref.Key = caps.Key{}
	size := 3*small + 100
	tests := map[string]struct {
		chunk, size int64
		leaves      []filetree.Leaf
	}{
		"part of a chunk":          {small, size, []filetree.Leaf{c(10, 100)}},
		"beginning of a chunk":     {small, size, []filetree.Leaf{c(0, small-1)}},
		"end of a chunk":           {small, size, []filetree.Leaf{c(1, small-1)}},
		"chunk and a part":         {small, size, []filetree.Leaf{c(0, small+1)}},
		"cut without a leaf":       {small, small + 1, nil},
		"cut, leaf too short":      {small, small + 100, []filetree.Leaf{c(small, 99)}},
		"gap in a chunk":           {small, size, []filetree.Leaf{c(0, 100), c(101, small-101)}},
		"overlapping":              {small, size, []filetree.Leaf{c(0, small), c(small-1, 10)}},
		"descending":               {small, size, []filetree.Leaf{c(small, small), c(0, small)}},
		"beyond the size":          {small, size, []filetree.Leaf{c(3*small, 101)}},
		"at 2^63":                  {small, size, []filetree.Leaf{c(1<<63-1, 10)}},
		"negative":                 {small, size, []filetree.Leaf{c(-small, small)}},
		"empty":                    {small, size, []filetree.Leaf{c(0, 0)}},
		"another size inside":      {small, size, []filetree.Leaf{odd}},
		"a node":                   {small, size, []filetree.Leaf{level}},
		"no key":                   {small, size, []filetree.Leaf{noKey}},
		"a chunk over 4 MiB":       {small, 9 * mib, []filetree.Leaf{c(4*mib, 4*mib+1)}},
		"chunk size not a power":   {small + 1, size, nil},
		"chunk size 128 KiB":       {128 * kib, size, nil},
		"chunk size 8 MiB":         {8 * mib, size, nil},
		"negative size":            {small, -1, nil},
		"half a hole, half a base": {small, 5 * small, []filetree.Leaf{holeLeaf(3*small+50, small)}},
	}
	for name, tt := range tests {
		for _, from := range []filetree.Ref{base, ragged} {
			_, _, err := filetree.Edit(t.Context(), s, from, int(tt.chunk), tt.size, tt.leaves)
			if kind.Of(err) != kind.Invalid {
				t.Errorf("%s: %v, want Invalid", name, err)
			}
		}
	}
}

func TestEditThatChangesNothingGivesTheBase(t *testing.T) {
	t.Parallel()
	s := newStore()
	base := s.file(t, random(1, 3*small), small)
	ref, blocks := s.edit(t, base, small, 3*small)
	if !ref.Equal(base) || len(blocks) > 0 {
		t.Errorf("%d new blocks", len(blocks))
	}
	ref, blocks = s.edit(t, base, small, 0)
	if !ref.Equal(filetree.Ref{}) || len(blocks) > 0 {
		t.Error("cut to nothing isn't the empty file")
	}
}

// TestRaggedAppendsCoalesce is the life of a log file: bytes are appended
// without touching the short last chunk, until they make up a chunk.
func TestRaggedAppendsCoalesce(t *testing.T) {
	t.Parallel()
	s := newStore()
	data := random(1, 3*small-1000)
	ref := s.file(t, data, small)
	base := int64(len(data))
	for i := range 10 { // small tails
		more := random(uint64(i), 30)
		ref, _ = s.edit(t, ref, small, int64(len(data))+30, s.seal(t, filetree.Sealer{}, int64(len(data)), more))
		data = append(data, more...)
	}
	if _, aligned, err := filetree.NewReader(s, ref, nil).Grid(t.Context(), int(small)); aligned || err != nil {
		t.Fatalf("aligned %v, %v", aligned, err)
	}
	wantContents(t, read(t, s, ref, 1<<20), data)
	last := base / small * small
	data = append(data, bytes.Repeat([]byte("t"), 2000)...)
	ref, _ = s.edit(t, ref, small, int64(len(data)), s.leaves(t, last, data[last:], small)...)
	wantContents(t, read(t, s, ref, 1<<20), data)
	if grid, aligned, err := filetree.NewReader(s, ref, nil).Grid(t.Context(), int(mib)); !aligned || grid != small || err != nil {
		t.Errorf("a file of whole chunks again: grid %d, aligned %v, %v", grid, aligned, err)
	}
}

func TestUnitAt(t *testing.T) {
	t.Parallel()
	s := newStore()
	tree := s.file(t, random(1, 2*small+100), small)
	sparse, _ := s.edit(t, filetree.Ref{}, small, 10*small+100, s.leaves(t, small, random(2, small), small)...)
	ragged, _ := s.edit(t, tree, small, 2*small+150, s.leaves(t, 2*small+100, random(3, 50), small)...)
	far, _ := s.edit(t, ragged, small, 9*small)
	one := s.file(t, random(4, 3*small), 4*small)
	tests := []struct {
		name string
		ref  filetree.Ref
		off  int64
		want span
		hole bool
	}{
		{"empty", filetree.Ref{}, 5, span{0, mib}, true},
		{"empty, second cell", filetree.Ref{}, mib, span{mib, mib}, true},
		{"chunk", tree, small + 5, span{small, small}, false},
		{"short chunk", tree, 2*small + 5, span{2 * small, 100}, false},
		{"growth of a short chunk", tree, 2*small + 100, span{2 * small, small}, false},
		{"past its cell", tree, 7*small + 100, span{7 * small, small}, true},
		{"hole", sparse, 5*small + 7, span{5 * small, small}, true},
		{"last cell, a hole", sparse, 10*small + 7, span{10 * small, 100}, true},
		{"growth after a hole", sparse, 10*small + 100, span{10 * small, small}, true},
		{"ragged, short chunk", ragged, 2*small + 99, span{2 * small, 100}, false},
		{"ragged tail", ragged, 2*small + 100, span{2*small + 100, 50}, false},
		{"growth of a ragged tail", ragged, 2*small + 150, span{2*small + 100, mib}, false},
		{"far growth of a ragged tail", ragged, 2*small + 100 + mib, span{2*small + 100 + mib, mib}, true},
		{"hole of a ragged file", far, 2*small + 150 + mib, span{2*small + 150 + mib, 9*small - 2*small - 150 - mib}, true},
		{"growth after it", far, 9 * small, span{9 * small, mib}, true},
		{"one chunk", one, 5, span{0, 3 * small}, false},
		{"growth of one chunk", one, 3 * small, span{0, mib}, false},
	}
	for _, tt := range tests {
		l, err := filetree.NewReader(s, tt.ref, nil).UnitAt(t.Context(), int(mib), tt.off)
		if err != nil || (span{l.Off, l.Len}) != tt.want || l.Ref.ID.IsZero() != tt.hole {
			t.Errorf("%s: unit %d+%d, hole %v, %v; want %v, %v", tt.name, l.Off, l.Len, l.Ref.ID.IsZero(), err, tt.want, tt.hole)
		}
	}
	for _, off := range []int64{-1, int64(tree.Size)} {
		if _, err := filetree.NewReader(s, tree, nil).LeafAt(t.Context(), off); kind.Of(err) != kind.Invalid {
			t.Errorf("LeafAt(%d): %v", off, err)
		}
	}
}

// TestAHoleOverMuchReadsLittle: what a hole covers is dropped unread, however
// large it is, or says it is.
func TestAHoleOverMuchReadsLittle(t *testing.T) {
	t.Parallel()
	s := newStore()
	ref := s.seal(t, filetree.Sealer{}, 0, []byte("xyz")).Ref
	for range 6 { // 3 * 100^6 bytes of one chunk and six nodes
		next, blocks, err := filetree.Join(slices.Repeat(parts(ref), 100))
		if err != nil {
			t.Fatal(err)
		}
		s.put(blocks...)
		ref = next
	}
	size := int64(ref.Size)
	s.resetCounts()
	punched, blocks := s.edit(t, ref, small, size, holeLeaf(3, size-6))
	if s.nodes > 12 || len(blocks) > 12 {
		t.Errorf("read %d nodes and made %d", s.nodes, len(blocks))
	}
	r := filetree.NewReader(s, punched, nil)
	for off, want := range map[int64]string{0: "xyz\x00\x00", size / 2: "\x00\x00\x00\x00\x00", size - 5: "\x00\x00xyz"} {
		p := make([]byte, 5)
		if _, err := r.ReadAt(t.Context(), p, off); err != nil || string(p) != want {
			t.Errorf("at %d: %q, %v", off, p, err)
		}
	}
}
