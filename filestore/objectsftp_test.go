package filestore_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestWhatSFTPWritesIsAnObject(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	tr.mkdir("b/d")
	tr.put("b/d/f", random(1000, 1))
	tr.put("b/tiny", []byte("tiny"))
	m := tr.open("b/mutable", filestore.OpenOptions{Read: true, Write: true, Create: true, Mutable: true})
	write(t, m, random(300, 2), 0)
	closeFile(t, m)
	tags := map[string]bool{}
	for _, key := range []string{"d/f", "tiny", "mutable"} {
		o := b.stat(key)
		if info := tr.stat("b/" + key); o.Size != info.Size || !o.Mtime.Equal(info.Mtime) {
			t.Errorf("%s is %+v, by SFTP %+v", key, o, info)
		}
		if !strings.Contains(o.ETag, "-") || strings.ContainsAny(o.ETag[strings.Index(o.ETag, "-"):], "0123456789") || tags[o.ETag] {
			t.Errorf("%s has the ETag %s", key, o.ETag)
		}
		if tags[o.ETag] = true; b.stat(key).ETag != o.ETag {
			t.Errorf("%s has no lasting ETag", key)
		}
		f := tr.open("b/"+key, forWriting)
		write(t, f, []byte("X"), 0)
		closeFile(t, f)
		if again := b.stat(key); again.ETag == o.ETag || again.Size != o.Size {
			t.Errorf("%s has changed, and is %+v now", key, again)
		}
		if got := b.get(key); got[0] != 'X' {
			t.Errorf("%s holds %s", key, sketch(got))
		}
	}
}

