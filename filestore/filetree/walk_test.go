package filetree_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// visitor notes what it is told.
type visitor struct {
	visited []filetree.VerifyRef
	opened  []int64
	errs    []error
	into    func(filetree.VerifyRef) bool
}

func (v *visitor) Visit(ref filetree.VerifyRef) (bool, error) {
	v.visited = append(v.visited, ref)
	return v.into == nil || v.into(ref), nil
}

func (v *visitor) Opened(_ filetree.VerifyRef, sealed int64, err error) error {
	v.opened = append(v.opened, sealed)
	if err != nil {
		v.errs = append(v.errs, err)
	}
	return nil
}

func TestWalkVerifyMeetsEveryBlock(t *testing.T) {
	t.Parallel()
	s := newStore()
	data := random(1, 5*small)
	leaves := s.leaves(t, 0, data, small)
	leaves = slices.Delete(leaves, 1, 2) // a hole
	for i := range leaves[1:] {
		leaves[1+i].Off += 200 * small // and a larger one, over two nodes
	}
	size := leaves[len(leaves)-1].End()
	ref, nodes := s.edit(t, filetree.Ref{}, small, size, leaves...)
	v := &visitor{}
	if err := filetree.WalkVerify(t.Context(), s, ref.Verify(), v); err != nil {
		t.Fatal(err)
	}
	met := map[blockstore.ID]bool{}
	for _, ref := range v.visited {
		met[ref.ID] = true
		if ref.Level == filetree.LevelChunk && (filetree.SealedLen(int64(ref.Size)) != int64(len(s.blocks[ref.ID])) || *ref.Key.Raw() != [32]byte{}) {
			t.Errorf("chunk of %d bytes, block of %d", ref.Size, len(s.blocks[ref.ID]))
		}
	}
	if want := len(nodes) + len(leaves); len(met) != want || len(v.visited) != want || v.visited[0].ID != ref.ID {
		t.Errorf("met %d blocks in %d visits, want %d", len(met), len(v.visited), want)
	}
	if len(v.opened) != len(nodes) || v.opened[0] != int64(len(s.blocks[ref.ID])) {
		t.Errorf("opened nodes of %v bytes, want %d", v.opened, len(nodes))
	}
	if len(s.ranges) != 0 {
		t.Error("chunks were read")
	}
	// A verify key doesn't read.
	r := filetree.NewReader(s, filetree.Ref{ID: ref.ID, Key: ref.Verify().Key, Level: ref.Level, Size: ref.Size}, nil)
	if _, err := r.ReadAt(t.Context(), make([]byte, 1), 0); kind.Of(err) != kind.Corrupt {
		t.Errorf("read by the verify key: %v", err)
	}
}

func TestWalkVerifyWithoutTheSize(t *testing.T) {
	t.Parallel()
	s := newStore()
	tree := s.file(t, random(1, 3*small), small)
	one := s.file(t, random(1, 1000), small)
	for _, ref := range []filetree.Ref{tree, one, {}} {
		v := ref.Verify()
		v.Size = 0
		got := &visitor{}
		if err := filetree.WalkVerify(t.Context(), s, v, got); err != nil || len(got.errs) > 0 {
			t.Errorf("%v, %v", err, got.errs)
		}
		want := map[uint8]int{0: 4, filetree.LevelChunk: 1}[ref.Level]
		if ref.Size == 0 {
			want = 0
		}
		if len(got.visited) != want {
			t.Errorf("level %d: %d visits, want %d", ref.Level, len(got.visited), want)
		}
	}
}

func TestWalkVerifyGoesOnPastDamage(t *testing.T) {
	t.Parallel()
	s := newStore()
	leaf := s.seal(t, filetree.Sealer{}, 0, random(1, small))
	var leaves []filetree.Leaf
	for i := range int64(300) {
		leaves = append(leaves, filetree.Leaf{Off: i * small, Len: small, Ref: leaf.Ref})
	}
	ref, nodes := s.edit(t, filetree.Ref{}, small, 300*small, leaves...)
	delete(s.blocks, nodes[1].ID) // one of the three of level 0
	v := &visitor{}
	if err := filetree.WalkVerify(t.Context(), s, ref.Verify(), v); err != nil {
		t.Fatal(err)
	}
	if len(v.errs) != 1 || kind.Of(v.errs[0]) != kind.Corrupt {
		t.Errorf("errors %v, want one Corrupt", v.errs)
	}
	if want := 4 + 300 - 128; len(v.visited) != want {
		t.Errorf("%d visits, want %d", len(v.visited), want)
	}
	if _, wrongKey := errors.AsType[*filetree.WrongKeyError](v.errs[0]); wrongKey {
		t.Error("a lost node is taken for one with another key")
	}
	all := filetree.VisitFunc(func(filetree.VerifyRef) (bool, error) { return true, nil })
	if err := filetree.WalkVerify(t.Context(), s, ref.Verify(), all); kind.Of(err) != kind.Corrupt {
		t.Errorf("VisitFunc: %v", err)
	}
	stop := errors.New("stop")
	err := filetree.WalkVerify(t.Context(), s, ref.Verify(), filetree.VisitFunc(func(filetree.VerifyRef) (bool, error) { return true, stop }))
	if err != stop {
		t.Errorf("the visitor's error became %v", err)
	}
	v = &visitor{into: func(r filetree.VerifyRef) bool { return r.Level > 0 }}
	if err := filetree.WalkVerify(t.Context(), s, ref.Verify(), v); err != nil || len(v.visited) != 4 || len(v.errs) != 0 {
		t.Errorf("without level 0: %v, %d visits, %v", err, len(v.visited), v.errs)
	}
}

func TestWalkVerifyTellsAnotherKeyFromDamage(t *testing.T) {
	t.Parallel()
	s := newStore()
	v := s.file(t, random(1, 3*small), small).Verify()
	v.Key = caps.KeyOf([32]byte{1})
	err := filetree.WalkVerify(t.Context(), s, v, filetree.VisitFunc(func(filetree.VerifyRef) (bool, error) { return true, nil }))
	if _, ok := errors.AsType[*filetree.WrongKeyError](err); !ok || kind.Of(err) != kind.Corrupt {
		t.Errorf("%v, want a WrongKeyError of kind Corrupt", err)
	}
}

// TestWalkVerifyOfATreeThatRepeatsItself: 128^7 times the same subtree.
func TestWalkVerifyOfATreeThatRepeatsItself(t *testing.T) {
	t.Parallel()
	s := newStore()
	one := s.seal(t, filetree.Sealer{}, 0, []byte("x")).Ref
	for range 8 {
		ref, blocks, err := filetree.Join(slices.Repeat(parts(one), 128))
		if err != nil {
			t.Fatal(err)
		}
		s.put(blocks...)
		one = ref
	}
	v := &visitor{}
	if err := filetree.WalkVerify(t.Context(), s, one.Verify(), v); err != nil {
		t.Fatal(err)
	}
	if len(v.visited) > 8+128*129 {
		t.Errorf("%d visits of a tree of 9 blocks", len(v.visited))
	}
}
