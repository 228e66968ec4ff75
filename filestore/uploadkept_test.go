package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// TestCollectionBetweenPartsAndCompletion: parts are kept however often collection
// runs before they are completed, the object afterwards, and nothing stays of what
// was replaced, aborted or not chosen.
func TestCollectionBetweenPartsAndCompletion(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	b := newMulti(t, s.open(smallChunks))
	must(t, b.fs.Beat(t.Context()))
	kept, gone := b.create("kept"), b.create("gone")
	var parts []filestore.CompletePart
	var want []byte
	for i := range 4 {
		b.part("kept", kept, i+1, random(600_000, byte(50+i))) // replaced
		d := random(700_000, byte(i))
		parts = append(parts, b.part("kept", kept, i+1, d))
		want = append(want, d...)
		b.part("gone", gone, i+1, random(500_000, byte(100+i)))
		lifetime(t, b.fs, clock)
	}
	b.part("kept", kept, 9, random(600_000, 60)) // not chosen
	before := s.stored()
	b.complete("kept", kept, parts...)
	lifetime(t, b.fs, clock)
	b.holds("kept", want)
	must(t, b.AbortUpload(t.Context(), "gone", gone))
	r := lifetime(t, b.fs, clock)
	if r.Deleted == 0 || len(r.Damage) > 0 {
		t.Errorf("%+v", r)
	}
	b.holds("kept", want)
	expectWhole(t, b.fs, filestore.NamedTree{Name: "test", Cap: b.root})
	if now := s.stored(); now != 4*3 {
		t.Errorf("%d blocks are stored, before completion %d, want those of 4 parts", now, before)
	}
	b.delete("kept")
	if r := lifetime(t, b.fs, clock); s.stored() != 0 {
		t.Errorf("%d blocks stay: %+v", s.stored(), r)
	}
	if r.Shared != 0 {
		t.Errorf("uploads count as another root: %+v", r)
	}
}