func TestAChangeBySFTPDropsWhatTheClientSaidOfTheContents(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	kept := filestore.ObjectMeta{
		Headers: []filestore.Pair{{Name: "content-type", Value: "text/plain"}},
		Tags:    []filestore.Pair{{Name: "k", Value: "v"}}, ACL: bytes.Repeat([]byte("acl"), 5000),
	}
	all := kept
	all.Checksums = []filestore.Checksum{{Algorithm: "CRC32", Value: bytes.Repeat([]byte{1}, 200)}}
	before, err := b.tryPut("o", []byte("some contents"), all, filestore.CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.SetAttr(t.Context(), path("b/o"), filestore.Attr{Set: filestore.AttrMode, Mode: 0o600}, true); err != nil {
		t.Fatal(err)
	}
	tr.rename("b/o", "b/p")
	if o := b.stat("p"); o.ETag != before.ETag || len(o.Meta.Checksums) != 1 {
		t.Errorf("chmod and rename have made %+v of it", o)
	}
	f := tr.open("b/p", forWriting)
	write(t, f, []byte("S"), 0)
	closeFile(t, f)
	if o := b.stat("p"); o.ETag == before.ETag || !sameMeta(o.Meta, kept) {
		t.Errorf("a write has made %+v of it", o)
	}
}

func TestAPutReplacesWhatSFTPHasOpen(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	tr.put("b/f", []byte("old"))
	f := tr.open("b/f", forWriting)
	b.put("f", []byte("new contents"))
	if got := readAll(t, f); string(got) != "old" {
		t.Errorf("the handle reads %s", got)
	}
	write(t, f, []byte("lost"), 0)
	closeFile(t, f)
	tr.expect("b/f", []byte("new contents"))

	link := tr.open("b/m", filestore.OpenOptions{Read: true, Write: true, Create: true, Mutable: true})
	closeFile(t, link)
	if err := tr.Link(t.Context(), path("b/m"), path("m2")); err != nil {
		t.Fatal(err)
	}
	b.put("m", []byte("an object"))
	tr.expect("b/m", []byte("an object"))
	tr.expect("m2", nil)
}

func TestAPutBesideAFileThatSFTPIsCreating(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	f := tr.open("b/f", toCreate)
	write(t, f, []byte("by SFTP"), 0)
	b.absent("f")
	b.put("f", []byte("by S3"))
	if got := b.get("f"); string(got) != "by S3" {
		t.Errorf("it holds %s", got)
	}
	closeFile(t, f)
	if got := b.get("f"); string(got) != "by SFTP" {
		t.Errorf("who commits last has the name: %s", got)
	}

	// An object below the name that a file will have: both are there.
	f = tr.open("b/g", toCreate)
	write(t, f, []byte("file"), 0)
	b.put("g/h", []byte("below"))
	closeFile(t, f)
	if got := b.get("g"); string(got) != "file" {
		t.Errorf("g holds %s", got)
	}
	if got := b.get("g/h"); string(got) != "below" {
		t.Errorf("g/h holds %s", got)
	}
	tr.expect("b/"+filestore.Hidden("g"), []byte("file"))

	// The directory that a file is being created in stays.
	b.put("d/o", nil)
	f = tr.open("b/d/f", toCreate)
	b.remove("d/o")
	closeFile(t, f)
	b.stat("d/f")
}

func TestSFTPRemovesWhatS3Put(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	b.put("d/e/o", []byte("1"))
	r := b.open("d/e/o")
	defer r.Close()
	tr.remove("b/d/e/o")
	b.absent("d/e/o")
	if got := readObject(t, r); string(got) != "1" {
		t.Errorf("what was open reads %s", got)
	}
	if got := b.keys(filestore.ListOptions{Max: 9, Delimiter: "/"}); len(got) > 0 {
		t.Errorf("%q are listed", got)
	}
	tr.rmdir("b/d/e") // rm -r finds its directories
	tr.rmdir("b/d")
	tr.expectNames("b")
}

// A bucket that lists nothing can be removed, although SFTP has left directories of
// objects in it; those that SFTP made are its users'.
func TestABucketOfEmptyDirectoriesCanBeRemoved(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	for _, key := range []string{"a/b/c", "a/d/e", "f//g"} {
		b.put(key, []byte("1"))
	}
	expectKind(t, "delete a bucket", b.Delete(t.Context(), tr.Tree), kind.NotEmpty)
	for _, p := range []string{"a/b/c", "a/d/e", "f//g"} {
		tr.remove("b/" + p)
	}
	tr.mkdir("b/made")
	expectKind(t, "delete a bucket with a directory", b.Delete(t.Context(), tr.Tree), kind.NotEmpty)
	tr.expectNames("b", "a", "f", "made")
	tr.rmdir("b/made")
	if err := b.Delete(t.Context(), tr.Tree); err != nil {
		t.Fatal(err)
	}
	tr.expectNames("")
}

func TestPathsThatAreNoKeys(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	deep := "b"
	for range 5 {
		deep += "/" + strings.Repeat("n", 250)
		tr.mkdir(deep)
	}
	tr.put(deep+"/f", []byte("too far down"))
	b.put("z", nil)
	if got := b.keys(filestore.ListOptions{Max: 5}); len(got) != 1 || got[0] != "z" {
		t.Errorf("%d keys are listed", len(got))
	}
	b.expectVersions("z 00*")
}

func TestDirectoriesThatRefuseChanges(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	b.put("d/o", []byte("1"))
	if err := tr.SetAttr(t.Context(), path("b/d"), filestore.Attr{Set: filestore.AttrMode, Mode: 0o555}, true); err != nil {
		t.Fatal(err)
	}
	_, err := b.tryPut("d/p", nil, filestore.ObjectMeta{}, filestore.CommitOptions{})
	expectKind(t, "put in a no-write directory", err, kind.ReadOnly)
	_, err = b.DeleteObject(t.Context(), "d/o", filestore.VersionID{}, filestore.DeleteOptions{})
	expectKind(t, "delete in a no-write directory", err, kind.ReadOnly)
	if _, err := tr.Freeze(t.Context(), path("b/d"), tr.Tree, path("b/frozen")); err != nil {
		t.Fatal(err)
	}
	if got := b.get("frozen/o"); string(got) != "1" {
		t.Errorf("a frozen object reads %s", got)
	}
	_, err = b.tryPut("frozen/p", nil, filestore.ObjectMeta{}, filestore.CommitOptions{})
	expectKind(t, "put in a frozen directory", err, kind.ReadOnly)
	if got := b.keys(filestore.ListOptions{Max: 9}); len(got) != 2 {
		t.Errorf("%q are listed", got)
	}
}

func TestKeysThatCantBeStored(t *testing.T) {
	t.Parallel()
	b, _ := bucketAlone(t)
	for _, key := range []string{"", strings.Repeat("k", filestore.MaxKey+1), "a\x00b"} {
		_, err := b.tryPut(key, nil, filestore.ObjectMeta{}, filestore.CommitOptions{})
		expectKind(t, "put", err, kind.NameInvalid)
		_, err = b.Stat(t.Context(), key, filestore.VersionID{})
		expectKind(t, "stat", err, kind.NameInvalid)
		_, err = b.DeleteObject(t.Context(), key, filestore.VersionID{}, filestore.DeleteOptions{})
		expectKind(t, "delete", err, kind.NameInvalid)
	}
}
