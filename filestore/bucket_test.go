package filestore_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

// newBucket makes a bucket of alice's.
func newBucket(t testing.TB, fs *filestore.FS, owner tree, name string) *filestore.Bucket {
	t.Helper()
	b, err := fs.CreateBucket(t.Context(), owner.Tree, filestore.BucketInfo{Name: name, Owner: "alice"})
	if err != nil {
		t.Fatalf("create bucket %s: %v", name, err)
	}
	return b
}

func findBucket(t testing.TB, fs *filestore.FS, name string) *filestore.Bucket {
	t.Helper()
	b, err := fs.Bucket(t.Context(), name)
	if err != nil {
		t.Fatalf("find bucket %s: %v", name, err)
	}
	return b
}

func noBucket(t testing.TB, fs *filestore.FS, name string) {
	t.Helper()
	_, err := fs.Bucket(t.Context(), name)
	expectKind(t, "a bucket that isn't there", err, kind.NotExist)
}

func bucketNames(t testing.TB, fs *filestore.FS, owner, prefix, after string, limit int) []string {
	t.Helper()
	infos, err := fs.Buckets(t.Context(), owner, nil, prefix, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, i := range infos {
		names = append(names, i.Name)
	}
	return names
}

func setDocument(b *filestore.Bucket, name, text string) func(context.Context) error {
	return func(ctx context.Context) error {
		return b.Update(ctx, func(i *filestore.BucketInfo) error {
			if i.Documents == nil {
				i.Documents = map[string][]byte{}
			}
			i.Documents[name] = []byte(text)
			return nil
		})
	}
}

func TestBucketIsADirectoryOfItsOwner(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	alice, root := newTree(t, fs)
	b := newBucket(t, fs, alice, "photos")
	alice.expectNames("", "photos")
	in := tree{t, b.Tree()}
	in.put("a", random(1000, 1))
	alice.expect("photos/a", random(1000, 1))
	alice.put("photos/b", random(10, 2))
	in.expect("b", random(10, 2))
	if got := s.charged(root); got != "3 1010" {
		t.Errorf("the owner is charged %s", got)
	}
	i := b.Info()
	if i.Name != "photos" || i.Owner != "alice" || i.Created.IsZero() || i.Root != rootID(t, root) || !b.In(alice.Tree) {
		t.Errorf("info: %+v", i)
	}
	other, _ := newTree(t, fs)
	if b.In(other.Tree) {
		t.Error("the bucket is a part of a tree in which it isn't")
	}
	small := b.WithOptions(filestore.MountOptions{MaxBytes: 1500})
	_, err := small.Tree().Open(t.Context(), path("c"), toCreate)
	must(t, err)
	f := tree{t, small.Tree()}.open("d", toCreate)
	_, werr := f.WriteAt(t.Context(), random(1000, 3), 0)
	expectKind(t, "beyond the owner's quota", firstOf(werr, f.Close(t.Context())), kind.NoSpace)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Equal chunks are stored once in all of an account's tree, its buckets included.
func TestBucketSharesItsOwnersChunks(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open(smallChunks)
	alice, _ := newDeduping(t, fs)
	newBucket(t, fs, alice, "b")
	alice.put("f", random(256<<10, 1))
	b := findBucket(t, fs, "b").WithOptions(filestore.MountOptions{Dedup: true})
	tree{t, b.Tree()}.put("f", random(256<<10, 1))
	if n := s.stored(); n != 1 {
		t.Errorf("%d blocks of two equal chunks", n)
	}
}

func TestBucketsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	alice, root := newTree(t, fs)
	lock := filestore.LockRule{Mode: filestore.LockCompliance, Days: 3}
	made, err := fs.CreateBucket(t.Context(), alice.Tree, filestore.BucketInfo{Name: "b", Owner: "alice", Lock: true, DefaultLock: lock})
	must(t, err)
	must(t, setDocument(made, "policy", `{"Statement":[]}`)(t.Context()))
	must(t, fs.Close())
	b := findBucket(t, s.open(), "b")
	got, want := b.Info(), made.Info()
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) || got.Versioning != filestore.VersioningEnabled || got.DefaultLock != lock {
		t.Errorf("info is %+v, was %+v", got, want)
	}
	got.Documents["policy"] = []byte("x")
	if string(b.Info().Documents["policy"]) != `{"Statement":[]}` {
		t.Error("what Info gives is not the caller's own")
	}
	if got.Root != rootID(t, root) {
		t.Error("another root")
	}
}