// delete removes an object.
func (b multi) delete(key string) {
	b.t.Helper()
	if _, err := b.DeleteObject(b.t.Context(), key, filestore.VersionID{}, filestore.DeleteOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

// TestCollectionBesideUploads collects without any grace while uploads begin, are
// completed and aborted.
func TestCollectionBesideUploads(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	b := newMulti(t, s.open(smallChunks))
	var writers, collector errgroup.Group
	for j := range 3 {
		writers.Go(func() error {
			key := fmt.Sprint("dir/key ", j)
			for i := range 8 {
				id, err := b.CreateUpload(t.Context(), key, filestore.ObjectMeta{}, filestore.UploadOptions{})
				if err != nil {
					return err
				}
				var parts []filestore.CompletePart
				for n := range 3 {
					p, err := b.tryPart(key, id, n+1, random(400_000, byte(10*i+n)))
					if err != nil {
						return err
					}
					parts = append(parts, filestore.CompletePart{Number: n + 1, ETag: p.ETag})
				}
				if i%3 == 1 {
					err = b.AbortUpload(t.Context(), key, id)
				} else {
					_, err = b.tryComplete(key, id, parts...)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	stop := make(chan struct{})
	collector.Go(func() error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			r, err := b.fs.Collect(t.Context(), filestore.CollectOptions{Yes: true, Grace: filestore.NoGrace, KeepLog: 1})
			if err != nil || len(r.Damage) > 0 {
				return fmt.Errorf("%v: %w", r.Damage, err)
			}
		}
	})
	if err := writers.Wait(); err != nil {
		t.Error(err)
	}
	close(stop)
	if err := collector.Wait(); err != nil {
		t.Fatal(err)
	}
	for j := range 3 {
		var want []byte
		for n := range 3 {
			want = append(want, random(400_000, byte(70+n))...)
		}
		want = want[:0]
		for n := range 3 {
			want = append(want, random(400_000, byte(60+n))...)
		}
		b.holds(fmt.Sprint("dir/key ", j), want)
	}
	expectWhole(t, b.fs, filestore.NamedTree{Name: "test", Cap: b.root})
}

func TestUploadsAreCharged(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open(smallChunks)
	b := newMulti(t, fs)
	id, other := "", ""
	var one, two filestore.CompletePart
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"the bucket", func() {}, "1 0"},
		{"create", func() { id = b.create("k") }, "2 0"},
		{"another", func() { other = b.create("l") }, "3 0"},
		{"part", func() { one = b.part("k", id, 1, random(1000, 1)) }, "3 1000"},
		{"part two", func() { two = b.part("k", id, 2, random(500_000, 2)) }, "3 501000"},
		{"replaced", func() { one = b.part("k", id, 1, random(400, 1)) }, "3 500400"},
		{"not chosen", func() { b.part("k", id, 3, random(7, 1)) }, "3 500407"},
		{"of another", func() { b.part("l", other, 1, random(100, 1)) }, "3 500507"},
		{"complete", func() { b.complete("k", id, one, two) }, "3 500500"},
		{"again", func() { b.complete("k", id, one, two) }, "3 500500"},
		{"abort", func() { must(t, b.AbortUpload(t.Context(), "l", other)) }, "2 500400"},
	}
	recount := func(step string) {
		t.Helper()
		r, err := fs.Check(t.Context(), filestore.CheckOptions{Recount: true, Trees: []filestore.NamedTree{{Name: "test", Cap: b.root}}})
		if err != nil || len(r.Recounts) > 0 {
			t.Fatalf("%s: recounted: %+v, %v", step, r.Recounts, err)
		}
	}
	for _, step := range steps {
		step.do()
		if got := s.charged(b.root); got != step.want {
			t.Fatalf("%s: charged %s, want %s", step.name, got, step.want)
		}
		recount(step.name)
	}
}

func TestUploadsKeepTheQuota(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open(smallChunks)
	b := newMulti(t, fs)
	b.Bucket = b.WithOptions(filestore.MountOptions{Source: "test", MaxBytes: 1_000_000, MaxFiles: 3})
	id := b.create("k")
	one := b.part("k", id, 1, random(900_000, 1))
	if _, err := b.tryPart("k", id, 2, random(100_001, 2)); !errors.Is(err, kind.NoSpace) {
		t.Errorf("too many bytes: %v", err)
	}
	two := b.part("k", id, 2, random(100_000, 2))
	if _, err := b.copyPart("k", id, 3, b.tiny(), 0, 5); !errors.Is(err, kind.NoSpace) {
		t.Errorf("a copy: %v", err)
	}
	if _, err := b.CreateUpload(t.Context(), "l", filestore.ObjectMeta{}, filestore.UploadOptions{}); !errors.Is(err, kind.NoSpace) {
		t.Errorf("too many uploads: %v", err)
	}
	b.complete("k", id, one, two) // neither the bytes nor the file count twice
	b.noObject("l")
}

// tiny puts an object past any quota.
func (b multi) tiny() string {
	b.Bucket = b.WithOptions(filestore.MountOptions{Source: "test"})
	b.object("tiny", []byte("abcde"))
	return "tiny"
}

func TestAbandonedUploadsExpire(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newStorage(t)
	b := newMulti(t, s.open(func(o *filestore.Options) { o.Now = func() time.Time { return now } }))
	old, used, finished := b.create("old"), b.create("used"), b.create("finished")
	b.part("old", old, 1, random(100_000, 1))
	one := b.part("finished", finished, 1, []byte("x"))
	b.complete("finished", finished, one)
	now = now.Add(48 * time.Hour)
	b.part("used", used, 1, []byte("used"))
	fresh := b.create("fresh")
	now = now.Add(time.Hour)
	n, err := b.fs.ExpireUploads(t.Context(), now.Add(-24*time.Hour))
	if n != 1 || err != nil {
		t.Errorf("%d uploads expired, %v", n, err)
	}
	for key, id := range map[string]string{"used": used, "fresh": fresh} {
		if _, err := b.Upload(t.Context(), key, id); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := b.Upload(t.Context(), "old", old); !errors.Is(err, kind.NotExist) {
		t.Errorf("the abandoned one: %v", err)
	}
	must(t, b.AbortUpload(t.Context(), "used", used))
	must(t, b.AbortUpload(t.Context(), "fresh", fresh))
	if got := s.charged(b.root); got != "2 1" {
		t.Errorf("charged: %s", got)
	}
	if n, err := b.fs.ExpireUploads(t.Context(), now); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

// TestUploadsOfOtherGateways: what one gateway creates, a second fills, a third
// completes, each without delay; all may do so at once.
func TestUploadsOfOtherGateways(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	first := newMulti(t, s.gateway(smallChunks))
	at := func() multi {
		fs := s.gateway(smallChunks)
		bucket, err := fs.Bucket(t.Context(), "bucket")
		if err != nil {
			t.Fatal(err)
		}
		return multi{t, bucket, fs, mount(t, fs, first.root), first.root}
	}
	second, third := at(), at()
	id := first.create("k")
	var g errgroup.Group
	parts := make([]filestore.CompletePart, 12)
	for i := range parts {
		b := []multi{first, second, third}[i%3]
		g.Go(func() error {
			p, err := b.tryPart("k", id, i+1, random(100_000, byte(i)))
			parts[i] = filestore.CompletePart{Number: i + 1, ETag: p.ETag}
			return err
		})
	}
	must(t, g.Wait())
	for _, b := range []multi{first, second, third} {
		g.Go(func() error {
			_, err := b.tryComplete("k", id, parts...)
			return err
		})
	}
	must(t, g.Wait())
	var want []byte
	for i := range parts {
		want = append(want, random(100_000, byte(i))...)
	}
	for _, b := range []multi{first, second, third} {
		b.holds("k", want)
		if _, err := b.Upload(t.Context(), "k", id); !errors.Is(err, kind.NotExist) {
			t.Errorf("the upload is still there: %v", err)
		}
	}
}

// TestFaultAtEveryCallOfAnUpload: whichever call to the stores is the first that fails,
// with its effect or without, and the gateway with it, the object is there whole or
// not at all; and another gateway completes the upload, or answers that it is.
func TestFaultAtEveryCallOfAnUpload(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		n := 1
		for more := true; more; n++ {
			// Time passes at once in there, so that retries cost nothing.
			synctest.Test(t, func(t *testing.T) { more = faultyUpload(t, n, late) })
		}
		if n < 15 {
			t.Errorf("only %d calls", n)
		}
	}
}

// faultyUpload reports false if there are fewer than n calls.
func faultyUpload(t *testing.T, n int, late bool) bool {
	s := newStorage(t)
	b := newMulti(t, s.gateway(smallChunks))
	b.object("dir/k", []byte("old"))
	calls := &countdown{n: -1, late: late}
	fs := s.open(smallChunks, func(o *filestore.Options) {
		o.Meta, o.Blocks = &failingMeta{shared{o.Meta}, calls}, &failingBlocks{o.Blocks, calls}
	})
	faulty := b
	var err error
	if faulty.Bucket, err = fs.Bucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	data := append(random(300_000, 1), "tail"...)
	calls.arm(n)
	var parts []filestore.CompletePart
	id, err := faulty.CreateUpload(t.Context(), "dir/k", filestore.ObjectMeta{}, filestore.UploadOptions{})
	for i, d := range [][]byte{data[:300_000], data[300_000:]} {
		if err == nil {
			var p filestore.PartInfo
			p, err = faulty.tryPart("dir/k", id, i+1, d)
			parts = append(parts, filestore.CompletePart{Number: i + 1, ETag: p.ETag})
		}
	}
	all := err == nil
	if all {
		_, err = faulty.tryComplete("dir/k", id, parts...)
	}
	calls.arm(-1)
	if err != nil && !errors.Is(err, kind.Unavailable) {
		t.Errorf("call %d: %v", n, err)
	}
	fs.Close()
	got := string(b.read("dir/k"))
	if got != "old" && got != string(data) || err == nil && got == "old" {
		t.Fatalf("call %d, late %v: %v: %s", n, late, err, sketch([]byte(got)))
	}
	if all {
		b.complete("dir/k", id, parts...)
		b.holds("dir/k", data)
	}
	expectWhole(t, b.fs, filestore.NamedTree{Name: "test", Cap: b.root})
	return err != nil
}

func TestABucketWithUploadsGoesWithThem(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	b := newMulti(t, s.open(smallChunks))
	id, done := b.create("k"), b.create(strings.Repeat("l", 900))
	b.part("k", id, 1, random(600_000, 1))
	one := b.part(strings.Repeat("l", 900), done, 1, random(600_000, 2))
	b.complete(strings.Repeat("l", 900), done, one)
	b.delete(strings.Repeat("l", 900))
	must(t, b.Delete(t.Context(), b.tree.Tree))
	if _, err := b.NewPart(t.Context(), "k", id, 2); !errors.Is(err, kind.NotExist) {
		t.Errorf("a part: %v", err)
	}
	if _, err := b.CreateUpload(t.Context(), "k", filestore.ObjectMeta{}, filestore.UploadOptions{}); !errors.Is(err, kind.NotExist) {
		t.Errorf("another upload: %v", err)
	}
	if got := s.charged(b.root); got != "0 0" {
		t.Errorf("charged: %s", got)
	}
	if r := lifetime(t, b.fs, clock); s.stored() != 0 || len(r.Damage) > 0 {
		t.Errorf("%d blocks stay: %+v", s.stored(), r)
	}
}

// What a backup has of a bucket's uploads stays until that is released, also when the
// bucket has been removed since; and no longer than that.
func TestPinsHoldUploadsOfRemovedBuckets(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.gateway(smallChunks, func(o *filestore.Options) { o.Now = func() time.Time { return time.Unix(0, clock.Load()) } })
	b := newMulti(t, fs)
	b.part("k", b.create("k"), 1, random(600_000, 1))
	pin, err := s.meta.Collector().Pin(t.Context(), time.Unix(0, clock.Load()).Add(1000*24*time.Hour), "backup")
	must(t, err)
	want := s.stored()
	b.part("later", b.create("later"), 1, random(600_000, 2))
	must(t, b.Delete(t.Context(), b.tree.Tree))
	for range 3 {
		lifetime(t, fs, clock)
	}
	if n := s.stored(); n != want {
		t.Errorf("%d blocks are left, want the %d that the pinned commit leads to", n, want)
	}
	if damage := fs.CheckAt(t, pin); damage != nil {
		t.Error(damage)
	}
	must(t, s.meta.Collector().Unpin(t.Context(), pin))
	if lifetime(t, fs, clock); s.stored() != 0 {
		t.Errorf("%d blocks stay", s.stored())
	}
	roots, err := fs.Roots(t.Context())
	if err != nil || len(roots) != 1 {
		t.Errorf("the roots are %+v, %v", roots, err)
	}
}

// noSealed refuses commits that change buckets.
type noSealed struct {
	metastore.Store
	on *atomic.Bool
}

func (r noSealed) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	for _, req := range reqs {
		if r.on.Load() && len(req.Sealed) > 0 {
			return slices.Repeat([]error{kind.NoSpace}, len(reqs))
		}
	}
	return r.Store.Commit(ctx, reqs...)
}

// Where a bucket can't be removed after all, its uploads go on.
func TestUploadsOutliveARefusedRemoval(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	on := new(atomic.Bool)
	fs := s.open(smallChunks, func(o *filestore.Options) { o.Meta = noSealed{o.Meta, on} })
	b := newMulti(t, fs)
	id, data := b.create("k"), random(600_000, 1)
	part := b.part("k", id, 1, data)
	on.Store(true)
	expectKind(t, "remove", b.Delete(t.Context(), b.tree.Tree), kind.NoSpace)
	b.object("x", nil)
	expectKind(t, "remove with an object", b.Delete(t.Context(), b.tree.Tree), kind.NotEmpty)
	on.Store(false)
	b.complete("k", id, part)
	b.holds("k", data)
	b.delete("k")
	b.delete("x")
	// There may be many.
	for i := range filestore.MaxBuried + 3 {
		b.create(fmt.Sprint(i))
	}
	must(t, b.Delete(t.Context(), b.tree.Tree))
	if got := s.charged(b.root); got != "0 0" {
		t.Errorf("charged: %s", got)
	}
}

// onGet calls do once, when a block is read first.
type onGet struct {
	blockstore.Store
	do   func()
	once *atomic.Bool
}

func (g onGet) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	if g.once.CompareAndSwap(false, true) {
		g.do()
	}
	return g.Store.Get(ctx, id)
}

// Counters are set right by what was there when the check began, also when buckets
// come and go, with their uploads, while it runs.
func TestRecountBesideChangesOfBuckets(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	var do func()
	fs := s.open(smallChunks, func(o *filestore.Options) {
		o.Blocks = onGet{o.Blocks, func() { do() }, new(atomic.Bool)}
	})
	b := newMulti(t, fs)
	b.object("read", random(400_000, 1))
	b.part("k", b.create("k"), 1, random(1000, 2))
	going, err := fs.CreateBucket(t.Context(), b.tree.Tree, filestore.BucketInfo{Name: "a", Owner: "test"})
	must(t, err)
	g := multi{t, going, fs, b.tree, b.root}
	g.part("k", g.create("k"), 1, random(500, 3))
	do = func() {
		must(t, going.Delete(t.Context(), b.tree.Tree))
		_, err := fs.CreateBucket(t.Context(), b.tree.Tree, filestore.BucketInfo{Name: "c", Owner: "test"})
		must(t, err)
	}
	r, err := fs.Check(t.Context(), filestore.CheckOptions{Deep: true, Recount: true, Trees: []filestore.NamedTree{{Name: "test", Cap: b.root}}})
	if err != nil || len(r.Recounts) > 0 {
		t.Errorf("recounted: %+v, %v", r.Recounts, err)
	}
	if got, want := s.charged(b.root), "4 401000"; got != want {
		t.Errorf("charged %s, want %s", got, want)
	}
}

// loseBlocks deletes every block that is stored, and tells how many that were.
func (s *storage) loseBlocks() int {
	s.t.Helper()
	var ids []blockstore.ID
	for info, err := range s.blocks.List(s.t.Context(), blockstore.ID{}) {
		must(s.t, err)
		ids = append(ids, info.ID)
	}
	for _, id := range ids {
		must(s.t, s.blocks.Delete(s.t.Context(), id))
	}
	return len(ids)
}

// An upload of which what it was begun with is lost is listed, can be aborted,
// expires, and keeps no other from that.
func TestDamagedUploadsCanBeEnded(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	b := newMulti(t, s.open(smallChunks))
	begin := func(key string) string {
		id, err := b.CreateUpload(t.Context(), key, filestore.ObjectMeta{ACL: random(200_000, byte(len(key)))}, filestore.UploadOptions{})
		must(t, err)
		return id
	}
	aborted, long := begin("a/.\x01\x02"), begin(strings.Repeat("l", 500))
	begin("c")
	if n := s.loseBlocks(); n != 3 {
		t.Fatalf("%d blocks", n)
	}
	b.create("b")
	fs := s.open(smallChunks)
	again, err := fs.Bucket(t.Context(), b.Name())
	must(t, err)
	l, err := again.Uploads(t.Context(), filestore.ListUploadsOptions{})
	if err != nil || len(l.Items) != 4 || l.Items[0].Upload.Key != "a/.\x01\x02" || l.Items[0].Upload.ID != aborted {
		t.Errorf("listed: %+v, %v", l, err)
	}
	_, err = again.Upload(t.Context(), "c", l.Items[2].Upload.ID)
	expectKind(t, "what it was begun with", err, kind.Corrupt)
	must(t, again.AbortUpload(t.Context(), "a/.\x01\x02", aborted))
	must(t, again.AbortUpload(t.Context(), strings.Repeat("l", 500), long))
	if n, err := fs.ExpireUploads(t.Context(), time.Now().Add(time.Hour)); n != 2 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
}
