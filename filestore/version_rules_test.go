package filestore_test

import (
	"context"
	"fmt"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Writers on two gateways, by S3 and by a file tree, put and delete one key: each
// acknowledged version is kept, once, and the newest one is the latest.
func TestNoVersionIsLostBetweenGateways(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	first := s.gateway()
	tr, root := newTree(t, first)
	b := bucketIn(t, first, tr)
	b.setVersioning(filestore.VersioningEnabled)
	second := s.gateway()
	other, err := second.Bucket(t.Context(), "b")
	must(t, err)
	buckets := []bucket{b, {t, other}}
	trees := []tree{tr, mount(t, second, root)}
	var mu gosync.Mutex
	want := make(map[string]int) // by what a listing shows, "*" left out
	note := func(shown string) {
		mu.Lock()
		defer mu.Unlock()
		want[shown]++
	}
	var wg gosync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			b, tr := buckets[i%2], trees[i%2]
			for n := range 15 {
				data := strings.Repeat("x", 1+i*15+n)
				switch {
				case i >= 6 && n%2 == 0:
					if _, err := b.DeleteObject(t.Context(), "d/k", filestore.VersionID{}, filestore.DeleteOptions{}); err != nil {
						t.Errorf("delete: %v", err)
						return
					}
					note("d/k x")
				case i >= 4:
					key := fmt.Sprintf("t%d", i)
					if err := putByTree(t.Context(), tr, "b/"+key, data); err != nil {
						t.Errorf("write: %v", err)
						return
					}
					note(fmt.Sprintf("%s %d", key, len(data)))
				default:
					if _, err := b.tryPut("d/k", []byte(data), filestore.ObjectMeta{}, filestore.CommitOptions{}); err != nil {
						t.Errorf("put: %v", err)
						return
					}
					note(fmt.Sprintf("d/k %d", len(data)))
				}
			}
		})
	}
	wg.Wait()
	got := make(map[string]int)
	latest := make(map[string]int)
	for _, shown := range b.versions(filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 7}}) {
		bare := strings.TrimSuffix(shown, "*")
		got[bare]++
		if bare != shown {
			latest[strings.Fields(bare)[0]]++
		}
	}
	for shown, n := range want {
		if got[shown] != n {
			t.Errorf("%q is there %d times, want %d", shown, got[shown], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d different versions, want %d", len(got), len(want))
	}
	for key, n := range latest {
		if n != 1 {
			t.Errorf("%q has %d latest versions", key, n)
		}
	}
	r, err := first.Check(t.Context(), filestore.CheckOptions{Deep: true, Recount: true, Trees: []filestore.NamedTree{{Name: "t", Cap: root}}})
	if err != nil || !r.Whole() || len(r.Recounts) > 0 {
		t.Errorf("check: %+v, %v", r, err)
	}
}

func putByTree(ctx context.Context, tr tree, p, data string) error {
	f, err := tr.Open(ctx, path(p), toReplace)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(ctx, []byte(data), 0); err != nil {
		f.Discard()
		return err
	}
	return f.Close(ctx)
}

// Handles go on with what they have open, whatever versions come and go.
func TestHandlesAndVersions(t *testing.T) {
	b, tr := versionedBucket(t)
	tr.put("b/f", []byte("first"))
	v1 := b.stat("f").Version
	f := tr.open("b/f", forWriting)
	write(t, f, []byte("F"), 0)
	sync(t, f)
	v2 := b.stat("f").Version
	write(t, f, []byte("I"), 1)
	// Its base is taken away under it: what was written goes over what is there.
	b.delete("f", v2)
	closeFile(t, f)
	tr.expect("b/f", []byte("fIrst"))
	b.expectVersions("f 5*", "f 5")

	// A put replaces the file, and a marker takes the name away: handles are on what
	// has no name any more, and commit nothing.
	for _, replace := range []func(){
		func() { b.put("f", []byte("by S3")) },
		func() { b.delete("f", filestore.VersionID{}) },
	} {
		f = tr.open("b/f", forWriting)
		replace()
		n := len(b.versions(filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 100}}))
		write(t, f, []byte("late"), 0)
		closeFile(t, f)
		if now := len(b.versions(filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 100}})); now != n {
			t.Fatalf("%d versions, then %d", n, now)
		}
	}
	if got := b.getVersion("f", v1); got != "first" {
		t.Fatalf("the first version holds %q", got)
	}
	// A reader keeps its version.
	b.put("g", random(600_000, 1))
	r := b.open("g")
	defer r.Close()
	b.delete("g", r.Object().Version)
	if string(readObject(t, r)) != string(random(600_000, 1)) {
		t.Fatal("a removed version changed under its reader")
	}
}

