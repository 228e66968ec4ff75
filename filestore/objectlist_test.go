package filestore_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	gosync "sync"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/metastore"
)

// shown is what S3 says a listing of keys shows.
func shown(keys []string, o filestore.ListOptions) []string {
	slices.Sort(keys)
	items := []string{}
	for _, k := range keys {
		if !strings.HasPrefix(k, o.Prefix) {
			continue
		}
		item := k
		if i := strings.Index(k[len(o.Prefix):], o.Delimiter); o.Delimiter != "" && i >= 0 {
			p := k[:len(o.Prefix)+i+len(o.Delimiter)]
			if o.After == p || k <= o.After {
				continue
			}
			item = "[" + p + "]"
		} else if k <= o.After {
			continue
		}
		if len(items) == 0 || items[len(items)-1] != item {
			items = append(items, item)
		}
	}
	return items
}

func TestListingsShowWhatS3Says(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	keys := append(slices.Clone(keyShapes), "b/x-1", "b/x-2", "b/x/1", "b/y--z/2", "bb", "c--d", "c--e/f", "c-/g", "\xff", "\xff\xff/z")
	for _, key := range keys {
		b.put(key, nil)
	}
	tr.mkdir("b/empty")
	tr.mkdir("b/full")
	tr.mkdir("b/full/empty")
	tr.mkdir("b/full/er")
	tr.put("b/full/er/f", []byte("by SFTP"))
	if err := tr.Symlink(t.Context(), path("b/link"), "a", filestore.Attr{}); err != nil {
		t.Fatal(err)
	}
	keys = append(keys, "full/er/f")
	prefixes := []string{"", "a", "a/", "a//", "b", "b/", "b/x", "c-", "d", "d/d/", "full", "full/", "empty", "nothing", "/", "\xff", "z"}
	afters := append([]string{"", "a/", "a/a", "b/x", "b/x-", "c--", "c-", "e", "empty/", "full/", "full/er", "zz", "\xff\xff"}, keys...)
	for i, delimiter := range []string{"", "/", "-", "--", "x", "/d", "er/f"} {
		for j, prefix := range prefixes {
			for k, after := range afters {
				if k > 12 && (i+j+k)%4 > 0 {
					continue
				}
				o := filestore.ListOptions{Prefix: prefix, Delimiter: delimiter, After: after, Max: 1000}
				want := shown(keys, o)
				for _, o.Max = range []int{1, 3, 1000} {
					if got := b.keys(o); !slices.Equal(got, want) {
						t.Fatalf("%+v:\n%q\nwant\n%q", o, got, want)
					}
					if o.Max == 1 && len(want) > 4 {
						break // is shown by smaller ones
					}
				}
			}
		}
	}
	page, err := b.ListObjects(t.Context(), filestore.ListOptions{})
	if err != nil || len(page.Items) > 0 || page.Truncated {
		t.Errorf("a page of no items: %+v, %v", page, err)
	}
}

// nodeReads counts the nodes that are read from the metastore.
type nodeReads struct {
	metastore.Store
	mu           gosync.Mutex
	nodes, slots int
}

func (s *nodeReads) Exclusive() bool { return true }

func (s *nodeReads) Nodes(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
	s.mu.Lock()
	s.nodes += len(ids)
	s.mu.Unlock()
	return s.Store.Nodes(ctx, ids)
}

func (s *nodeReads) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	s.mu.Lock()
	s.slots += len(ids)
	s.mu.Unlock()
	return s.Store.Slots(ctx, ids)
}

func (s *nodeReads) spent() (nodes, slots int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	nodes, slots = s.nodes, s.slots
	s.nodes, s.slots = 0, 0
	return nodes, slots
}

