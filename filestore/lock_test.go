package filestore_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// clock is a clock that stands until it is moved.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) forward(d time.Duration) { c.ns.Add(int64(d)) }

func lockedBucket(t testing.TB) (bucket, tree, *filestore.FS, *clock) {
	t.Helper()
	c := new(clock)
	c.ns.Store(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC).UnixNano())
	fs := newStorage(t).open(func(o *filestore.Options) { o.Now = c.now })
	tr, _ := newTree(t, fs)
	b, err := fs.CreateBucket(t.Context(), tr.Tree, filestore.BucketInfo{Name: "b", Owner: "test", Lock: true})
	if err != nil {
		t.Fatal(err)
	}
	return bucket{t, b}, tr, fs, c
}

func (b bucket) lock(key string, v filestore.VersionID, c filestore.LockChange) error {
	return b.SetLock(b.t.Context(), key, v, c)
}

// What a lock allows, to whom, and until when.
func TestLockMatrix(t *testing.T) {
	const day = 24 * time.Hour
	retain := func(m filestore.LockMode) func(*clock) filestore.LockChange {
		return func(c *clock) filestore.LockChange {
			return filestore.LockChange{Retention: true, Mode: m, Until: c.now().Add(day)}
		}
	}
	hold := func(*clock) filestore.LockChange { return filestore.LockChange{Legal: true, Hold: true} }
	locks := map[string]struct {
		set                  func(*clock) filestore.LockChange
		bypassed, lasts, own bool // own: the holder may end it by SetLock
	}{
		"none":       {func(*clock) filestore.LockChange { return filestore.LockChange{} }, true, false, true},
		"governance": {retain(filestore.LockGovernance), true, false, false},
		"compliance": {retain(filestore.LockCompliance), false, false, false},
		"hold":       {hold, false, true, true},
	}
	for name, l := range locks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, tr, _, c := lockedBucket(t)
			v := b.put("d/a", []byte("1")).Version
			if err := b.lock("d/a", v, l.set(c)); err != nil {
				t.Fatal(err)
			}
			denied := kind.Kind(0)
			if name != "none" {
				denied = kind.Denied
			}
			remove := func(bypass bool) error {
				_, err := b.DeleteObject(t.Context(), "d/a", v, filestore.DeleteOptions{BypassGovernance: bypass})
				return err
			}
			if name != "none" {
				// By SFTP nothing of it changes.
				expectKind(t, "open for writing", second(tr.Open(t.Context(), path("b/d/a"), forWriting)), kind.Denied)
				expectKind(t, "truncate", tr.SetAttr(t.Context(), path("b/d/a"), filestore.Attr{Set: filestore.AttrSize}, true), kind.Denied)
				expectKind(t, "chmod", tr.SetAttr(t.Context(), path("b/d/a"), filestore.Attr{Set: filestore.AttrMode, Mode: 0o600}, true), kind.Denied)
				expectKind(t, "remove", tr.Remove(t.Context(), path("b/d/a")), kind.Denied)
				expectKind(t, "unlink", tr.Unlink(t.Context(), path("b/d/a")), kind.Denied)
				expectKind(t, "rename", tr.Rename(t.Context(), path("b/d/a"), path("b/d/b"), filestore.Replace), kind.Denied)
				tr.put("x", nil)
				expectKind(t, "rename over", tr.Rename(t.Context(), path("x"), path("b/d/a"), filestore.Replace), kind.Denied)
				expectKind(t, "rename its directory", tr.Rename(t.Context(), path("b/d"), path("b/e"), filestore.Replace), kind.Denied)
				expectKind(t, "remove the version", remove(false), kind.Denied)
			}
			tr.expect("b/d/a", []byte("1"))
			b.expectVersions("d/a 1*")

			// By S3 newer versions and markers may come: the locked one stays.
			b.put("d/a", []byte("22"))
			b.delete("d/a", filestore.VersionID{})
			b.expectVersions("d/a x*", "d/a 2", "d/a 1")
			expectKind(t, "remove the old version", remove(false), denied)
			if !l.bypassed {
				expectKind(t, "remove the old version, with a right", remove(true), kind.Denied)
			}
			end := filestore.LockChange{Retention: true, Mode: filestore.LockNone, Legal: true}
			if name != "none" {
				if err := b.lock("d/a", v, end); (err == nil) != l.own {
					t.Fatalf("end the lock: %v", err)
				}
			}
			if l.lasts {
				if err := b.lock("d/a", v, l.set(c)); err != nil {
					t.Fatal(err)
				}
			}
			c.forward(day)
			if !l.lasts {
				if err := remove(false); err != nil {
					t.Fatalf("after its time: %v", err)
				}
				b.expectVersions("d/a x*", "d/a 2")
				return
			}
			expectKind(t, "remove what is held, later", remove(true), kind.Denied)
		})
	}
}

