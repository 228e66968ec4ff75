package filestore_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// multi is a bucket whose methods fail the test on an error.
type multi struct {
	t testing.TB
	*filestore.Bucket
	fs   *filestore.FS
	tree tree // of the account
	root caps.Write
}

func newMulti(t testing.TB, fs *filestore.FS) multi {
	t.Helper()
	tr, root := newTree(t, fs)
	b, err := fs.CreateBucket(t.Context(), tr.Tree, filestore.BucketInfo{Name: "bucket", Owner: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return multi{t, b, fs, tr, root}
}

// create begins an upload.
func (b multi) create(key string) string {
	b.t.Helper()
	id, err := b.CreateUpload(b.t.Context(), key, filestore.ObjectMeta{}, filestore.UploadOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

func (b multi) tryPart(key, id string, number int, data []byte) (filestore.PartInfo, error) {
	w, err := b.NewPart(b.t.Context(), key, id, number)
	if err != nil {
		return filestore.PartInfo{}, err
	}
	defer w.Abort()
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 100_000)
		if _, err := w.Write(rest[:n]); err != nil {
			return filestore.PartInfo{}, err
		}
		rest = rest[n:]
	}
	return w.Commit(b.t.Context(), filestore.PartMeta{MD5: md5.Sum(data), HasMD5: true})
}

// part puts a part, and says how to complete an upload with it.
func (b multi) part(key, id string, number int, data []byte) filestore.CompletePart {
	b.t.Helper()
	info, err := b.tryPart(key, id, number, data)
	if err != nil {
		b.t.Fatalf("part %d: %v", number, err)
	}
	if want := fmt.Sprintf("%x", md5.Sum(data)); info.ETag != want || info.Number != number || info.Size != int64(len(data)) {
		b.t.Fatalf("part %d is %+v, want ETag %s", number, info, want)
	}
	return filestore.CompletePart{Number: number, ETag: info.ETag}
}

func (b multi) tryComplete(key, id string, parts ...filestore.CompletePart) (filestore.Object, error) {
	return b.CompleteUpload(b.t.Context(), key, id, parts, nil, filestore.CommitOptions{})
}

func (b multi) complete(key, id string, parts ...filestore.CompletePart) filestore.Object {
	b.t.Helper()
	o, err := b.tryComplete(key, id, parts...)
	if err != nil {
		b.t.Fatalf("complete: %v", err)
	}
	return o
}

// object puts an object.
func (b multi) object(key string, data []byte) filestore.Object {
	b.t.Helper()
	w, err := b.NewObject(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		b.t.Fatal(err)
	}
	o, err := w.Commit(b.t.Context(), key, filestore.ObjectMeta{MD5: md5.Sum(data), HasMD5: true}, filestore.CommitOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return o
}

func (b multi) read(key string) []byte {
	b.t.Helper()
	r, err := b.Open(b.t.Context(), key, filestore.VersionID{})
	if err != nil {
		b.t.Fatalf("open %q: %v", key, err)
	}
	defer r.Close()
	data := make([]byte, r.Object().Size)
	if n, err := r.ReadAt(b.t.Context(), data, 0); n != len(data) || err != nil && !errors.Is(err, io.EOF) {
		b.t.Fatalf("read %q: %d bytes, %v", key, n, err)
	}
	return data
}

func (b multi) partsOf(key string) []filestore.Part {
	b.t.Helper()
	r, err := b.Open(b.t.Context(), key, filestore.VersionID{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	parts, err := r.Parts(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return parts
}

func (b multi) holds(key string, want []byte) {
	b.t.Helper()
	if got := b.read(key); !bytes.Equal(got, want) {
		b.t.Fatalf("%q holds %s, want %s", key, sketch(got), sketch(want))
	}
}

// noObject demands that nothing is there.
func (b multi) noObject(key string) {
	b.t.Helper()
	if _, err := b.Stat(b.t.Context(), key, filestore.VersionID{}); !errors.Is(err, kind.NotExist) {
		b.t.Fatalf("stat %q: %v", key, err)
	}
}

// partsETag is what S3 makes of the parts' contents.
func partsETag(parts ...[]byte) string {
	h := md5.New()
	for _, p := range parts {
		sum := md5.Sum(p)
		h.Write(sum[:])
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(parts))
}

func TestAnUploadBecomesOneObject(t *testing.T) {
	t.Parallel()
	sizes := map[string][]int{
		"one": {300_000}, "equal": {600_000, 600_000, 5}, "ragged": {1, 700_000, 54, 262_144, 56, 8192, 100_000},
		"tiny": {1}, "few tiny": {10, 20, 25}, "many tiny": {55, 55, 55, 55}, "empty": {0}, "empties": {0, 0, 3, 0},
	}
	s := newStorage(t)
	b := newMulti(t, s.open(smallChunks))
	for name, sizes := range sizes {
		t.Run(name, func(t *testing.T) {
			b := b
			b.t = t
			key := "dir/" + name
			id := b.create(key)
			var parts []filestore.CompletePart
			var all [][]byte
			for i, n := range sizes {
				data := random(n, byte(i+1))
				all = append(all, data)
				parts = append(parts, b.part(key, id, 2*i+1, data))
			}
			b.noObject(key)
			o := b.complete(key, id, parts...)
			whole := bytes.Join(all, nil)
			if o.ETag != partsETag(all...) || o.Size != int64(len(whole)) || o.Key != key {
				t.Errorf("completed: %+v, want ETag %s", o, partsETag(all...))
			}
			b.holds(key, whole)
			b.tree.expect("bucket/"+key, whole)
			st, err := b.Stat(t.Context(), key, filestore.VersionID{})
			if err != nil || st.ETag != o.ETag {
				t.Fatalf("stat: %+v, %v", st, err)
			}
			got := b.partsOf(key)
			if len(got) != len(sizes) {
				t.Fatalf("%d parts: %+v", len(got), got)
			}
			for i, p := range got {
				if p.Number != 2*i+1 || p.Size != int64(sizes[i]) {
					t.Errorf("part %d is %+v", i, p)
				}
			}
			if _, err := b.Upload(t.Context(), key, id); !errors.Is(err, kind.NotExist) {
				t.Errorf("the upload is still there: %v", err)
			}
		})
	}
	expectWhole(t, b.fs, filestore.NamedTree{Name: "test", Cap: b.root})
}

func TestPartsAreReplacedAndChosen(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	b := newMulti(t, s.open(smallChunks))
	id := b.create("k")
	b.part("k", id, 3, []byte("another three"))
	one := b.part("k", id, 1, []byte("one"))
	two := b.part("k", id, 2, []byte("two"))
	three := b.part("k", id, 3, []byte("three"))
	last := b.part("k", id, filestore.MaxParts, []byte("the last one"))
	tests := map[string]struct {
		parts []filestore.CompletePart
		want  error
	}{
		"none":             {nil, kind.Invalid},
		"out of order":     {[]filestore.CompletePart{two, one}, &filestore.PartError{Number: 1, Fault: filestore.PartOrder}},
		"twice":            {[]filestore.CompletePart{one, one}, &filestore.PartError{Number: 1, Fault: filestore.PartOrder}},
		"missing":          {[]filestore.CompletePart{one, {Number: 4, ETag: one.ETag}}, &filestore.PartError{Number: 4, Fault: filestore.PartMissing}},
		"another ETag":     {[]filestore.CompletePart{one, {Number: 2, ETag: one.ETag}}, &filestore.PartError{Number: 2, Fault: filestore.PartMissing}},
		"number zero":      {[]filestore.CompletePart{{Number: 0, ETag: one.ETag}}, &filestore.PartError{Number: 0, Fault: filestore.PartMissing}},
		"number too large": {[]filestore.CompletePart{last, {Number: 10_001, ETag: one.ETag}}, &filestore.PartError{Number: 10_001, Fault: filestore.PartMissing}},
		"checksum": {
			[]filestore.CompletePart{{Number: 1, ETag: one.ETag, Checksums: []filestore.Checksum{{Algorithm: "CRC32", Value: []byte("abcd")}}}},
			&filestore.PartError{Number: 1, Fault: filestore.PartChecksum},
		},
	}
	for name, tt := range tests {
		_, err := b.tryComplete("k", id, tt.parts...)
		var got, want *filestore.PartError
		if errors.As(tt.want, &want) && (!errors.As(err, &got) || *got != *want) || !errors.Is(err, kind.Invalid) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	refused := errors.New("too small")
	_, err := b.CompleteUpload(t.Context(), "k", id, []filestore.CompletePart{one, three}, func(p []filestore.PartInfo) (filestore.ObjectMeta, error) {
		if len(p) != 2 || p[1].Size != 5 || p[1].Number != 3 {
			t.Errorf("chosen: %+v", p)
		}
		return filestore.ObjectMeta{}, refused
	}, filestore.CommitOptions{})
	if !errors.Is(err, refused) {
		t.Errorf("refused: %v", err)
	}
	b.complete("k", id, one, three, last)
	b.holds("k", []byte("onethreethe last one"))
}

func TestPartNumbersHaveBounds(t *testing.T) {
	t.Parallel()
	b := newMulti(t, newStorage(t).open())
	id := b.create("k")
	for _, n := range []int{-1, 0, 10_001, 1 << 40} {
		if _, err := b.NewPart(t.Context(), "k", id, n); !errors.Is(err, kind.Invalid) {
			t.Errorf("part %d: %v", n, err)
		}
	}
}

func TestOnlyTheUploadOfThatKeyAndID(t *testing.T) {
	t.Parallel()
	b := newMulti(t, newStorage(t).open())
	long := strings.Repeat("x", 1020)
	id, longID := b.create("k"), b.create(long+"y")
	b.part(long+"y", longID, 1, []byte("z"))
	flipped := "-" + id[1:]
	for _, tt := range [][2]string{
		{"k", ""},
		{"k", "x"},
		{"l", id},
		{"k", flipped},
		{"k", longID},
		{"k", id + "x"},
		{"k", id[:31]},
		{"k", "../../" + id[6:]},
		{long + "z", longID},
		{"k\x00", id},
		{"", id},
		{"k", strings.Repeat("\x01", 32)},
	} {
		if _, err := b.Upload(t.Context(), tt[0], tt[1]); !errors.Is(err, kind.NotExist) {
			t.Errorf("%.20q %q: %v", tt[0], tt[1], err)
		}
	}
	if i, err := b.Upload(t.Context(), "k", id); err != nil || i.ID != id || i.Key != "k" {
		t.Errorf("%+v, %v", i, err)
	}
}

func TestAnUploadKeepsWhatItWasCreatedWith(t *testing.T) {
	t.Parallel()
	b := newMulti(t, newStorage(t).open())
	m := filestore.ObjectMeta{
		Headers: []filestore.Pair{{Name: "content-type", Value: "text/plain"}, {Name: "x-amz-meta-a", Value: strings.Repeat("v", 3000)}},
		Tags:    []filestore.Pair{{Name: "t", Value: "u"}},
		ACL:     bytes.Repeat([]byte("acl"), 5000),
		Client:  &filestore.ClientSeal{Salt: [32]byte{1}, Check: [32]byte{2}},
	}
	opts := filestore.UploadOptions{Initiator: "alice", ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT"}
	id, err := b.CreateUpload(t.Context(), "a/b.c", m, opts)
	must(t, err)
	i, err := b.Upload(t.Context(), "a/b.c", id)
	must(t, err)
	if i.UploadOptions != opts || i.Meta.Headers[1] != m.Headers[1] || i.Meta.Tags[0] != m.Tags[0] || !bytes.Equal(i.Meta.ACL, m.ACL) || *i.Meta.Client != *m.Client {
		t.Errorf("%+v", i)
	}
	w, err := b.NewPart(t.Context(), "a/b.c", id, 1)
	must(t, err)
	_, err = io.WriteString(w, "encrypted")
	must(t, err)
	pm := filestore.PartMeta{Salt: [32]byte{7}, Checksums: []filestore.Checksum{{Algorithm: "CRC32", Value: []byte("1234")}}}
	p, err := w.Commit(t.Context(), pm)
	must(t, err)
	if p.Salt != pm.Salt || len(p.Checksums) != 1 || !strings.Contains(p.ETag, "-") {
		t.Errorf("%+v", p)
	}
	o := b.complete("a/b.c", id, filestore.CompletePart{Number: 1, ETag: p.ETag, Checksums: pm.Checksums})
	if !strings.HasSuffix(o.ETag, "-1") {
		t.Errorf("%+v", o)
	}
	st, err := b.Stat(t.Context(), "a/b.c", filestore.VersionID{})
	must(t, err)
	p0 := b.partsOf("a/b.c")[0]
	if p0.Salt != pm.Salt || string(p0.Checksums[0].Value) != "1234" || st.Meta.Headers[1] != m.Headers[1] || *st.Meta.Client != *m.Client {
		t.Errorf("%+v", st)
	}
}

func TestACompletionIsRemembered(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newStorage(t)
	fs := s.open(func(o *filestore.Options) { o.Now = func() time.Time { return now } })
	b := newMulti(t, fs)
	id := b.create("k")
	one, two := b.part("k", id, 1, []byte("one")), b.part("k", id, 2, []byte("two"))
	first := b.complete("k", id, one, two)
	b.object("k", []byte("another"))
	// As after an answer that got lost, also of another gateway.
	again := b
	again.Bucket, _ = s.gateway().Bucket(t.Context(), "bucket")
	for _, b := range []multi{b, again} {
		if b.Bucket == nil {
			continue
		}
		o := b.complete("k", id, one, two)
		if o.ETag != first.ETag || o.Size != 6 || !o.Mtime.Equal(first.Mtime) || o.Version != first.Version {
			t.Errorf("again: %+v, first: %+v", o, first)
		}
	}
	b.holds("k", []byte("another"))
	if _, err := b.tryComplete("k", id, one); !errors.Is(err, kind.NotExist) {
		t.Errorf("with other parts: %v", err)
	}
	if _, err := b.tryComplete("l", id, one, two); !errors.Is(err, kind.NotExist) {
		t.Errorf("of another key: %v", err)
	}
	if err := b.AbortUpload(t.Context(), "k", id); !errors.Is(err, kind.NotExist) {
		t.Errorf("abort: %v", err)
	}
	now = now.Add(24*time.Hour + time.Second)
	if _, err := b.tryComplete("k", id, one, two); !errors.Is(err, kind.NotExist) {
		t.Errorf("a day later: %v", err)
	}
}

func TestCompletionTwiceAtOnce(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	b := newMulti(t, s.open())
	for i := range 20 {
		key := fmt.Sprint("k", i)
		id := b.create(key)
		one := b.part(key, id, 1, []byte(key))
		var g errgroup.Group
		for range 3 {
			g.Go(func() error {
				_, err := b.tryComplete(key, id, one)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		b.holds(key, []byte(key))
	}
}

func TestCompletionOrAbort(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	b := newMulti(t, s.open())
	for i := range 20 {
		key := fmt.Sprint("k", i)
		id := b.create(key)
		one := b.part(key, id, 1, []byte(key))
		var completed, aborted error
		var g errgroup.Group
		g.Go(func() error { _, completed = b.tryComplete(key, id, one); return nil })
		g.Go(func() error { aborted = b.AbortUpload(t.Context(), key, id); return nil })
		_ = g.Wait()
		if (completed == nil) == (aborted == nil) {
			t.Fatalf("complete: %v, abort: %v", completed, aborted)
		}
		if completed == nil {
			b.holds(key, []byte(key))
		} else {
			b.noObject(key)
		}
	}
}

func TestAbortWhileAPartIsWritten(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	b := newMulti(t, s.open(smallChunks))
	id := b.create("k")
	b.part("k", id, 1, random(500_000, 1))
	w, err := b.NewPart(t.Context(), "k", id, 2)
	must(t, err)
	_, err = w.Write(random(700_000, 2))
	must(t, err)
	must(t, b.AbortUpload(t.Context(), "k", id))
	if _, err := w.Commit(t.Context(), filestore.PartMeta{}); !errors.Is(err, kind.NotExist) {
		t.Errorf("commit of a part: %v", err)
	}
	if _, err := b.NewPart(t.Context(), "k", id, 2); !errors.Is(err, kind.NotExist) {
		t.Errorf("another part: %v", err)
	}
	if err := b.AbortUpload(t.Context(), "k", id); !errors.Is(err, kind.NotExist) {
		t.Errorf("abort again: %v", err)
	}
	if got := s.charged(b.root); got != "1 0" {
		t.Errorf("charged: %s", got)
	}
}

// TestCompletionWhilePartsAreReplaced: the object is of parts that were there
// together, whole ones, and what comes too late has no upload.
func TestCompletionWhilePartsAreReplaced(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	b := newMulti(t, s.open())
	for round := range 10 {
		key := fmt.Sprint("k", round)
		id := b.create(key)
		keep := b.part(key, id, 1, []byte("kept"))
		old := b.part(key, id, 2, []byte("old"))
		var g errgroup.Group
		for i := range 4 {
			g.Go(func() error {
				for j := range 10 {
					_, err := b.tryPart(key, id, 3+i, []byte{byte(j)})
					if errors.Is(err, kind.NotExist) {
						return nil
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		var replaced error
		g.Go(func() error { _, replaced = b.tryPart(key, id, 2, []byte("new")); return nil })
		var completed error
		g.Go(func() error { _, completed = b.tryComplete(key, id, keep, old); return nil })
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		var wrong *filestore.PartError
		switch {
		case completed == nil:
			b.holds(key, []byte("keptold"))
		case !errors.As(completed, &wrong) || wrong.Number != 2 || replaced != nil:
			t.Fatalf("complete: %v, replace: %v", completed, replaced)
		}
	}
}

func TestConditionsOfACompletion(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	b := newMulti(t, s.open())
	b.object("k", []byte("there"))
	id := b.create("k")
	one := b.part("k", id, 1, []byte("one"))
	o := filestore.CommitOptions{If: filestore.Conditions{NoneMatch: []string{"*"}}}
	if _, err := b.CompleteUpload(t.Context(), "k", id, []filestore.CompletePart{one}, nil, o); !errors.Is(err, kind.Precondition) {
		t.Fatalf("complete: %v", err)
	}
	b.holds("k", []byte("there"))
	b.complete("k", id, one)
	b.holds("k", []byte("one"))
}