// A file that was renamed and the version that it left under its old name are two
// files, also when that comes back.
func TestRenamedFilesAndTheirVersions(t *testing.T) {
	b, tr := versionedBucket(t)
	tr.put("b/old", []byte("first"))
	f := tr.open("b/old", forWriting)
	write(t, f, []byte("F"), 0)
	tr.rename("b/old", "b/new")
	closeFile(t, f)
	b.expectVersions("new 5*", "new 5", "old x*", "old 5")
	tr.expect("b/new", []byte("First"))
	v, err := b.ListVersions(t.Context(), filestore.VersionListOptions{ListOptions: filestore.ListOptions{Prefix: "old", Max: 1}})
	must(t, err)
	b.delete("old", v.Items[0].Object.Version) // the marker
	tr.expect("b/old", []byte("first"))
	old, moved := tr.open("b/old", forWriting), tr.open("b/new", forWriting)
	write(t, old, []byte("1"), 0)
	write(t, moved, []byte("2"), 0)
	closeFile(t, moved)
	closeFile(t, old)
	tr.expect("b/old", []byte("1irst"))
	tr.expect("b/new", []byte("2irst"))
	if tr.stat("b/old").FileID == tr.stat("b/new").FileID {
		t.Error("two files have one id")
	}
}

// Versions have their attributes, each its own.
func TestVersionsKeepTheirMetadata(t *testing.T) {
	b, _ := versionedBucket(t)
	tags := func(s string) filestore.ObjectMeta {
		return filestore.ObjectMeta{Tags: []filestore.Pair{{Name: "n", Value: s}}, Headers: []filestore.Pair{{Name: "x-amz-meta-a", Value: strings.Repeat(s, 3000)}}}
	}
	var ids []filestore.VersionID
	for _, s := range []string{"1", "2", "3"} {
		o, err := b.tryPut("d/a", []byte(s), tags(s), filestore.CommitOptions{})
		must(t, err)
		ids = append(ids, o.Version)
	}
	b.delete("d/a", filestore.VersionID{})
	_, err := b.SetMeta(t.Context(), "d/a", ids[1], func(m *filestore.ObjectMeta) error { m.Tags[0].Value = "changed"; return nil })
	must(t, err)
	for i, want := range []string{"1", "changed", "3"} {
		o, err := b.Stat(t.Context(), "d/a", ids[i])
		must(t, err)
		if o.Meta.Tags[0].Value != want || len(o.Meta.Headers[0].Value) != 3000 || o.Latest || !o.Meta.HasMD5 {
			t.Fatalf("version %d: %+v", i, o)
		}
	}
	_, err = b.SetMeta(t.Context(), "d/a", filestore.VersionID{}, func(*filestore.ObjectMeta) error { return nil })
	expectKind(t, "tags of a deleted object", err, kind.NotExist)
	results := b.DeleteObjects(t.Context(), []filestore.DeleteRequest{
		{Key: "d/a", Version: ids[0]}, {Key: "d/a", Version: ids[2]}, {Key: "d/b"}, {Key: "d/a", Version: ids[0]},
	})
	for i, r := range results {
		if r.Err != nil || r.Marker != (i == 2) {
			t.Fatalf("deletion %d: %+v", i, r)
		}
	}
	b.expectVersions("d/a x*", "d/a 1", "d/b x*")
}

// Versions count for the quota, until they are removed.
func TestQuotaCountsVersions(t *testing.T) {
	fs := newStorage(t).open()
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	b.setVersioning(filestore.VersioningEnabled)
	b = bucket{t, b.WithOptions(filestore.MountOptions{MaxBytes: 1000})}
	v := b.put("a", random(600, 1)).Version
	_, err := b.tryPut("a", random(600, 2), filestore.ObjectMeta{}, filestore.CommitOptions{})
	expectKind(t, "a second version", err, kind.NoSpace)
	b.put("a", random(300, 2))
	b.delete("a", v)
	b.put("a", random(600, 2))
	b.expectVersions("a 600*", "a 300")
}

// A frozen copy has what is current, and its entries are no versions of anything;
// in a bucket that keeps versions none is made.
func TestFreezeOfAVersionedBucket(t *testing.T) {
	b, tr, fs, c := lockedBucket(t)
	b.put("d/a", []byte("1"))
	v := b.put("d/a", []byte("22")).Version
	must(t, b.lock("d/a", v, filestore.LockChange{Retention: true, Mode: filestore.LockCompliance, Until: c.now().Add(time.Hour)}))
	b.put("gone/a", nil)
	b.delete("gone/a", filestore.VersionID{})
	_, err := tr.Freeze(t.Context(), path("b/d"), tr.Tree, path("b/frozen"))
	expectKind(t, "a frozen directory in the bucket", err, kind.Unsupported)
	cap, err := tr.Freeze(t.Context(), path("b"), tr.Tree, path("frozen"))
	must(t, err)
	frozen := mount(t, fs, cap)
	frozen.expectNames("", "d")
	frozen.expect("d/a", []byte("22"))
	link := caps.Link{Read: cap}
	expectKind(t, "a link to a directory in the bucket", tr.LinkCap(t.Context(), path("b/link"), link), kind.Unsupported)
	_, err = tr.Open(t.Context(), path("b/mutable"), filestore.OpenOptions{Write: true, Create: true, Mutable: true})
	expectKind(t, "a mutable file in the bucket", err, kind.Unsupported)
	f, err := tr.Open(t.Context(), path("m"), filestore.OpenOptions{Write: true, Create: true, Mutable: true})
	must(t, err)
	closeFile(t, f)
	expectKind(t, "a mutable file that comes in", tr.Rename(t.Context(), path("m"), path("b/m"), filestore.Replace), kind.Unsupported)
	expectKind(t, "a second name of one", tr.Link(t.Context(), path("m"), path("b/m")), kind.Unsupported)
}

