package filestore_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func (b bucket) copy(from *filestore.ObjectReader, key string, m filestore.ObjectMeta) filestore.Object {
	b.t.Helper()
	o, err := b.CopyObject(b.t.Context(), key, from, m, filestore.CommitOptions{})
	if err != nil {
		b.t.Fatalf("copy to %q: %v", key, err)
	}
	return o
}

func TestCopiesShareBlocks(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	fs := s.open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	alice, _ := newTree(t, fs)
	bob, _ := newTree(t, fs)
	a := bucketIn(t, fs, alice)
	other, err := fs.CreateBucket(t.Context(), bob.Tree, filestore.BucketInfo{Name: "bobs", Owner: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	b := bucket{t, other}
	want := map[string][]byte{}
	for _, n := range []int{0, 40, 4000, 100_000, 2 << 20} {
		key := fmt.Sprint("d/", n)
		want[key] = random(n, byte(n+1))
		a.put(key, want[key])
	}
	blocks := s.stored()
	tagged := filestore.ObjectMeta{Tags: []filestore.Pair{{Name: "a", Value: "copy"}}}
	for key, data := range want {
		r := a.open(key)
		for _, to := range []bucket{a, b} {
			o := to.copy(r, "copies/"+key, tagged)
			if o.Size != int64(len(data)) || !sameMeta(to.stat("copies/"+key).Meta, tagged) {
				t.Errorf("the copy is %+v", o)
			}
		}
		// In place: other metadata, the same contents.
		a.copy(r, key, tagged)
		if o := a.stat(key); !sameMeta(o.Meta, tagged) {
			t.Errorf("%s is %+v", key, o)
		}
		// The source has been replaced and is gone, its reader is not.
		a.remove(key)
		b.copy(r, "late/"+key, tagged)
		if got := readObject(t, r); !bytes.Equal(got, data) {
			t.Errorf("%s reads %s", key, sketch(got))
		}
		r.Close()
		if _, err := b.CopyObject(t.Context(), "x", r, tagged, filestore.CommitOptions{}); kind.Of(err) != kind.Closed {
			t.Errorf("copy from a closed reader: %v", err)
		}
	}
	if s.stored() != blocks {
		t.Errorf("%d blocks are stored, %d before", s.stored(), blocks)
	}
	// What is shared survives its first owner.
	for key := range want {
		a.remove("copies/" + key)
	}
	collectAllDue(t, fs, now)
	for key, data := range want {
		for _, at := range []string{"copies/", "late/"} {
			if got := b.get(at + key); !bytes.Equal(got, data) {
				t.Errorf("%s%s holds %s", at, key, sketch(got))
			}
		}
	}
	expectWhole(t, fs)
}

func TestACopyHoldsItsConditions(t *testing.T) {
	t.Parallel()
	b, _ := bucketAlone(t)
	b.put("from", []byte("contents"))
	b.put("to", []byte("other"))
	r := b.open("from")
	defer r.Close()
	_, err := b.CopyObject(t.Context(), "to", r, filestore.ObjectMeta{}, filestore.CommitOptions{If: filestore.Conditions{NoneMatch: []string{"*"}}})
	expectKind(t, "copy over what must not be there", err, kind.Precondition)
	if got := b.get("to"); string(got) != "other" {
		t.Errorf("it holds %s", got)
	}
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	o, err := b.CopyObject(t.Context(), "to", r, filestore.ObjectMeta{}, filestore.CommitOptions{Mtime: at})
	if err != nil || !o.Mtime.Equal(at) || !b.stat("to").Mtime.Equal(at) {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestDeletionsShareCommits(t *testing.T) {
	t.Parallel()
	tr, m := metered(t)
	b := bucketIn(t, tr.FS(), tr)
	var reqs []filestore.DeleteRequest
	for i := range 500 {
		reqs = append(reqs, filestore.DeleteRequest{Key: fmt.Sprintf("d%d/e%d/k%d", i%5, i%7, i)})
	}
	b.fill(len(reqs), func(i int) string { return reqs[i].Key })
	reqs = append(reqs, filestore.DeleteRequest{Key: "absent"}, filestore.DeleteRequest{Key: ""},
		filestore.DeleteRequest{Key: "absent", DeleteOptions: filestore.DeleteOptions{If: filestore.Conditions{Match: []string{"*"}}}})
	m.spent()
	results := b.DeleteObjects(t.Context(), reqs)
	if got := m.spent(); got.commits > 2 {
		t.Errorf("%d deletions take %d commits", len(reqs), got.commits)
	}
	for i, r := range results {
		want := map[int]kind.Kind{501: kind.NameInvalid, 502: kind.Precondition}[i]
		if kind.Of(r.Err) != want {
			t.Errorf("%q: %v, want %v", reqs[i].Key, r.Err, want)
		}
	}
	tr.expectNames("b")
}
