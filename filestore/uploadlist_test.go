package filestore_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// listed is a page's items, as text.
func listed(l filestore.UploadList, names map[string]string) (out []string) {
	for _, i := range l.Items {
		if i.Prefix != "" {
			out = append(out, i.Prefix+"*")
			continue
		}
		out = append(out, i.Upload.Key+" "+names[i.Upload.ID])
	}
	return out
}

// allPages lists with pages of that length.
func (b multi) allPages(o filestore.ListUploadsOptions, names map[string]string) (out []string) {
	b.t.Helper()
	for range 1000 {
		l, err := b.Uploads(b.t.Context(), o)
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, listed(l, names)...)
		if !l.Truncated {
			return out
		}
		o.After, o.UploadAfter = l.Next, l.NextUpload
	}
	b.t.Fatal("the list doesn't end")
	return nil
}

// modelList is what a list gives of uploads that are sorted.
func modelList(keys, labels []string, o filestore.ListUploadsOptions) (out []string) {
	last := ""
	for i, key := range keys {
		rest, ok := strings.CutPrefix(key, o.Prefix)
		if !ok {
			continue
		}
		if o.Delimiter != "" {
			if before, _, found := strings.Cut(rest, o.Delimiter); found {
				if p := o.Prefix + before + o.Delimiter; p != last {
					out, last = append(out, p+"*"), p
				}
				continue
			}
		}
		out = append(out, key+" "+labels[i])
	}
	return out
}

func TestUploadsAreListedByKeyAndAge(t *testing.T) {
	t.Parallel()
	b := newMulti(t, newStorage(t).open())
	rng := rand.New(rand.NewPCG(1, 2))
	long := strings.Repeat("l/", 505)
	type upload struct{ key, label string }
	var all []upload
	names := make(map[string]string)
	pool := []string{
		"a", "a/", "a/b", "a//b", "a.b", "a-b", "a0", "a\x01", "a\x02", "/", "//", "/a", ".", "..", "./x", "b", "b/c/d", "b/c/e", "b/f",
		"ä", "日本", "\xff", "\xff\xff/", long, long + "a", long + "b/c", long + "\x01", strings.Repeat(".", 1024), strings.Repeat("x", 1000), strings.Repeat("x", 1000) + "/1",
	}
	for i := range 150 {
		key := pool[rng.IntN(len(pool))]
		label := fmt.Sprintf("%04d", i)
		names[b.create(key)] = label
		all = append(all, upload{key, label})
	}
	slices.SortFunc(all, func(a, b upload) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.label, b.label)) })
	var keys, labels []string
	for _, u := range all {
		keys, labels = append(keys, u.key), append(labels, u.label)
	}
	for _, prefix := range []string{"", "a", "a/", "b/", "b/c", "/", "x", "l/", long, "\xff", "none", "."} {
		for _, delimiter := range []string{"", "/", "//", "c", "."} {
			for _, n := range []int{0, 1, 2, 7} {
				o := filestore.ListUploadsOptions{Prefix: prefix, Delimiter: delimiter, Max: n}
				if got, want := b.allPages(o, names), modelList(keys, labels, o); !slices.Equal(got, want) {
					t.Fatalf("%.20q %q, pages of %d:\n%.2000q\nwant\n%.2000q", prefix, delimiter, n, got, want)
				}
			}
		}
	}
}

func TestListingGoesOnAfterAnyKey(t *testing.T) {
	t.Parallel()
	b := newMulti(t, newStorage(t).open())
	names := map[string]string{}
	ids := []string{}
	for i, key := range []string{"a", "b", "b", "b/c", "d"} {
		id := b.create(key)
		ids, names[id] = append(ids, id), fmt.Sprint(i)
	}
	one := b.part("d", ids[4], 1, []byte("x"))
	b.complete("d", ids[4], one)
	must(t, b.AbortUpload(t.Context(), "a", ids[0]))
	tests := []struct {
		after, upload string
		want          []string
	}{
		{"", "", []string{"b 1", "b 2", "b/c 3"}},
		{"", ids[2], []string{"b 1", "b 2", "b/c 3"}},
		{"aa", "", []string{"b 1", "b 2", "b/c 3"}},
		{"b", "", []string{"b/c 3"}},
		{"b", ids[1], []string{"b 2", "b/c 3"}},
		{"b", "zzz", []string{"b/c 3"}},
		{"b", "-", []string{"b 1", "b 2", "b/c 3"}},
		{"b/c", "", nil},
		{"z", "", nil},
	}
	for _, tt := range tests {
		l, err := b.Uploads(t.Context(), filestore.ListUploadsOptions{After: tt.after, UploadAfter: tt.upload})
		if got := listed(l, names); err != nil || !slices.Equal(got, tt.want) || l.Truncated {
			t.Errorf("after %q %.5q: %q, %v, want %q", tt.after, tt.upload, got, err, tt.want)
		}
	}
}

func TestPartsAreListedByNumber(t *testing.T) {
	t.Parallel()
	b := newMulti(t, newStorage(t).open())
	id := b.create("k")
	for _, n := range []int{10_000, 1, 30, 2, 100, 9} {
		b.part("k", id, n, []byte{byte(n)})
	}
	tests := []struct {
		after, limit int
		want         string
		more         bool
	}{
		{0, 1000, "[1 2 9 30 100 10000]", false},
		{0, 2, "[1 2]", true},
		{2, 2, "[9 30]", true},
		{30, 2, "[100 10000]", false},
		{100, 1, "[10000]", false},
		{10_000, 5, "[]", false},
		{1 << 40, 5, "[]", false},
		{-1, 1, "[1]", true},
		{0, 0, "[]", true},
	}
	for _, tt := range tests {
		parts, more, err := b.Parts(t.Context(), "k", id, tt.after, tt.limit)
		numbers := []int{}
		for _, p := range parts {
			numbers = append(numbers, p.Number)
		}
		if got := fmt.Sprint(numbers); err != nil || got != tt.want || more != tt.more {
			t.Errorf("after %d, %d: %s, %v, %v, want %s", tt.after, tt.limit, got, more, err, tt.want)
		}
	}
	if _, _, err := b.Parts(t.Context(), "l", id, 0, 1); !errors.Is(err, kind.NotExist) {
		t.Errorf("of another key: %v", err)
	}
}
