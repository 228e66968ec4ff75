package filestore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// setVersioning changes a bucket's versioning.
func (b bucket) setVersioning(v filestore.Versioning) {
	b.t.Helper()
	if err := b.Update(b.t.Context(), func(i *filestore.BucketInfo) error { i.Versioning = v; return nil }); err != nil {
		b.t.Fatalf("update: %v", err)
	}
}

func versionedBucket(t testing.TB) (bucket, tree) {
	t.Helper()
	b, tr := bucketAlone(t)
	b.setVersioning(filestore.VersioningEnabled)
	return b, tr
}

func (b bucket) getVersion(key string, v filestore.VersionID) string {
	b.t.Helper()
	r, err := b.Open(b.t.Context(), key, v)
	if err != nil {
		b.t.Fatalf("open %q %v: %v", key, v, err)
	}
	defer r.Close()
	return string(readObject(b.t, r))
}

func (b bucket) delete(key string, v filestore.VersionID) filestore.Deleted {
	b.t.Helper()
	d, err := b.DeleteObject(b.t.Context(), key, v, filestore.DeleteOptions{})
	if err != nil {
		b.t.Fatalf("delete %q %v: %v", key, v, err)
	}
	return d
}

// versions lists all versions by pages of a size: "key size", with "*" at the
// latest, "x" instead of the size at a marker, "0" at null versions; prefixes in
// brackets.
func (b bucket) versions(o filestore.VersionListOptions) []string {
	b.t.Helper()
	var all []string
	for range 10_000 {
		page, err := b.ListVersions(b.t.Context(), o)
		if err != nil {
			b.t.Fatalf("list versions %+v: %v", o, err)
		}
		if len(page.Items) > o.Max || page.Truncated && len(page.Items) < o.Max {
			b.t.Fatalf("list versions %+v: a page of %d, truncated %v", o, len(page.Items), page.Truncated)
		}
		for _, i := range page.Items {
			all = append(all, showVersion(i))
		}
		if !page.Truncated {
			return all
		}
		o.After, o.VersionAfter = page.Next, page.NextVersion
	}
	b.t.Fatalf("list versions %+v doesn't end", o)
	return nil
}

func showVersion(i filestore.ListItem) string {
	if i.Prefix != "" {
		return "[" + i.Prefix + "]"
	}
	s := fmt.Sprintf("%s %d", i.Object.Key, i.Object.Size)
	if i.Object.DeleteMarker {
		s = i.Object.Key + " x"
	}
	if i.Object.Version.Null {
		s += "0"
	}
	if i.Object.Latest {
		s += "*"
	}
	return s
}

func (b bucket) expectVersions(want ...string) {
	b.t.Helper()
	for _, n := range []int{1, 2, 1000} {
		if got := b.versions(filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: n}}); !slices.Equal(got, want) {
			b.t.Fatalf("versions by pages of %d:\n%q, want\n%q", n, got, want)
		}
	}
}

func TestVersionIDText(t *testing.T) {
	for _, v := range []filestore.VersionID{{V: 1}, {V: 1<<64 - 1, I: 1<<16 - 1}, {V: 5 << 40, I: 7}, {Null: true}} {
		back, err := filestore.ParseVersionID(v.String())
		if err != nil || back != v {
			t.Errorf("%v comes back as %v, %v", v, back, err)
		}
	}
	if s := (filestore.VersionID{V: 1, I: 1}).String(); len(s) != 16 || strings.ToUpper(s) != s {
		t.Errorf("the text %q", s)
	}
	for _, bad := range []string{"", "nul", "NULL", "0", strings.Repeat("0", 16), strings.Repeat("0", 15), strings.Repeat("z", 16), strings.Repeat("0", 15) + "\n", strings.Repeat("a", 16)} {
		if v, err := filestore.ParseVersionID(bad); kind.Of(err) != kind.Invalid {
			t.Errorf("%q is %v, %v", bad, v, err)
		}
	}
	if (filestore.VersionID{}).String() != "" || !(filestore.VersionID{}).IsLatest() || (filestore.VersionID{Null: true}).IsLatest() {
		t.Error("the latest")
	}
}

