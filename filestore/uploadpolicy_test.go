package filestore_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// TestUploadsUnderEveryPolicy: parts of all sizes, copied ones among them, whatever
// the account's policy says of padding and of equal chunks, and where small blocks go.
func TestUploadsUnderEveryPolicy(t *testing.T) {
	t.Parallel()
	policies := map[string]filestore.MountOptions{
		"plain": {}, "pad 4096": {Pad: filestore.Pad4096}, "pad to powers": {Pad: filestore.PadPowerOfTwo},
		"dedup": {Dedup: true}, "dedup and pad": {Dedup: true, Pad: filestore.PadPowerOfTwo},
	}
	for name, o := range policies {
		for _, inline := range []int{0, -1} {
			if inline < 0 && name != "plain" {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newStorage(t)
				b := newMulti(t, s.open(smallChunks, func(o *filestore.Options) { o.InlineBlock = inline }))
				b.Bucket = b.WithOptions(o)
				data := random(900_000, 1)
				b.object("from", data)
				id := b.create("k")
				var want []byte
				var parts []filestore.CompletePart
				for i, n := range []int{30, 5000, 300_000, 300_000, 262_144, 30, 55, 10_000} {
					d := random(n, byte(n))
					want = append(want, d...)
					parts = append(parts, b.part("k", id, i+1, d))
				}
				p, err := b.copyPart("k", id, 20, "from", 70_000, 800_000)
				must(t, err)
				want = append(want, data[70_000:870_000]...)
				parts = append(parts, filestore.CompletePart{Number: 20, ETag: p.ETag})
				b.complete("k", id, parts...)
				b.holds("k", want)
				// SFTP edits it, as any file.
				f := b.tree.open("bucket/k", forWriting)
				write(t, f, []byte("edited"), 400_000)
				closeFile(t, f)
				copy(want[400_000:], "edited")
				b.tree.expect("bucket/k", want)
				if got := b.partsOf("k"); len(got) != 0 {
					t.Errorf("the edited file has parts still: %+v", got)
				}
				expectWhole(t, b.fs, filestore.NamedTree{Name: "test", Cap: b.root})
			})
		}
	}
}

func TestUploadsToAVersionedBucket(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	b := newMulti(t, s.open(smallChunks))
	must(t, b.Update(t.Context(), func(i *filestore.BucketInfo) error {
		i.Versioning = filestore.VersioningEnabled
		return nil
	}))
	old := b.object("k", []byte("old"))
	id := b.create("k")
	b.part("k", id, 1, random(600_000, 2)) // of parts no version is kept
	one := b.part("k", id, 1, random(600_000, 1))
	first := b.complete("k", id, one)
	if first.Version.IsLatest() || first.Version == old.Version {
		t.Errorf("version %v after %v", first.Version, old.Version)
	}
	b.object("k", []byte("newer"))
	if again := b.complete("k", id, one); again.Version != first.Version {
		t.Errorf("again: version %v, want %v", again.Version, first.Version)
	}
	for v, want := range map[filestore.VersionID][]byte{old.Version: []byte("old"), first.Version: random(600_000, 1)} {
		r, err := b.Open(t.Context(), "k", v)
		must(t, err)
		got := make([]byte, r.Object().Size)
		_, err = r.ReadAt(t.Context(), got, 0)
		r.Close()
		if !bytes.Equal(got, want) || err != nil && len(got) != len(want) {
			t.Errorf("version %v holds %s, %v", v, sketch(got), err)
		}
	}
	// A delete marker is no object.
	b.delete("k")
	id = b.create("k")
	one = b.part("k", id, 1, []byte("after"))
	none := filestore.CommitOptions{If: filestore.Conditions{NoneMatch: []string{"*"}}}
	if _, err := b.CompleteUpload(t.Context(), "k", id, []filestore.CompletePart{one}, nil, none); err != nil {
		t.Errorf("over a delete marker: %v", err)
	}
	b.holds("k", []byte("after"))
	expectWhole(t, b.fs, filestore.NamedTree{Name: "test", Cap: b.root})
}

// TestUploadsCantBeReachedOtherwise: nothing of an upload shows in the account's tree.
func TestUploadsCantBeReachedOtherwise(t *testing.T) {
	t.Parallel()
	b := newMulti(t, newStorage(t).open())
	id := b.create("a/b")
	b.part("a/b", id, 1, []byte("x"))
	b.tree.expectNames("", "bucket")
	b.tree.expectNames("bucket")
	b.tree.absent("bucket/a")
}

func TestPartsAfterAbortOrCommit(t *testing.T) {
	t.Parallel()
	b := newMulti(t, newStorage(t).open())
	id := b.create("k")
	w, err := b.NewPart(t.Context(), "k", id, 1)
	must(t, err)
	w.Abort()
	w.Abort()
	if _, err := w.Write([]byte("x")); !errors.Is(err, kind.Closed) {
		t.Errorf("write: %v", err)
	}
	if _, err := w.Commit(t.Context(), filestore.PartMeta{}); !errors.Is(err, kind.Closed) {
		t.Errorf("commit: %v", err)
	}
	if parts, _, err := b.Parts(t.Context(), "k", id, 0, 10); len(parts) != 0 || err != nil {
		t.Errorf("%+v, %v", parts, err)
	}
}