// The nodes of histories, and of directories that are emptied and removed by one
// commit, are reaped when nobody needs them.
func TestReplacedHistoriesAreReaped(t *testing.T) {
	s, now := clocked(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	b.setVersioning(filestore.VersioningEnabled)
	nodes := func() (n int) {
		now.Add(int64(time.Hour))
		collect(t, fs, filestore.CollectOptions{Yes: true, Grace: filestore.NoGrace, KeepLog: time.Minute})
		e, err := metastore.AsExporter(s.meta)
		must(t, err)
		for row, err := range e.Export(t.Context()) {
			must(t, err)
			if _, is := row.(metastore.NodeRow); is {
				n++
			}
		}
		return n
	}
	before := nodes()
	for range 3 {
		var ids []filestore.VersionID
		for i := range 5 {
			ids = append(ids, b.put("d/e/a", []byte{byte(i)}).Version)
		}
		ids = append(ids, b.delete("d/e/a", filestore.VersionID{}).Version)
		for _, id := range ids {
			b.delete("d/e/a", id)
		}
	}
	b.expectVersions()
	if after := nodes(); after != before {
		t.Errorf("%d nodes, then %d", before, after)
	}
}

// Damage in a version is told by its key and id.
func TestCheckNamesDamagedVersions(t *testing.T) {
	s := newStorage(t)
	fs := s.open()
	tr, root := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	b.setVersioning(filestore.VersioningEnabled)
	v := b.put("d/a", random(400_000, 1)).Version
	var ids []blockstore.ID
	for i, err := range s.blocks.List(t.Context(), blockstore.ID{}) {
		must(t, err)
		ids = append(ids, i.ID)
	}
	b.put("d/a", []byte("2"))
	b.delete("d/a", filestore.VersionID{})
	for _, id := range ids {
		must(t, s.blocks.Delete(t.Context(), id))
	}
	r, err := fs.Check(t.Context(), filestore.CheckOptions{Trees: []filestore.NamedTree{{Name: "t", Cap: root}}})
	must(t, err)
	if want := "t:/b/d/a?versionId=" + v.String(); len(r.Damage) != 1 || r.Damage[0].Path != want {
		t.Errorf("damage %+v, want it at %s", r.Damage, want)
	}
}

// A page of a key with many versions, or of a bucket with many markers, costs what
// it shows.
func TestCostOfVersions(t *testing.T) {
	s, m := newStorage(t), new(meter)
	fs := s.open(func(o *filestore.Options) { o.Meta = meteredMeta{o.Meta, m}; o.CacheBytes = 1 })
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	b.setVersioning(filestore.VersioningEnabled)
	page := func(o filestore.VersionListOptions) int {
		m.spent()
		_, err := b.ListVersions(t.Context(), o)
		must(t, err)
		return m.spent().reads
	}
	var middle filestore.VersionID
	few := 0
	for i := range 1200 {
		o := b.put("k", nil)
		switch i {
		case 100:
			few = page(filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 10, After: "k"}, VersionAfter: o.Version})
		case 600:
			middle = o.Version
		}
	}
	if many := page(filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 10, After: "k"}, VersionAfter: middle}); many > few+6 {
		t.Errorf("a page of 1200 versions reads %d times, one of 100 %d times", many, few)
	}
	// Deleted keys don't slow the others' listing down.
	var gone []filestore.DeleteRequest
	for i := range 1000 {
		gone = append(gone, filestore.DeleteRequest{Key: fmt.Sprintf("gone%04d", i)})
	}
	b.DeleteObjects(t.Context(), gone)
	m.spent()
	if got := b.keys(filestore.ListOptions{Max: 10}); len(got) != 1 {
		t.Fatalf("keys %q", got)
	}
	if reads := m.spent().reads; reads > 6 {
		t.Errorf("a listing beside 1000 markers reads %d times", reads)
	}
	if reads := page(filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 10, Delimiter: "0", Prefix: "gone"}}); reads > 200 {
		t.Errorf("a listing by common prefixes reads %d times", reads)
	}
}