// A versioned bucket keeps what is replaced and removed, and gives it back.
func TestVersionsAreKept(t *testing.T) {
	b, tr := versionedBucket(t)
	v1, v2 := b.put("a", []byte("1")).Version, b.put("a", []byte("22")).Version
	b.expectVersions("a 2*", "a 1")
	if v1 == v2 || v1.Null || v2.Null {
		t.Fatalf("versions %v and %v", v1, v2)
	}
	marker := b.delete("a", filestore.VersionID{})
	if !marker.Marker || marker.Version == v2 {
		t.Fatalf("deleted: %+v", marker)
	}
	b.absent("a")
	tr.absent("b/a")
	o, err := b.Stat(t.Context(), "a", filestore.VersionID{})
	if m := new(filestore.DeleteMarkerError); !errors.As(err, &m) || m.Version != marker.Version || !o.DeleteMarker || o.Version != marker.Version {
		t.Fatalf("stat of a deleted object: %+v, %v", o, err)
	}
	b.expectVersions("a x*", "a 2", "a 1")
	if got := b.getVersion("a", v1) + b.getVersion("a", v2); got != "122" {
		t.Fatalf("the versions hold %q", got)
	}
	if _, err := b.Stat(t.Context(), "a", marker.Version); kind.Of(err) != kind.NotExist {
		t.Fatalf("stat of a marker: %v", err)
	}
	if d := b.delete("a", marker.Version); !d.Marker || d.Version != marker.Version {
		t.Fatalf("the marker removed: %+v", d)
	}
	b.expectVersions("a 2*", "a 1")
	tr.expect("b/a", []byte("22"))
	if d := b.delete("a", v2); d.Marker || d.Version != v2 {
		t.Fatalf("the latest removed: %+v", d)
	}
	b.expectVersions("a 1*")
	tr.expect("b/a", []byte("1"))
	b.delete("a", v2) // again
	b.delete("a", v1)
	b.expectVersions()
	tr.absent("b/a")
}

// Before versioning there is one version, null; while it is suspended the null
// version is replaced in place.
func TestNullVersions(t *testing.T) {
	b, _ := bucketAlone(t)
	null := filestore.VersionID{Null: true}
	b.put("a", []byte("1"))
	b.expectVersions("a 10*")
	b.setVersioning(filestore.VersioningEnabled)
	b.expectVersions("a 10*")
	v2 := b.put("a", []byte("22")).Version
	b.expectVersions("a 2*", "a 10")
	b.setVersioning(filestore.VersioningSuspended)
	if o := b.put("a", []byte("333")); !o.Version.Null {
		t.Fatalf("a put with suspended versioning: %v", o.Version)
	}
	b.expectVersions("a 30*", "a 2")
	b.put("a", []byte("4444"))
	b.expectVersions("a 40*", "a 2")
	b.setVersioning(filestore.VersioningEnabled)
	b.put("a", []byte("55555"))
	b.expectVersions("a 5*", "a 40", "a 2") // in the order in which they were made
	if got := b.getVersion("a", null); got != "4444" {
		t.Fatalf("the null version holds %q", got)
	}
	b.setVersioning(filestore.VersioningSuspended)
	if d := b.delete("a", filestore.VersionID{}); !d.Marker || !d.Version.Null {
		t.Fatalf("deleted with suspended versioning: %+v", d)
	}
	b.expectVersions("a x0*", "a 5", "a 2")
	b.delete("a", null)
	b.expectVersions("a 5*", "a 2")
	b.delete("a", v2)
	b.expectVersions("a 5*")
}

// An object that never was gets a marker, too, with the directories that it needs,
// which nobody sees.
func TestMarkersOfWhatNeverWas(t *testing.T) {
	b, tr := versionedBucket(t)
	m := b.delete("d/e/a", filestore.VersionID{})
	b.expectVersions("d/e/a x*")
	tr.expectNames("b")
	tr.absent("b/d")
	b.put("d/f", nil)
	tr.expectNames("b/d", "f")
	b.put("d/e/a", []byte("1"))
	b.expectVersions("d/e/a 1*", "d/e/a x", "d/f 0*")
	tr.expectNames("b/d", "e", "f")
	b.delete("d/e/a", b.stat("d/e/a").Version)
	tr.expectNames("b/d", "f")
	b.delete("d/e/a", m.Version)
	b.delete("d/f", b.stat("d/f").Version)
	b.expectVersions()
	tr.expectNames("b")
	if err := b.Bucket.Delete(t.Context(), tr.Tree); err != nil {
		t.Fatalf("the empty bucket: %v", err)
	}
}

