package filestore_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// bucket is a Bucket whose methods fail the test on an error.
type bucket struct {
	t testing.TB
	*filestore.Bucket
}

// bucketIn makes a bucket called "b" in tr.
func bucketIn(t testing.TB, fs *filestore.FS, tr tree) bucket {
	t.Helper()
	b, err := fs.CreateBucket(t.Context(), tr.Tree, filestore.BucketInfo{Name: "b", Owner: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return bucket{t, b}
}

func bucketAlone(t testing.TB) (bucket, tree) {
	t.Helper()
	fs := newStorage(t).open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	tr, _ := newTree(t, fs)
	return bucketIn(t, fs, tr), tr
}

// tryPut puts an object, with the MD5 of its contents.
func (b bucket) tryPut(key string, data []byte, m filestore.ObjectMeta, o filestore.CommitOptions) (filestore.Object, error) {
	w, err := b.NewObject(b.t.Context())
	if err != nil {
		return filestore.Object{}, err
	}
	for at := 0; at < len(data); at += 100_000 {
		if _, err := w.Write(data[at:min(at+100_000, len(data))]); err != nil {
			w.Abort()
			return filestore.Object{}, err
		}
	}
	m.MD5, m.HasMD5 = md5.Sum(data), true
	return w.Commit(b.t.Context(), key, m, o)
}

func (b bucket) put(key string, data []byte) filestore.Object {
	b.t.Helper()
	o, err := b.tryPut(key, data, filestore.ObjectMeta{}, filestore.CommitOptions{})
	if err != nil {
		b.t.Fatalf("put %q: %v", key, err)
	}
	return o
}

func (b bucket) stat(key string) filestore.Object {
	b.t.Helper()
	o, err := b.Stat(b.t.Context(), key, filestore.VersionID{})
	if err != nil {
		b.t.Fatalf("stat %q: %v", key, err)
	}
	return o
}

func (b bucket) open(key string) *filestore.ObjectReader {
	b.t.Helper()
	r, err := b.Open(b.t.Context(), key, filestore.VersionID{})
	if err != nil {
		b.t.Fatalf("open %q: %v", key, err)
	}
	return r
}

func (b bucket) get(key string) []byte {
	b.t.Helper()
	r := b.open(key)
	defer r.Close()
	return readObject(b.t, r)
}

func readObject(t testing.TB, r *filestore.ObjectReader) []byte {
	t.Helper()
	all := make([]byte, r.Object().Size+1)
	n, err := r.ReadAt(t.Context(), all, 0)
	if err != io.EOF || int64(n) != r.Object().Size {
		t.Fatalf("read %q: %d bytes of %d, %v", r.Object().Key, n, r.Object().Size, err)
	}
	if streamed, err := readStream(t, r, 0, r.Object().Size, 256<<10); err != nil || !bytes.Equal(streamed, all[:n]) {
		t.Fatalf("a stream of %q gives %d bytes of %d, or other ones: %v", r.Object().Key, len(streamed), n, err)
	}
	return all[:n]
}

// readStream reads a part of an object by a stream, so many bytes at a time.
func readStream(t testing.TB, r *filestore.ObjectReader, off, n int64, step int) (all []byte, err error) {
	t.Helper()
	s := r.Stream(t.Context(), off, n)
	defer s.Close()
	for p := make([]byte, step); ; {
		n, err := s.Read(t.Context(), p)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, p[:n]...)
	}
}

func (b bucket) remove(key string) {
	b.t.Helper()
	if _, err := b.DeleteObject(b.t.Context(), key, filestore.VersionID{}, filestore.DeleteOptions{}); err != nil {
		b.t.Fatalf("delete %q: %v", key, err)
	}
}

func (b bucket) absent(key string) {
	b.t.Helper()
	if _, err := b.Stat(b.t.Context(), key, filestore.VersionID{}); !errors.Is(err, kind.NotExist) {
		b.t.Fatalf("stat %q: %v, want NotExist", key, err)
	}
}

// keys lists by pages of a size, common prefixes in brackets.
func (b bucket) keys(o filestore.ListOptions) []string {
	b.t.Helper()
	keys := []string{}
	for {
		page, err := b.ListObjects(b.t.Context(), o)
		if err != nil {
			b.t.Fatalf("list %+v: %v", o, err)
		}
		if len(page.Items) > o.Max || page.Truncated && len(page.Items) < o.Max {
			b.t.Fatalf("list %+v: a page of %d, truncated %v", o, len(page.Items), page.Truncated)
		}
		for _, i := range page.Items {
			if i.Prefix != "" {
				keys = append(keys, "["+i.Prefix+"]")
			} else {
				keys = append(keys, i.Object.Key)
			}
		}
		if !page.Truncated {
			return keys
		}
		o.After = page.Next
	}
}

func TestObjectsOfEverySizeComeBack(t *testing.T) {
	t.Parallel()
	b, _ := bucketAlone(t)
	for _, n := range []int{0, 1, 55, 56, 4096, 8000, 100_000, 256 << 10, 256<<10 + 1, 3 << 20} {
		key, data := fmt.Sprintf("size/%d", n), random(n, byte(n))
		put := b.put(key, data)
		if got := b.get(key); !bytes.Equal(got, data) {
			t.Fatalf("%s holds %s, want %s", key, sketch(got), sketch(data))
		}
		o := b.stat(key)
		if o.Size != int64(n) || o.ETag != fmt.Sprintf("%x", md5.Sum(data)) || !o.Latest || o.Key != key {
			t.Errorf("%s is %+v", key, o)
		}
		if put.ETag != o.ETag || !put.Mtime.Equal(o.Mtime) || put.Size != o.Size || put.Version != o.Version {
			t.Errorf("put answers %+v, stat %+v", put, o)
		}
	}
}

func TestMetadataComesBack(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	meta := filestore.ObjectMeta{
		Headers:   []filestore.Pair{{Name: "content-type", Value: "text/plain"}, {Name: "x-amz-meta-a", Value: strings.Repeat("v", 2000)}},
		Tags:      []filestore.Pair{{Name: "k", Value: "v"}, {Name: "", Value: ""}},
		Checksums: []filestore.Checksum{{Algorithm: "CRC32C", Value: []byte{1, 2, 3, 4}, Composite: true}},
		ACL:       bytes.Repeat([]byte("acl"), 10_000),
		Client:    &filestore.ClientSeal{Salt: [32]byte{1}, Check: [32]byte{2}},
	}
	want := meta
	want.MD5, want.HasMD5 = md5.Sum(nil), true
	if _, err := b.tryPut("o", nil, meta, filestore.CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := b.stat("o").Meta; fmt.Sprintf("%+v%v", got, *got.Client) == "" || !sameMeta(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	_, err := tr.Open(t.Context(), path("b/o"), forReading)
	expectKind(t, "open by SFTP what a client's key encrypts", err, kind.Denied)
	changed, err := b.SetMeta(t.Context(), "o", filestore.VersionID{}, func(m *filestore.ObjectMeta) error {
		m.Tags = []filestore.Pair{{Name: "other", Value: "tag"}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want.Tags = []filestore.Pair{{Name: "other", Value: "tag"}}
	if got := b.stat("o"); !sameMeta(got.Meta, want) || got.ETag != changed.ETag {
		t.Errorf("got %+v\nwant %+v", got.Meta, want)
	}
}

func sameMeta(a, b filestore.ObjectMeta) bool {
	if (a.Client == nil) != (b.Client == nil) || a.Client != nil && *a.Client != *b.Client {
		return false
	}
	a.Client, b.Client = nil, nil
	return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b)
}

// keyShapes are keys that lie in directories of all shapes.
var keyShapes = []string{
	"a", "a/", "a//", "a//b", "a/b", "a/b/", "a/b/c", "a-b", "a.b", "a0", "/", "//", "/x", "/x/y", "ab/c", ".", "..", "./x", "../x", "x/../y", "x/./y",
	"dir/", "dir/file", "é", "é/è", "\xff\xfe", "a\nb", "a+b c%2F", strings.Repeat("k", 1024), strings.Repeat("d/", 400) + "deep", strings.Repeat("e", 255) + "/" + strings.Repeat("f", 255),
}

func TestKeysOfEveryShapeCoexist(t *testing.T) {
	t.Parallel()
	b, _ := bucketAlone(t)
	for i, key := range keyShapes {
		b.put(key, random(60+i, byte(i)))
	}
	want := slices.Sorted(slices.Values(keyShapes))
	for _, limit := range []int{1, 2, 7, 1000} {
		if got := b.keys(filestore.ListOptions{Max: limit}); !slices.Equal(got, want) {
			t.Fatalf("by %d:\n%q\nwant\n%q", limit, got, want)
		}
	}
	for i, key := range keyShapes {
		if got := b.get(key); !bytes.Equal(got, random(60+i, byte(i))) {
			t.Errorf("%q holds something else", key)
		}
	}
	for i, key := range keyShapes {
		b.remove(key)
		b.remove(key)
		b.absent(key)
		for j, other := range keyShapes {
			if o, err := b.Stat(t.Context(), other, filestore.VersionID{}); (err == nil) != (j > i) || err == nil && o.Size != int64(60+j) {
				t.Fatalf("after %q was deleted %q: %v", key, other, err)
			}
		}
	}
	if got := b.keys(filestore.ListOptions{Max: 10}); len(got) > 0 {
		t.Errorf("%q are left", got)
	}
}

func TestImplicitDirectoriesGoWithTheirLastObject(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	tr.mkdir("b/made")
	b.put("made/x/y", []byte("1"))
	b.put("implied/x/y", []byte("2"))
	b.put("implied/z", []byte("3"))
	tr.expect("b/made/x/y", []byte("1"))
	b.remove("made/x/y")
	tr.expectNames("b/made")
	b.remove("implied/x/y")
	tr.expectNames("b/implied", "z")
	b.remove("implied/z")
	tr.expectNames("b", "made")
	if got := b.keys(filestore.ListOptions{Max: 10, Delimiter: "/"}); len(got) > 0 {
		t.Errorf("empty directories are listed: %q", got)
	}
}