func TestBucketsInOrder(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	alice, _ := newTree(t, fs)
	bob, _ := newTree(t, fs)
	for _, name := range []string{"b-2", "a", "b-1", "c"} {
		newBucket(t, fs, alice, name)
	}
	_, err := fs.CreateBucket(t.Context(), bob.Tree, filestore.BucketInfo{Name: "b-0", Owner: "bob"})
	must(t, err)
	tests := []struct {
		owner, prefix, after string
		limit                int
		want                 []string
	}{
		{"alice", "", "", 0, []string{"a", "b-1", "b-2", "c"}},
		{"alice", "b", "", 0, []string{"b-1", "b-2"}},
		{"alice", "", "b-1", 1, []string{"b-2"}},
		{"", "", "", 3, []string{"a", "b-0", "b-1"}},
		{"bob", "", "", 9, []string{"b-0"}},
		{"carol", "", "", 9, []string{}},
	}
	for _, tt := range tests {
		if got := bucketNames(t, fs, tt.owner, tt.prefix, tt.after, tt.limit); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

func TestBucketNamesAreTakenOnce(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	gateways := []*filestore.FS{s.gateway(), s.gateway()}
	for round := range 8 {
		name := fmt.Sprint("b", round)
		var owners []tree
		for i := range 4 {
			owner, _ := newTree(t, gateways[i%2])
			owners = append(owners, owner)
		}
		errs := make([]error, len(owners))
		var g errgroup.Group
		for i, owner := range owners {
			g.Go(func() error {
				_, errs[i] = gateways[i%2].CreateBucket(t.Context(), owner.Tree, filestore.BucketInfo{Name: name, Owner: fmt.Sprint(i)})
				return nil
			})
		}
		_ = g.Wait() // errs has them
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				t.Fatalf("%s was made by %d and by %d", name, winner, i)
			default:
				expectKind(t, "a name that is taken", err, kind.Exist)
				owners[i].expectNames("") // nothing of it is left
			}
		}
		if winner < 0 {
			t.Fatalf("nobody made %s: %v", name, errs)
		}
		for _, fs := range gateways {
			if b := findBucket(t, fs, name); b.Info().Owner != fmt.Sprint(winner) || !b.In(owners[winner].Tree) {
				t.Errorf("%s is %+v, made by %d", name, b.Info(), winner)
			}
		}
	}
}