// What SFTP does in a versioned bucket is versioned.
func TestVersionsOfAFileTree(t *testing.T) {
	b, tr := versionedBucket(t)
	tr.mkdir("b/d")
	tr.put("b/d/f", []byte("1"))
	tr.put("b/d/f", []byte("22"))
	b.expectVersions("d/f 2*", "d/f 1")
	f := tr.open("b/d/f", forWriting)
	write(t, f, []byte("3"), 2)
	sync(t, f)
	b.expectVersions("d/f 3*", "d/f 2", "d/f 1")
	write(t, f, []byte("4"), 3)
	closeFile(t, f)
	b.expectVersions("d/f 4*", "d/f 3", "d/f 2", "d/f 1")
	tr.expect("b/d/f", []byte("2234"))
	if err := tr.SetAttr(t.Context(), path("b/d/f"), filestore.Attr{Set: filestore.AttrMode, Mode: 0o600}, true); err != nil {
		t.Fatal(err)
	}
	b.expectVersions("d/f 4*", "d/f 3", "d/f 2", "d/f 1") // no contents, no version
	if err := tr.SetAttr(t.Context(), path("b/d/f"), filestore.Attr{Set: filestore.AttrSize, Size: 1}, true); err != nil {
		t.Fatal(err)
	}
	tr.rename("b/d/f", "b/d/g")
	b.expectVersions("d/f x*", "d/f 1", "d/f 4", "d/f 3", "d/f 2", "d/f 1", "d/g 1*")
	tr.put("b/d/h", []byte("hhhhh"))
	tr.rename("b/d/h", "b/d/g")
	b.expectVersions("d/f x*", "d/f 1", "d/f 4", "d/f 3", "d/f 2", "d/f 1", "d/g 5*", "d/g 1", "d/h x*", "d/h 5")
	tr.remove("b/d/g")
	b.expectVersions("d/f x*", "d/f 1", "d/f 4", "d/f 3", "d/f 2", "d/f 1", "d/g x*", "d/g 5", "d/g 1", "d/h x*", "d/h 5")
	tr.expectNames("b/d")
	expectKind(t, "remove what isn't there", tr.Remove(t.Context(), path("b/d/g")), kind.NotExist)
	tr.rmdir("b/d")
	tr.absent("b/d")
	tr.expectNames("b")
	expectKind(t, "delete the bucket", b.Bucket.Delete(t.Context(), tr.Tree), kind.NotEmpty)
	tr.mkdir("b/d")
	tr.expectNames("b/d")
	if n := len(b.versions(filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 3}})); n != 11 {
		t.Fatalf("%d versions after the directory was made again", n)
	}
	if err := tr.Link(t.Context(), path("b/d"), path("x")); err == nil {
		t.Fatal("linked a directory")
	}
	tr.put("x", []byte("xx"))
	if err := tr.Link(t.Context(), path("x"), path("b/d/f")); err != nil {
		t.Fatal(err)
	}
	if o := b.stat("d/f"); o.Version.Null || o.Size != 2 {
		t.Fatalf("a link made %+v", o)
	}
}

// Directories move in a bucket with versions as long as no version moves with them.
func TestDirectoriesMoveWithoutVersions(t *testing.T) {
	b, tr := versionedBucket(t)
	b.put("plain/deep/a", []byte("1"))
	b.put("kept/deep/a", []byte("1"))
	b.put("kept/deep/a", []byte("22"))
	b.delete("gone/a", filestore.VersionID{})
	rename := func(from, to string) error {
		return tr.Rename(t.Context(), path(from), path(to), filestore.Replace)
	}
	expectKind(t, "a directory with versions below", rename("b/kept", "b/other"), kind.Unsupported)
	expectKind(t, "out of the bucket", rename("b/plain", "plain"), kind.Unsupported)
	expectKind(t, "over what is hidden", rename("b/plain", "b/gone"), kind.Unsupported)
	tr.mkdir("outside")
	expectKind(t, "into the bucket", rename("outside", "b/outside"), kind.Unsupported)
	if err := rename("b/plain", "b/moved"); err != nil {
		t.Fatal(err)
	}
	if err := rename("b/moved/deep", "b/moved/low"); err != nil {
		t.Fatal(err)
	}
	b.expectVersions("gone/a x*", "kept/deep/a 2*", "kept/deep/a 1", "moved/low/a 1*")
}

// Files may leave a versioned bucket, and come in.
func TestFilesCrossTheBorder(t *testing.T) {
	b, tr := versionedBucket(t)
	tr.put("x", []byte("1"))
	tr.rename("x", "b/x")
	b.expectVersions("x 1*")
	if b.stat("x").Version.Null {
		t.Fatal("what came in is a null version")
	}
	tr.rename("b/x", "y")
	b.expectVersions("x x*", "x 1")
	tr.expect("y", []byte("1"))
	tr.expectNames("", "b", "y")
	tr.remove("y")
	tr.expectNames("", "b")
}
