package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

// gateways opens n gateways on one storage and mounts one root on each.
func gateways(t *testing.T, n int, change ...func(*filestore.Options)) []tree {
	t.Helper()
	s := newStorage(t)
	first, root := newTree(t, s.gateway(change...))
	trees := []tree{first}
	for range n - 1 {
		trees = append(trees, mount(t, s.gateway(change...), root))
	}
	return trees
}

func TestConcurrentCreatesLoseNothing(t *testing.T) {
	t.Parallel()
	const writers, files = 9, 12
	trees := gateways(t, 3, func(o *filestore.Options) {
		f := metastoretest.NewFaulty(o.Meta, 1)
		f.Set(metastoretest.LoseRace, 5)
		f.Set(metastoretest.LostReply, 5)
		f.Set(metastoretest.Retry, 5)
		o.Meta = f
	})
	trees[0].mkdir("d")
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			tr := trees[w%len(trees)]
			for i := range files {
				p := path(fmt.Sprintf("d/%d-%d", w, i))
				if err := put(t.Context(), tr.Tree, p, []byte(p.String())); err != nil {
					return fmt.Errorf("%v: %w", p, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, tr := range trees {
		if got := len(tr.names("d")); got != writers*files {
			t.Fatalf("%d names, want %d", got, writers*files)
		}
	}
	for w := range writers {
		p := fmt.Sprintf("d/%d-%d", w, files-1)
		trees[(w+1)%len(trees)].expect(p, []byte("/"+p))
	}
}

func put(ctx context.Context, t *filestore.Tree, p filestore.Path, data []byte) error {
	f, err := t.Open(ctx, p, toReplace)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(ctx, data, 0); err != nil {
		f.Discard()
		return err
	}
	return f.Close(ctx)
}

func TestConcurrentAppendsLoseNothing(t *testing.T) {
	t.Parallel()
	const writers, records = 6, 10
	trees := gateways(t, 3)
	trees[0].put("log", bytes.Repeat([]byte("first line\n"), 10_000))
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			tr := trees[w%len(trees)]
			for i := range records {
				f, err := tr.Open(t.Context(), path("log"), filestore.OpenOptions{Write: true, Append: true})
				if err != nil {
					return err
				}
				if _, err := f.WriteAt(t.Context(), fmt.Appendf(nil, "%d-%d\n", w, i), 0); err != nil {
					return err
				}
				if err := f.Close(t.Context()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(trees[0].get("log")), "\n"), "\n")
	got := lines[10_000:]
	slices.Sort(got)
	var want []string
	for w := range writers {
		for i := range records {
			want = append(want, fmt.Sprintf("%d-%d", w, i))
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the log has %d records, want %d:\n%q", len(got), len(want), got)
	}
}

func TestWritersOfDifferentRangesMerge(t *testing.T) {
	t.Parallel()
	trees := gateways(t, 2)
	want := random(3<<20, 1)
	trees[0].put("f", want)
	a, b := trees[0].open("f", forWriting), trees[1].open("f", forWriting)
	write(t, a, []byte("from a"), 1000)
	write(t, b, []byte("from b"), 2<<20)
	write(t, b, []byte("beyond"), 3<<20)
	copy(want[1000:], "from a")
	copy(want[2<<20:], "from b")
	want = append(want, "beyond"...)
	closeFile(t, a)
	closeFile(t, b)
	trees[0].expect("f", want)
}

// TestTruncateToZeroWinsWhole: the commit that a truncation to zero is part of
// discards what another gateway has committed since the file was opened. From then on
// the file is as any other: what others commit to it stays.
func TestTruncateToZeroWinsWhole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		committed bool // the truncation, before the other gateway writes
		create    bool
	}{
		{"not committed yet", false, false},
		{"committed before", true, false},
		{"a new file, committed before", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			trees := gateways(t, 2)
			if !tt.create {
				trees[0].put("f", random(2<<20, 1))
			}
			a := trees[0].open("f", toReplace)
			now := random(1<<20+5, 2)
			write(t, a, now, 0)
			if tt.committed {
				sync(t, a)
			}
			b := trees[1].open("f", forWriting)
			write(t, b, []byte("patch"), 0)
			closeFile(t, b)
			write(t, a, []byte("more"), 100)
			copy(now[100:], "more")
			if tt.committed {
				copy(now, "patch")
			}
			closeFile(t, a)
			trees[1].expect("f", now)
			trees[0].expect("f", now)
		})
	}
}

// TestDirectoriesNeverMoveBelowThemselves moves directories at random through
// several gateways at once: none may be lost in a circle.
func TestDirectoriesNeverMoveBelowThemselves(t *testing.T) {
	t.Parallel()
	trees := gateways(t, 3)
	names := []string{"a", "b", "c", "d", "e"}
	for _, n := range names {
		trees[0].mkdir(n)
	}
	var g errgroup.Group
	for i, tr := range trees {
		for j := range 2 {
			rng := rand.New(rand.NewPCG(uint64(i), uint64(j)))
			g.Go(func() error {
				for range 25 {
					where, err := dump(t.Context(), tr.Tree)
					if err != nil {
						continue // it moved under the walk
					}
					dirs := make([]string, 0, len(where))
					for p := range where {
						dirs = append(dirs, p)
					}
					slices.Sort(dirs)
					if len(dirs) < 2 {
						continue
					}
					from, to := dirs[rng.IntN(len(dirs))], dirs[rng.IntN(len(dirs))]
					name := from[strings.LastIndexByte(from, '/')+1:]
					if rng.IntN(4) == 0 {
						to = name
					} else {
						to += "/" + name
					}
					switch err := tr.Rename(t.Context(), path(from), path(to), filestore.NoReplace); kind.Of(err) {
					case 0, kind.Invalid, kind.NotExist, kind.Exist, kind.Conflict:
					default:
						return fmt.Errorf("rename %s to %s: %w", from, to, err)
					}
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	got, err := dump(t.Context(), trees[1].Tree)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for p := range got {
		found = append(found, p[strings.LastIndexByte(p, '/')+1:])
	}
	slices.Sort(found)
	if !slices.Equal(found, names) {
		t.Errorf("the tree holds %q, want %q: %v", found, names, got)
	}
}

// TestSameFileFromManyHandles has many handles on one node write, sync and read
// the same file at the same time.
func TestSameFileFromManyHandles(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 }))
	const parts, size = 6, 300_000
	tr.put("f", make([]byte, parts*size))
	var g errgroup.Group
	for w := range parts {
		g.Go(func() error {
			f, err := tr.Open(t.Context(), path("f"), forWriting)
			if err != nil {
				return err
			}
			data, buf := random(size, byte(w)), make([]byte, 10_000)
			for at := 0; at < size; at += 50_000 {
				if _, err := f.WriteAt(t.Context(), data[at:at+50_000], int64(w*size+at)); err != nil {
					return err
				}
				if _, err := f.ReadAt(t.Context(), buf, int64(w*size+at)); err != nil {
					return err
				}
				if !bytes.Equal(buf, data[at:at+10_000]) {
					return errors.New("a handle doesn't read what it wrote")
				}
				if err := f.Sync(t.Context()); err != nil {
					return err
				}
			}
			return f.Close(t.Context())
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var want []byte
	for w := range parts {
		want = append(want, random(size, byte(w))...)
	}
	tr.expect("f", want)
}
