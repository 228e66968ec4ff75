package filestore_test

import (
	"bytes"
	"testing"

	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A commit whose patches can't be stored changes nothing, and the next one stores them.
func TestPatchesThatCannotBeStored(t *testing.T) {
	t.Parallel()
	const chunk = 256 << 10
	s := newStorage(t)
	failing := blockstoretest.NewFaulty(s.blocks)
	s.blocks = failing
	fs := s.open(func(o *filestore.Options) { o.ChunkSize, o.InlineBlock = chunk, -1 })
	tr, root := newTree(t, fs)
	o := tr.overwriting("f", 4*chunk)
	o.at(chunk+100, 4096, 2)
	sync(t, o.f)
	before := bytes.Clone(o.want)
	for i := range 4 {
		o.at(i*chunk+4000, 9000, byte(3+i))
	}
	for _, op := range []blockstoretest.Op{blockstoretest.OpPut, blockstoretest.OpGet} {
		failing.FailOp(op, kind.NoSpace)
		if err := o.f.Sync(t.Context()); op == blockstoretest.OpPut && kind.Of(err) != kind.NoSpace {
			t.Fatalf("sync without room: %v", err)
		}
		failing.Honest()
		if got := readAll(t, o.f); !bytes.Equal(got, o.want) {
			t.Fatal("the handle has lost what was written")
		}
		if op == blockstoretest.OpPut {
			mount(t, s.open(), root).expect("f", before)
		}
	}
	closeFile(t, o.f)
	mount(t, s.open(), root).expect("f", o.want)
	expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
}

// A patch that is lost isn't made to look sound by what is written beside it: that
// can't be committed, unless it covers the patch, or the chunk if that is written anew.
func TestWritingBesideALostPatch(t *testing.T) {
	t.Parallel()
	const chunk = 256 << 10
	for name, tt := range map[string]struct{ beside, from, over int }{
		"a page":                     {4096, 9_000, 8192},
		"more than a patch may have": {chunk / 3, 0, chunk},
	} {
		s := newStorage(t)
		lying := blockstoretest.NewFaulty(s.blocks)
		s.blocks = lying
		options := func(o *filestore.Options) { o.ChunkSize, o.InlineBlock = chunk, -1 }
		tr, root := newTree(t, s.open(options))
		o := tr.overwriting("f", 2*chunk)
		before := s.ids()
		o.at(chunk+10_000, 4096, 2)
		closeFile(t, o.f)
		for id := range s.ids() {
			if !before[id] {
				lying.Lie(id, blockstoretest.Drop)
			}
		}
		tr = mount(t, s.open(options), root)
		o.tree, o.f = tr, tr.open("f", forWriting)
		o.at(chunk+100_000, tt.beside, 3)
		if err := o.f.Sync(t.Context()); kind.Of(err) != kind.Corrupt {
			t.Errorf("%s: sync beside a lost patch: %v, want Corrupt", name, err)
		}
		o.at(chunk+tt.from, tt.over, 4)
		if err := o.f.Sync(t.Context()); err != nil {
			t.Errorf("%s: sync over a lost patch: %v", name, err)
		}
		closeFile(t, o.f)
		fs := s.open()
		mount(t, fs, root).expect("f", o.want)
		expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
	}
}