// A page costs what is on it: the same in a bucket of many keys as in one of few,
// and nothing is read of what a common prefix stands for.
func TestAPageCostsWhatIsOnIt(t *testing.T) {
	t.Parallel()
	const few, many = 300, 3000
	cost := func(n int, o filestore.ListOptions, key func(i int) string) (nodes, slots int) {
		s := newStorage(t)
		fs := s.open()
		tr, root := newTree(t, fs)
		b := bucketIn(t, fs, tr)
		b.fill(n, key)
		fs.Close()
		reads := &nodeReads{Store: s.meta}
		fs = s.open(func(o *filestore.Options) { o.Meta = reads })
		mount(t, fs, root)
		found, err := fs.Bucket(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		reads.spent()
		page, err := found.ListObjects(t.Context(), o)
		if err != nil || len(page.Items) != o.Max || !page.Truncated {
			t.Fatalf("a page of %d, %v", len(page.Items), err)
		}
		return reads.spent()
	}
	for _, shape := range []struct {
		name      string
		key       func(i int) string
		delimiter string
		slots     int
	}{
		{"flat", func(i int) string { return fmt.Sprintf("key-%06d", i) }, "", 1},
		{"flat, with a delimiter in the names", func(i int) string { return fmt.Sprintf("key%06d-%d", i/2, i) }, "-", 1},
		{"directories", func(i int) string { return fmt.Sprintf("dir%06d/key", i) }, "/", 60},
		{"one directory", func(i int) string { return fmt.Sprintf("dir/key%06d", i) }, "", 2},
	} {
		o := filestore.ListOptions{Max: 50, Delimiter: shape.delimiter}
		fewNodes, _ := cost(few, o, shape.key)
		manyNodes, slots := cost(many, o, shape.key)
		if manyNodes > fewNodes+16 || manyNodes > 30 {
			t.Errorf("%s: a page reads %d nodes of %d keys, and %d of %d", shape.name, manyNodes, many, fewNodes, few)
		}
		if slots > shape.slots {
			t.Errorf("%s: a page reads %d slots, want at most %d", shape.name, slots, shape.slots)
		}
	}
}

// Directories that stand in one another many times over, by links, make as many ways
// as there are subsets of them: a page goes so many of them only, and the pages still
// go on to what comes after.
func TestAPageIsBoundedInAKnottedTree(t *testing.T) {
	t.Parallel()
	b, tr := bucketAlone(t)
	const deep = 14 // 2^14 ways
	for i := range deep {
		tr.mkdir(fmt.Sprint("l", i))
	}
	for i := range deep - 1 {
		of, err := tr.CapOf(t.Context(), path(fmt.Sprint("l", i+1)), caps.AuthorityWrite)
		must(t, err)
		tr.mustLink(fmt.Sprint("l", i, "/a"), of)
		tr.mustLink(fmt.Sprint("l", i, "/b"), of)
	}
	top, err := tr.CapOf(t.Context(), path("l0"), caps.AuthorityWrite)
	must(t, err)
	tr.mustLink("b/knot", top)
	b.put("last", nil)
	all := func(page func(after string) (filestore.ObjectList, error)) (keys []string, pages int) {
		t.Helper()
		after := ""
		for {
			p, err := page(after)
			must(t, err)
			for _, i := range p.Items {
				keys = append(keys, i.Prefix+i.Object.Key)
			}
			if pages++; !p.Truncated {
				return keys, pages
			}
			if p.Next <= after {
				t.Fatalf("after %q comes %q", after, p.Next)
			}
			after = p.Next
		}
	}
	objects := func(delimiter string) func(string) (filestore.ObjectList, error) {
		return func(after string) (filestore.ObjectList, error) {
			return b.ListObjects(t.Context(), filestore.ListOptions{Max: 10, Delimiter: delimiter, After: after})
		}
	}
	versions := func(after string) (filestore.ObjectList, error) {
		l, err := b.ListVersions(t.Context(), filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 10, After: after}})
		return l.ObjectList, err
	}
	if keys, pages := all(objects("")); !slices.Equal(keys, []string{"last"}) || pages != 2 {
		t.Errorf("%q in %d pages", keys, pages)
	}
	if keys, pages := all(versions); !slices.Equal(keys, []string{"last"}) || pages != 2 {
		t.Errorf("versions: %q in %d pages", keys, pages)
	}
	// What can't be told to be empty in a page's time is shown.
	if keys, pages := all(objects("/")); !slices.Equal(keys, []string{"knot/", "last"}) || pages > 2 {
		t.Errorf("prefixes: %q in %d pages", keys, pages)
	}
}

// fill puts small objects, many at a time.
func (b bucket) fill(n int, key func(i int) string) {
	b.t.Helper()
	var wg gosync.WaitGroup
	const at = 64
	for w := range at {
		wg.Go(func() {
			for i := w; i < n; i += at {
				if _, err := b.tryPut(key(i), []byte("contents"), filestore.ObjectMeta{}, filestore.CommitOptions{}); err != nil {
					b.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if b.t.Failed() {
		b.t.FailNow()
	}
}

// What is there all the time is listed exactly once, whatever else comes and goes
// between and during the pages.
func TestPagesAreStableWhileOthersWrite(t *testing.T) {
	t.Parallel()
	b, _ := bucketAlone(t)
	var stay []string
	for i := range 300 {
		stay = append(stay, fmt.Sprintf("d%d/e%d/stay%03d", i%7, i%3, i))
	}
	b.fill(len(stay), func(i int) string { return stay[i] })
	slices.Sort(stay)
	stop := make(chan struct{})
	var wg gosync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("d%d/e%d/come%d", r.IntN(9), r.IntN(5), r.IntN(20))
				if r.IntN(2) == 0 {
					if _, err := b.tryPut(key, nil, filestore.ObjectMeta{}, filestore.CommitOptions{}); err != nil {
						t.Error(err)
					}
				} else if _, err := b.DeleteObject(t.Context(), key, filestore.VersionID{}, filestore.DeleteOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		got := b.keys(filestore.ListOptions{Max: 17})
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("keys aren't in order, or twice: %q", got)
		}
		got = slices.DeleteFunc(got, func(k string) bool { return !strings.Contains(k, "stay") })
		if !slices.Equal(got, stay) {
			t.Errorf("%d of %d keys that stay are listed", len(got), len(stay))
		}
		prefixes := b.keys(filestore.ListOptions{Max: 2, Delimiter: "/"})
		prefixes = slices.DeleteFunc(prefixes, func(p string) bool { return cmp.Compare(p, "[d7") >= 0 })
		if len(prefixes) != 7 {
			t.Errorf("%q", prefixes)
		}
	}
	close(stop)
	wg.Wait()
}