func second(_ *filestore.File, err error) error { return err }

// A retention becomes longer, by whomever; shorter only in governance mode, and by
// who may.
func TestRetentionChanges(t *testing.T) {
	b, _, _, c := lockedBucket(t)
	v := b.put("a", nil).Version
	at := func(h int) time.Time { return c.now().Add(time.Duration(h) * time.Hour) }
	set := func(m filestore.LockMode, h int, bypass bool) error {
		return b.lock("a", v, filestore.LockChange{Retention: true, Mode: m, Until: at(h), BypassGovernance: bypass})
	}
	for _, tt := range []struct {
		mode   filestore.LockMode
		hours  int
		bypass bool
		want   kind.Kind
	}{
		{filestore.LockGovernance, 10, false, 0},
		{filestore.LockGovernance, 11, false, 0},
		{filestore.LockGovernance, 5, false, kind.Denied},
		{filestore.LockGovernance, 5, true, 0},
		{filestore.LockCompliance, 6, false, kind.Denied},
		{filestore.LockCompliance, 6, true, 0},
		{filestore.LockGovernance, 7, true, kind.Denied},
		{filestore.LockCompliance, 5, true, kind.Denied},
		{filestore.LockCompliance, 8, false, 0},
		{9, 9, true, kind.Invalid},
	} {
		err := set(tt.mode, tt.hours, tt.bypass)
		if kind.Of(err) != tt.want {
			t.Fatalf("%+v: %v", tt, err)
		}
	}
	if got := b.stat("a").Meta.Lock; got.Mode != filestore.LockCompliance || !got.Until.Equal(at(8)) {
		t.Fatalf("the lock is %+v", got)
	}
	// A retention beyond what times can say lasts as long as they can.
	ever := b.put("ever", nil).Version
	must(t, b.lock("ever", ever, filestore.LockChange{Retention: true, Mode: filestore.LockCompliance, Until: time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)}))
	_, err := b.DeleteObject(t.Context(), "ever", ever, filestore.DeleteOptions{BypassGovernance: true})
	expectKind(t, "remove what is locked until 3000", err, kind.Denied)
	expectKind(t, "by SetMeta", second2(b.SetMeta(t.Context(), "a", v, func(m *filestore.ObjectMeta) error { m.Lock = filestore.Lock{}; return nil })), kind.Denied)
}

func second2(_ filestore.Object, err error) error { return err }

