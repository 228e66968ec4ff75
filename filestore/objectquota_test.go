package filestore_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestObjectsAreChargedToTheirOwner(t *testing.T) {
	t.Parallel()
	var now atomic.Int64 // seconds: each look at the clock is later than what the last one has found
	fs := newStorage(t).open(func(o *filestore.Options) {
		o.ChunkSize = 256 << 10
		o.Now = func() time.Time { return time.Unix(now.Add(1), 0) }
	})
	tr, root := newTree(t, fs)
	free := bucketIn(t, fs, tr)
	b := bucket{t, free.WithOptions(filestore.MountOptions{Source: "test", MaxBytes: 1 << 20, MaxFiles: 6})}
	charged := func(files, bytes int64) {
		t.Helper()
		q, err := mount(t, fs, root).Quota(t.Context())
		if err != nil || q.Files != files || q.Bytes != bytes {
			t.Errorf("charged %+v, %v, want %d files of %d bytes", q, err, files, bytes)
		}
	}
	b.put("d/o", random(700_000, 1))
	charged(3, 700_000) // with the bucket's directory, and d
	// It may take the place of itself, whatever is left beside it.
	b.put("d/o", random(800_000, 2))
	_, err := b.tryPut("other", random(400_000, 3), filestore.ObjectMeta{}, filestore.CommitOptions{})
	expectKind(t, "put above the quota", err, kind.NoSpace)
	w, err := b.NewObject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(random(1<<20+1, 4)); kind.Of(err) != kind.NoSpace {
		t.Errorf("write of more than the quota: %v", err)
	}
	w.Abort()
	r := b.open("d/o")
	_, err = b.CopyObject(t.Context(), "copy", r, filestore.ObjectMeta{}, filestore.CommitOptions{})
	expectKind(t, "a copy above the quota", err, kind.NoSpace)
	r.Close()
	b.put("a/b/c", nil)
	_, err = b.tryPut("more", nil, filestore.ObjectMeta{}, filestore.CommitOptions{})
	expectKind(t, "more files than the quota", err, kind.NoSpace)
	b.remove("a/b/c")
	b.remove("d/o")
	b.put("other", random(400_000, 3))
	charged(2, 400_000)
}
