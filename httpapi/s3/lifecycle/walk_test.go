package lifecycle

import (
	"errors"
	"testing"
	"time"

	blockmemory "github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/internal/kind"
	metamemory "github.com/truckee-fs/truckee/metastore/memory"
)

// What somebody does between the moment that a version is found to be over and its
// removal counts: a null version that took the place of the one that was over stays, and
// so does a version that has become current again.
func TestWhatIsChangedMeanwhileStays(t *testing.T) {
	t.Parallel()
	null := filestore.VersionID{Null: true}
	rules := `<LifecycleConfiguration><Rule><Filter/><Status>Enabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>
		<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>`
	const enabled, suspended = filestore.VersioningEnabled, filestore.VersioningSuspended
	for name, tt := range map[string]struct {
		before, meanwhile func(b *bucket)
		left              string
	}{
		"nothing":                        {func(b *bucket) { b.put("1"); b.versioning(enabled); b.put("2") }, func(*bucket) {}, "2"},
		"a put over a null version":      {func(b *bucket) { b.put("1"); b.versioning(enabled); b.put("2"); b.versioning(suspended) }, func(b *bucket) { b.put("3") }, "3"},
		"a put over a null marker":       {func(b *bucket) { b.versioning(suspended); b.delete(filestore.VersionID{}) }, func(b *bucket) { b.put("3") }, "3"},
		"an older version comes back":    {func(b *bucket) { b.versioning(enabled); b.put("1"); b.put("2") }, func(b *bucket) { b.delete(b.latest()) }, "1"},
		"a null version comes back":      {func(b *bucket) { b.put("1"); b.versioning(enabled); b.put("2") }, func(b *bucket) { b.delete(b.latest()) }, "1"},
		"what was over is removed first": {func(b *bucket) { b.put("1"); b.versioning(enabled); b.put("2") }, func(b *bucket) { b.delete(null) }, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBucket(t)
			tt.before(b)
			l, err := settings.ParseLifecycle([]byte(rules))
			if err != nil {
				t.Fatal(err)
			}
			w := &walk{pass: &Pass{Files: b.fs}, b: b.Bucket, rules: l, clock: settings.Clock{Day: time.Minute}, now: time.Now().Add(time.Hour), done: &Ended{}}
			found, err := b.ListVersions(t.Context(), filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: page, Meta: true}})
			if err != nil {
				t.Fatal(err)
			}
			for i := range found.Items {
				w.judge(&found.Items[i].Object)
			}
			w.judge(nil)
			if len(w.pending) != 1 {
				t.Fatalf("%d are over", len(w.pending))
			}
			tt.meanwhile(b)
			if err := w.flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := b.get(); got != tt.left {
				t.Errorf("%q is left, want %q", got, tt.left)
			}
		})
	}
}

// bucket is one of its own, in which there is one key.
type bucket struct {
	*filestore.Bucket
	t  *testing.T
	fs *filestore.FS
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	fs, err := filestore.New(t.Context(), filestore.Options{Blocks: blockmemory.New(), Meta: metamemory.New(), Master: caps.KeyOf([32]byte{1}), SpoolDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	b := &bucket{t: t, fs: fs}
	root, err := fs.CreateRoot(t.Context(), "account")
	b.must(err)
	tree, err := fs.Mount(t.Context(), root, filestore.MountOptions{Source: "account"})
	b.must(err)
	b.Bucket, err = fs.CreateBucket(t.Context(), tree, filestore.BucketInfo{Name: "bkt", Owner: "ann"})
	b.must(err)
	return b
}

const key = "d/key"

func (b *bucket) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bucket) versioning(v filestore.Versioning) {
	b.t.Helper()
	b.must(b.Update(b.t.Context(), func(i *filestore.BucketInfo) error { i.Versioning = v; return nil }))
}

func (b *bucket) put(contents string) {
	b.t.Helper()
	w, err := b.NewObject(b.t.Context())
	b.must(err)
	_, err = w.Write([]byte(contents))
	b.must(err)
	_, err = w.Commit(b.t.Context(), key, filestore.ObjectMeta{}, filestore.CommitOptions{})
	b.must(err)
}

func (b *bucket) delete(v filestore.VersionID) {
	b.t.Helper()
	_, err := b.DeleteObject(b.t.Context(), key, v, filestore.DeleteOptions{})
	b.must(err)
}

func (b *bucket) latest() filestore.VersionID {
	b.t.Helper()
	o, err := b.Stat(b.t.Context(), key, filestore.VersionID{})
	b.must(err)
	return o.Version
}

// get reads the current version; empty if there is none.
func (b *bucket) get() string {
	b.t.Helper()
	r, err := b.Open(b.t.Context(), key, filestore.VersionID{})
	if errors.Is(err, kind.NotExist) {
		return ""
	}
	b.must(err)
	defer r.Close()
	contents := make([]byte, r.Object().Size)
	_, err = r.ReadAt(b.t.Context(), contents, 0)
	b.must(err)
	return string(contents)
}