// New versions get the bucket's default retention, whoever makes them, unless they
// come with one; nothing is locked in other buckets.
func TestDefaultRetention(t *testing.T) {
	b, tr, fs, c := lockedBucket(t)
	if err := b.Update(t.Context(), func(i *filestore.BucketInfo) error {
		i.DefaultLock = filestore.LockRule{Mode: filestore.LockGovernance, Days: 2}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	until := c.now().AddDate(0, 0, 2)
	expect := func(key string, want filestore.Lock) {
		t.Helper()
		if got := b.stat(key).Meta.Lock; got != want {
			t.Fatalf("%s is locked by %+v, want %+v", key, got, want)
		}
	}
	byDefault := filestore.Lock{Mode: filestore.LockGovernance, Until: until}
	b.put("a", nil)
	expect("a", byDefault)
	own := filestore.Lock{Mode: filestore.LockCompliance, Until: c.now().Add(time.Hour), Hold: true}
	if _, err := b.tryPut("own", nil, filestore.ObjectMeta{Lock: own}, filestore.CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	expect("own", own)
	tr.put("b/sftp", []byte("x"))
	expect("sftp", byDefault)
	tr.put("plain", []byte("x"))
	tr.rename("plain", "b/moved")
	expect("moved", byDefault)
	tr.put("plain", []byte("x"))
	if err := tr.Link(t.Context(), path("plain"), path("b/linked")); err != nil {
		t.Fatal(err)
	}
	expect("linked", byDefault)
	b.put("a", []byte("2"))
	c.forward(48 * time.Hour)
	tr.put("b/a", []byte("333"))
	expect("a", filestore.Lock{Mode: filestore.LockGovernance, Until: c.now().AddDate(0, 0, 2)})
	expectKind(t, "suspend", b.Update(t.Context(), func(i *filestore.BucketInfo) error {
		i.Versioning = filestore.VersioningSuspended
		return nil
	}), kind.Invalid)

	other, err := fs.CreateBucket(t.Context(), tr.Tree, filestore.BucketInfo{Name: "other", Owner: "test"})
	if err != nil {
		t.Fatal(err)
	}
	o := bucket{t, other}
	o.put("a", nil)
	expectKind(t, "a lock without object lock", o.lock("a", filestore.VersionID{}, filestore.LockChange{Legal: true, Hold: true}), kind.Invalid)
	expectKind(t, "a put with a lock, without object lock", second2(o.tryPut("b", nil, filestore.ObjectMeta{Lock: own}, filestore.CommitOptions{})), kind.Invalid)
	expectKind(t, "a lock by SetMeta, without object lock", second2(o.SetMeta(t.Context(), "a", filestore.VersionID{}, func(m *filestore.ObjectMeta) error { m.Lock = own; return nil })), kind.Invalid)
	if !o.stat("a").Meta.Lock.IsZero() {
		t.Fatal("locked")
	}
}

// A lock holds also for who comes by the capability of a directory inside of the
// bucket; and so do versions, in a directory that has some.
func TestLocksHoldWithoutTheWayThroughTheBucket(t *testing.T) {
	b, tr, fs, c := lockedBucket(t)
	v := b.put("d/a", []byte("1")).Version
	if err := b.lock("d/a", v, filestore.LockChange{Retention: true, Mode: filestore.LockCompliance, Until: c.now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	b.put("d/b", []byte("1"))
	of, err := tr.CapOf(t.Context(), path("b/d"), caps.AuthorityWrite)
	if err != nil {
		t.Fatal(err)
	}
	dir := mount(t, fs, of)
	expectKind(t, "remove", dir.Remove(t.Context(), path("a")), kind.Denied)
	expectKind(t, "open", second(dir.Open(t.Context(), path("a"), forWriting)), kind.Denied)
	dir.put("b", []byte("22"))
	dir.remove("b")
	b.expectVersions("d/a 1*", "d/b x*", "d/b 2", "d/b 1")
}

// What is locked isn't moved away from its key either by renaming a directory above
// it, by whatever way that was reached; what isn't locked can be.
func TestLocksHoldTheDirectoriesAbove(t *testing.T) {
	t.Parallel()
	b, tr, fs, c := lockedBucket(t)
	v := b.put("d/sub/a", []byte("1")).Version
	must(t, b.lock("d/sub/a", v, filestore.LockChange{Retention: true, Mode: filestore.LockCompliance, Until: c.now().Add(time.Hour)}))
	b.put("d/free/a", []byte("1"))
	of, err := tr.CapOf(t.Context(), path("b/d"), caps.AuthorityWrite)
	must(t, err)
	dir := mount(t, fs, of)
	tr.mkdir("elsewhere")
	tr.mustLink("elsewhere/d", of)
	for _, r := range []struct {
		t        tree
		from, to string
	}{
		{tr, "b/d/sub", "b/d/other"},
		{tr, "b/d/sub", "other"},
		{dir, "sub", "other"},
		{tr, "elsewhere/d/sub", "elsewhere/d/other"},
		{tr, "elsewhere/d/sub", "other"},
	} {
		err := r.t.Rename(t.Context(), path(r.from), path(r.to), filestore.Replace)
		expectKind(t, r.from+" to "+r.to, err, kind.Denied)
	}
	b.expectVersions("d/free/a 1*", "d/sub/a 1*")
	dir.rename("free", "freed")
	b.expectVersions("d/freed/a 1*", "d/sub/a 1*")
	c.forward(2 * time.Hour)
	dir.rename("sub", "other")
}

// A directory that is somebody's root, too, isn't unlinked from a bucket with object
// lock: it would go on without the keys of what is in it.
func TestLocksHoldRootsInTheBucket(t *testing.T) {
	t.Parallel()
	b, tr, fs, c := lockedBucket(t)
	v := b.put("d/a", []byte("1")).Version
	must(t, b.lock("d/a", v, filestore.LockChange{Retention: true, Mode: filestore.LockCompliance, Until: c.now().Add(time.Hour)}))
	of, err := tr.CapOf(t.Context(), path("b/d"), caps.AuthorityWrite)
	must(t, err)
	mount(t, fs, of)
	must(t, fs.Beat(t.Context())) // it is in the root table
	expectKind(t, "unlink", tr.Unlink(t.Context(), path("b/d")), kind.Denied)
	b.expectVersions("d/a 1*")
}

// A link that was in a bucket before that got its object lock isn't unlinked either
// while something below it is locked, by whatever way: its key would be gone. One of
// which nothing is locked can be, by who doesn't come through the bucket.
func TestLocksHoldLinksInTheBucket(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	b.put("d/x", nil)
	capOf := func(p string) caps.Cap {
		t.Helper()
		of, err := tr.CapOf(t.Context(), path(p), caps.AuthorityWrite)
		must(t, err)
		return of
	}
	for _, name := range []string{"now", "past", "free"} {
		tr.mkdir(name)
		tr.mustLink("b/d/"+name, capOf(name))
	}
	must(t, b.Update(t.Context(), func(i *filestore.BucketInfo) error {
		i.Versioning, i.Lock = filestore.VersioningEnabled, true
		return nil
	}))
	for _, name := range []string{"now", "past"} {
		v := b.put("d/"+name+"/a", []byte("1")).Version
		must(t, b.lock("d/"+name+"/a", v, filestore.LockChange{Retention: true, Mode: filestore.LockCompliance, Until: time.Now().Add(time.Hour)}))
	}
	b.delete("d/past/a", filestore.VersionID{})
	b.put("d/free/a", []byte("1"))
	dir := mount(t, fs, capOf("b/d"))
	for _, name := range []string{"now", "past"} {
		expectKind(t, name, tr.Unlink(t.Context(), path("b/d/"+name)), kind.Denied)
		expectKind(t, name+", inside", dir.Unlink(t.Context(), path(name)), kind.Denied)
	}
	must(t, dir.Unlink(t.Context(), path("free")))
}

// Many writers lock and remove one object: it is gone only if no lock came first.
func TestLocksAndRemovalsRace(t *testing.T) {
	b, _, _, c := lockedBucket(t)
	for i := range 20 {
		key := fmt.Sprint(i)
		v := b.put(key, nil).Version
		removed := make(chan error, 1)
		go func() {
			_, err := b.DeleteObject(t.Context(), key, v, filestore.DeleteOptions{})
			removed <- err
		}()
		locked := b.lock(key, v, filestore.LockChange{Retention: true, Mode: filestore.LockCompliance, Until: c.now().Add(time.Hour)})
		err := <-removed
		if (locked == nil) == (err == nil) {
			t.Fatalf("locked: %v, removed: %v", locked, err)
		}
		if _, serr := b.Stat(t.Context(), key, v); (serr == nil) != (locked == nil) {
			t.Fatalf("locked: %v, stat: %v", locked, serr)
		}
	}
}

// The lock that an upload is begun with is that of its object, not of the upload.
func TestUploadsWithLocks(t *testing.T) {
	b, _, _, c := lockedBucket(t)
	lock := filestore.Lock{Mode: filestore.LockCompliance, Until: c.now().Add(time.Hour), Hold: true}
	begin := func() string {
		t.Helper()
		id, err := b.CreateUpload(t.Context(), "a", filestore.ObjectMeta{Lock: lock}, filestore.UploadOptions{})
		must(t, err)
		return id
	}
	id := begin()
	m := multi{t: t, Bucket: b.Bucket}
	o := m.complete("a", id, m.part("a", id, 1, []byte("1")))
	if o.Version.Null || b.stat("a").Meta.Lock != lock {
		t.Fatalf("the object is %+v", o)
	}
	id = begin()
	m.part("a", id, 1, []byte("22"))
	must(t, b.AbortUpload(t.Context(), "a", id))
	b.expectVersions("a 1*")
	_, err := b.DeleteObject(t.Context(), "a", o.Version, filestore.DeleteOptions{BypassGovernance: true})
	expectKind(t, "remove it", err, kind.Denied)
}