func TestBucketUpdatesAreNotLost(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	gateways := []*filestore.FS{s.gateway(), s.gateway()}
	alice, _ := newTree(t, gateways[0])
	newBucket(t, gateways[0], alice, "b")
	var g errgroup.Group
	const writers, rounds = 6, 10
	for i := range writers {
		b := findBucket(t, gateways[i%2], "b")
		g.Go(func() error {
			for range rounds {
				err := b.Update(t.Context(), func(i *filestore.BucketInfo) error {
					if i.Documents == nil {
						i.Documents = map[string][]byte{}
					}
					i.Documents["count"] = append(i.Documents["count"], 'x')
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	for _, fs := range gateways {
		must(t, fs.RenewBuckets(t.Context()))
		if n := len(findBucket(t, fs, "b").Info().Documents["count"]); n != writers*rounds {
			t.Errorf("%d of %d updates", n, writers*rounds)
		}
	}
}

// What one gateway did the others see, when they are asked to look.
func TestBucketsOfOtherGateways(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	here, there := s.gateway(), s.gateway()
	alice, root := newTree(t, here)
	newBucket(t, here, alice, "old")
	newBucket(t, here, alice, "b")
	b := findBucket(t, there, "b") // at once
	must(t, setDocument(findBucket(t, here, "b"), "policy", "p")(t.Context()))
	must(t, there.RenewBuckets(t.Context()))
	if got := findBucket(t, there, "b").Info().Documents["policy"]; string(got) != "p" {
		t.Errorf("the other gateway sees %q", got)
	}
	away := mount(t, there, root)
	tree{t, b.Tree()}.put("f", []byte("x"))
	expectKind(t, "a bucket that another gateway has filled", findBucket(t, here, "b").Delete(t.Context(), alice.Tree), kind.NotEmpty)
	tree{t, findBucket(t, here, "b").Tree()}.remove("f")
	must(t, b.Delete(t.Context(), away.Tree))
	must(t, here.RenewBuckets(t.Context()))
	noBucket(t, here, "b")
	alice.expectNames("", "old")
	expectKind(t, "an update of a bucket that is gone", setDocument(b, "policy", "q")(t.Context()), kind.NotExist)
	if got := bucketNames(t, there, "", "", "", 0); !slices.Equal(got, []string{"old"}) {
		t.Errorf("buckets: %q", got)
	}
}

func TestBucketDelete(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	alice, root := newTree(t, fs)
	bob, _ := newTree(t, fs)
	b := newBucket(t, fs, alice, "b")
	in := tree{t, b.Tree()}
	roots, err := fs.Roots(t.Context())
	must(t, err)
	in.mkdir("d")
	expectKind(t, "with a directory", b.Delete(t.Context(), alice.Tree), kind.NotEmpty)
	expectKind(t, "with a directory, by rmdir", alice.Rmdir(t.Context(), path("b")), kind.NotEmpty)
	in.rmdir("d")
	f := in.open("pending", toCreate)
	expectKind(t, "with a file that is being created", b.Delete(t.Context(), alice.Tree), kind.NotEmpty)
	f.Discard()
	expectKind(t, "through another's tree", b.Delete(t.Context(), bob.Tree), kind.Denied)
	read, err := fs.Mount(t.Context(), root.Read(), filestore.MountOptions{})
	must(t, err)
	expectKind(t, "through a read capability", b.Delete(t.Context(), read), kind.ReadOnly)
	uploadPart(t, b, random(100, 1))
	must(t, b.Delete(t.Context(), alice.Tree))
	noBucket(t, fs, "b")
	alice.expectNames("")
	if got := s.charged(root); got != "0 0" {
		t.Errorf("charged %s in the end", got)
	}
	collect(t, fs, filestore.CollectOptions{})
	now, err := fs.Roots(t.Context())
	must(t, err)
	if len(now) != len(roots)-1 {
		t.Errorf("%d roots of %d and %d buckets' uploads", len(now), len(roots)-1, len(now)-len(roots)+1)
	}
	expectKind(t, "again", b.Delete(t.Context(), alice.Tree), kind.NotExist)
	expectKind(t, "an update", setDocument(b, "x", "y")(t.Context()), kind.NotExist)
	_, err = fs.CreateBucket(t.Context(), bob.Tree, filestore.BucketInfo{Name: "b", Owner: "bob"})
	must(t, err)
	expectKind(t, "an update of what is another's now", setDocument(b, "x", "y")(t.Context()), kind.NotExist)
	expectKind(t, "a delete of what is another's now", b.Delete(t.Context(), alice.Tree), kind.NotExist)
	bob.rmdir("b") // who takes the directory away takes the bucket away
	noBucket(t, fs, "b")
	if left, err := s.meta.SealedState(t.Context(), 1); err != nil || left.Rows != 0 {
		t.Errorf("%+v is left, %v", left, err)
	}
}

func TestBucketTakesADirectory(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	alice, _ := newTree(t, fs)
	alice.mkdir("d")
	alice.put("d/f", []byte("x"))
	alice.put("file", []byte("x"))
	must(t, alice.Symlink(t.Context(), path("link"), "d", filestore.Attr{}))
	_, elsewhere := newTree(t, fs)
	must(t, alice.LinkCap(t.Context(), path("linked"), linkTo(t, elsewhere.Reveal(), "")))
	b := newBucket(t, fs, alice, "d")
	tree{t, b.Tree()}.expect("f", []byte("x"))
	create := func(owner *filestore.Tree, name string) error {
		_, err := fs.CreateBucket(t.Context(), owner, filestore.BucketInfo{Name: name, Owner: "alice"})
		return err
	}
	expectKind(t, "a bucket of that name", create(alice.Tree, "d"), kind.Exist)
	expectKind(t, "a file of that name", create(alice.Tree, "file"), kind.NotDir)
	expectKind(t, "a symbolic link of that name", create(alice.Tree, "link"), kind.NotDir)
	expectKind(t, "a directory whose home is elsewhere", create(alice.Tree, "linked"), kind.Unsupported)
	expectKind(t, "a bucket in a bucket", create(b.Tree(), "x"), kind.Unsupported)
	for _, name := range []string{"", ".", "..", "a/b", "a\x00", strings.Repeat("x", 1025)} {
		expectKind(t, fmt.Sprintf("the name %q", name), create(alice.Tree, name), kind.NameInvalid)
	}
	if got := bucketNames(t, fs, "", "", "", 0); !slices.Equal(got, []string{"d"}) {
		t.Errorf("buckets: %q", got)
	}
}

func TestBucketDirectoryStays(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	alice, _ := newTree(t, fs)
	newBucket(t, fs, alice, "b")
	alice.mkdir("d")
	rename := func(from, to string) error { return alice.Rename(t.Context(), path(from), path(to), filestore.Replace) }
	expectKind(t, "renaming a bucket", rename("b", "c"), kind.Denied)
	expectKind(t, "moving a bucket", rename("b", "d/b"), kind.Denied)
	expectKind(t, "replacing a bucket", rename("d", "b"), kind.Denied)
	findBucket(t, fs, "b")
	alice.expectNames("", "b", "d")
}

func TestBucketUpdateKeepsWhatNeverChanges(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	alice, _ := newTree(t, fs)
	b := newBucket(t, fs, alice, "b")
	tests := map[string]func(*filestore.BucketInfo){
		"name":          func(i *filestore.BucketInfo) { i.Name = "c" },
		"owner":         func(i *filestore.BucketInfo) { i.Owner = "bob" },
		"root":          func(i *filestore.BucketInfo) { i.Root[0] ^= 1 },
		"time":          func(i *filestore.BucketInfo) { i.Created = i.Created.Add(1) },
		"lock, no vers": func(i *filestore.BucketInfo) { i.Lock = true },
	}
	apply := func(change func(*filestore.BucketInfo)) error {
		return b.Update(t.Context(), func(i *filestore.BucketInfo) error { change(i); return nil })
	}
	for what, change := range tests {
		expectKind(t, what, apply(change), kind.Invalid)
	}
	must(t, apply(func(i *filestore.BucketInfo) { i.Versioning = filestore.VersioningSuspended }))
	expectKind(t, "versioning taken back", apply(func(i *filestore.BucketInfo) { i.Versioning = filestore.VersioningNever }), kind.Invalid)
	must(t, apply(func(i *filestore.BucketInfo) { i.Versioning, i.Lock = filestore.VersioningEnabled, true }))
	expectKind(t, "lock taken back", apply(func(i *filestore.BucketInfo) { i.Lock = false }), kind.Invalid)
	expectKind(t, "versioning suspended under lock", apply(func(i *filestore.BucketInfo) { i.Versioning = filestore.VersioningSuspended }), kind.Invalid)
	expectKind(t, "a large document", setDocument(b, "x", strings.Repeat("x", filestore.MaxDocument+1))(t.Context()), kind.TooLarge)
	for i := range filestore.MaxDocuments / filestore.MaxDocument {
		must(t, setDocument(b, fmt.Sprint(i), strings.Repeat("x", filestore.MaxDocument))(t.Context()))
	}
	expectKind(t, "many documents", setDocument(b, "x", "y")(t.Context()), kind.TooLarge)
	mine := fmt.Errorf("mine: %w", kind.Loop)
	expectKind(t, "an error of change", b.Update(t.Context(), func(*filestore.BucketInfo) error { return mine }), kind.Loop)
}

// uploadPart begins an upload of one part.
func uploadPart(t testing.TB, b *filestore.Bucket, data []byte) {
	t.Helper()
	id, err := b.CreateUpload(t.Context(), "key", filestore.ObjectMeta{}, filestore.UploadOptions{})
	must(t, err)
	w, err := b.NewPart(t.Context(), "key", id, 1)
	must(t, err)
	_, err = w.Write(data)
	must(t, err)
	_, err = w.Commit(t.Context(), filestore.PartMeta{})
	must(t, err)
}

// rows gives the registry's rows.
func (s *storage) bucketRows() []metastore.SealedRow {
	s.t.Helper()
	rows, err := s.meta.SealedRows(s.t.Context(), 1, metastore.SealedPlace{}, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	return rows
}

// A database that flips, swaps or brings back rows makes their buckets unusable,
// and no other; nobody gets another's bucket, and no name is free by it.
func TestBucketRowsOfALyingDatabase(t *testing.T) {
	t.Parallel()
	lies := map[string]func(a, b []byte) []byte{
		"flipped":       func(a, _ []byte) []byte { a = bytes.Clone(a); a[len(a)/2] ^= 1; return a },
		"another's":     func(_, b []byte) []byte { return b },
		"cut":           func(a, _ []byte) []byte { return a[:20] },
		"empty":         func([]byte, []byte) []byte { return []byte{} },
		"no ciphertext": func(a, _ []byte) []byte { return bytes.Repeat([]byte("{}"), len(a)/2) },
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t)
			fs := s.gateway()
			alice, _ := newTree(t, fs)
			newBucket(t, fs, alice, "a")
			newBucket(t, fs, alice, "b")
			rows := s.bucketRows()
			change := metastore.SealedChange{Kind: 1, Key: rows[0].Key, Base: rows[0].Rev, Data: lie(rows[0].Data, rows[1].Data)}
			must(t, s.meta.Commit(t.Context(), &metastore.Request{Sealed: []metastore.SealedChange{change}})[0])
			for _, fs := range []*filestore.FS{fs, s.gateway()} {
				must(t, fs.RenewBuckets(t.Context()))
				_, err := fs.Bucket(t.Context(), "a")
				expectKind(t, "the bucket", err, kind.Corrupt)
				_, err = fs.CreateBucket(t.Context(), alice.Tree, filestore.BucketInfo{Name: "a"})
				expectKind(t, "its name", err, kind.Corrupt)
				findBucket(t, fs, "b")
				if got := bucketNames(t, fs, "", "", "", 0); !slices.Equal(got, []string{"b"}) {
					t.Errorf("buckets: %q", got)
				}
			}
			change.Base, change.Data = s.bucketRows()[1].Rev, rows[0].Data
			must(t, s.meta.Commit(t.Context(), &metastore.Request{Sealed: []metastore.SealedChange{change}})[0])
			must(t, fs.RenewBuckets(t.Context()))
			findBucket(t, fs, "a")
		})
	}
}

func TestBucketRowsOfAnotherMasterKey(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	alice, _ := newTree(t, fs)
	newBucket(t, fs, alice, "b")
	must(t, fs.Close())
	other := s.open(func(o *filestore.Options) { o.Master = newKey() })
	noBucket(t, other, "b")
	if got := bucketNames(t, other, "", "", "", 0); len(got) > 0 {
		t.Errorf("buckets: %q", got)
	}
}

// The database learns neither names nor documents.
func TestBucketRowsTellNothing(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	alice, _ := newTree(t, fs)
	b := newBucket(t, fs, alice, "secret-name")
	must(t, setDocument(b, "policy", "secret-policy")(t.Context()))
	for _, r := range s.bucketRows() {
		for _, text := range []string{"secret", "alice", "URI:", "DIR3", "name", "policy"} {
			if bytes.Contains(r.Data, []byte(text)) || bytes.Contains(r.Key[:], []byte(text)) {
				t.Errorf("a row holds %q", text)
			}
		}
	}
	for _, text := range []string{fmt.Sprintf("%v", b.Info().Name), fmt.Sprintf("%+v %#v", b, b)} {
		if strings.Contains(text, "URI:") || strings.Contains(text, "DIR3") {
			t.Errorf("printed: %s", text)
		}
	}
}

// TestBucketsOnALossyDatabase: whatever is answered, a bucket is there with its
// directory or not at all, and the next attempt comes through.
func TestBucketsOnALossyDatabase(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	quiet := s.gateway()
	alice, root := newTree(t, quiet)
	lossy := metastoretest.NewFaulty(shared{s.meta}, 5)
	fs := s.open(func(o *filestore.Options) { o.Meta = lossy })
	away := mount(t, fs, root)
	for _, f := range []metastoretest.Fault{metastoretest.LoseRace, metastoretest.LostReply, metastoretest.LostCall, metastoretest.Retry} {
		lossy.Set(f, 10)
	}
	for i := range 20 {
		name := fmt.Sprint("b", i)
		_, err := fs.CreateBucket(t.Context(), away.Tree, filestore.BucketInfo{Name: name, Owner: "alice"})
		must(t, quiet.RenewBuckets(t.Context()))
		_, found := quiet.Bucket(t.Context(), name)
		_, there := alice.Stat(t.Context(), path(name))
		if err != nil || found != nil || there != nil {
			t.Errorf("%s: created %v, registered %v, directory %v", name, err, found, there)
		}
		if i%2 == 0 {
			continue
		}
		must(t, fs.RenewBuckets(t.Context()))
		if err := findBucket(t, fs, name).Delete(t.Context(), away.Tree); err != nil {
			t.Errorf("%s: delete: %v", name, err)
		}
		must(t, quiet.RenewBuckets(t.Context()))
		noBucket(t, quiet, name)
		alice.absent(name)
	}
}

// Nothing of buckets is garbage, and nothing is left of those that are gone.
func TestBucketsAreCollected(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open(smallChunks)
	alice, _ := newTree(t, fs)
	keep, gone := newBucket(t, fs, alice, "keep"), newBucket(t, fs, alice, "gone")
	tree{t, keep.Tree()}.put("f", random(300_000, 1))
	uploadPart(t, keep, random(300_000, 2))
	uploadPart(t, gone, random(300_000, 3))
	must(t, gone.Delete(t.Context(), alice.Tree))
	for range 3 {
		_, err := fs.Collect(t.Context(), filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true})
		must(t, err)
	}
	tree{t, keep.Tree()}.expect("f", random(300_000, 1))
	if n := s.stored(); n != 4 {
		t.Errorf("%d blocks are stored, 4 are used", n)
	}
	r, err := fs.Check(t.Context(), filestore.CheckOptions{Deep: true})
	if err != nil || !r.Whole() {
		t.Errorf("%+v, %v", r, err)
	}
}

// One account can't fill the memory of every gateway.
func TestBucketsOfAnAccountAreBounded(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	alice, _ := newTree(t, fs)
	bob, _ := newTree(t, fs)
	for i := range filestore.MaxBuckets {
		newBucket(t, fs, alice, fmt.Sprint("b", i))
	}
	_, err := fs.CreateBucket(t.Context(), alice.Tree, filestore.BucketInfo{Name: "more", Owner: "alice"})
	expectKind(t, "one bucket more", err, kind.TooLarge)
	_, err = fs.CreateBucket(t.Context(), bob.Tree, filestore.BucketInfo{Name: "more", Owner: "bob"})
	must(t, err)
	large := strings.Repeat("x", filestore.MaxDocument)
	for i := range filestore.MaxOwnerDocuments / filestore.MaxDocuments {
		must(t, findBucket(t, fs, fmt.Sprint("b", i)).Update(t.Context(), func(i *filestore.BucketInfo) error {
			i.Documents = map[string][]byte{}
			for n := range filestore.MaxDocuments / filestore.MaxDocument {
				i.Documents[fmt.Sprint(n)] = []byte(large)
			}
			return nil
		}))
	}
	b := findBucket(t, fs, "b999")
	expectKind(t, "a document more", setDocument(b, "x", "y")(t.Context()), kind.TooLarge)
	must(t, setDocument(findBucket(t, fs, "b0"), "0", "short")(t.Context()))
	must(t, setDocument(b, "x", "y")(t.Context()))
	must(t, setDocument(findBucket(t, fs, "more"), "x", large)(t.Context()))
}
