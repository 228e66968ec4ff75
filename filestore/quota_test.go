package filestore_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func limited(t testing.TB, fs *filestore.FS, root caps.Cap, files, bytes int64) tree {
	t.Helper()
	tr, err := fs.Mount(t.Context(), root, filestore.MountOptions{Source: "test", MaxFiles: files, MaxBytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	return tree{t, tr}
}

// charged is what the metastore has counted for a root.
func (s *storage) charged(root caps.Cap) string {
	s.t.Helper()
	id := rootID(s.t.(*testing.T), root)
	files, bytes, err := s.meta.Charged(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprint(files, " ", bytes)
}

func TestChangesAreCharged(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	tr, root := newTree(t, fs)
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"put", func() { tr.put("f", random(1000, 1)) }, "1 1000"},
		{"put a larger one", func() { tr.put("g", random(600_000, 2)) }, "2 601000"},
		{"overwrite by a smaller", func() { tr.put("g", random(70_000, 2)) }, "2 71000"},
		{"mkdir", func() { tr.mkdir("d") }, "3 71000"},
		{"move", func() { tr.rename("g", "d/g") }, "3 71000"},
		{"move over another", func() { tr.rename("f", "d/g") }, "2 1000"},
		{"link", func() { must(t, tr.Link(t.Context(), path("d/g"), path("h"))) }, "3 2000"},
		{"symlink", func() { must(t, tr.Symlink(t.Context(), path("s"), "h", filestore.Attr{})) }, "4 2000"},
		{"cut", func() {
			must(t, tr.SetAttr(t.Context(), path("h"), filestore.Attr{Set: filestore.AttrSize, Size: 10}, true))
		}, "4 1010"},
		{"grow", func() {
			must(t, tr.SetAttr(t.Context(), path("h"), filestore.Attr{Set: filestore.AttrSize, Size: 1 << 30}, true))
		}, "4 1073742824"},
		{"chmod", func() {
			must(t, tr.SetAttr(t.Context(), path("h"), filestore.Attr{Set: filestore.AttrMode, Mode: 0o600}, true))
		}, "4 1073742824"},
		{"remove", func() { tr.remove("h"); tr.remove("s"); tr.remove("d/g") }, "1 0"},
		{"rmdir", func() { tr.rmdir("d") }, "0 0"},
		{"several at once", func() {
			var g errgroup.Group
			for i := range 20 {
				g.Go(func() error { return put(t.Context(), tr.Tree, path(fmt.Sprint(i)), make([]byte, 100+i)) })
			}
			must(t, g.Wait())
		}, "20 2190"},
	}
	for _, st := range steps {
		st.do()
		if got := s.charged(root); got != st.want {
			t.Fatalf("%s: charged %s, want %s", st.name, got, st.want)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	now := time.Unix(1_000_000, 0)
	fs := s.open(func(o *filestore.Options) {
		o.ChunkSize = 256 << 10
		o.Now = func() time.Time { return now }
	})
	_, root := newTree(t, fs)
	tr := limited(t, fs, root, 3, 1_000_000)
	later := func() { now = now.Add(2 * time.Second) } // the counters are read anew
	tr.put("a", random(600_000, 1))

	// Refused while it is written, not only when it is done.
	f := tr.open("b", toCreate)
	n, err := f.WriteAt(t.Context(), make([]byte, 500_000), 0)
	if n != 0 {
		t.Errorf("%d bytes beyond the quota were taken", n)
	}
	expectKind(t, "write beyond the quota", err, kind.NoSpace)
	_, err = f.WriteAt(t.Context(), make([]byte, 1), 400_000)
	expectKind(t, "one byte far beyond it", err, kind.NoSpace)
	expectKind(t, "grow beyond it", f.Truncate(t.Context(), 400_001), kind.NoSpace)
	write(t, f, random(400_000, 2), 0)
	closeFile(t, f)
	// What this gateway has committed is told at once.
	if u, err := tr.Usage(t.Context()); err != nil || u.TotalBytes != 1_000_000 || u.UsedBytes != 1_000_000 || u.FreeBytes != 0 || u.Files != 2 || u.MaxFiles != 3 {
		t.Errorf("usage %+v, %v", u, err)
	}

	// What doesn't grow goes on, what shrinks makes room.
	tr.put("b", random(400_000, 3))
	w := tr.open("a", forWriting)
	write(t, w, random(600_000, 4), 0)
	closeFile(t, w)
	tr.rename("a", "c")
	later()
	expectKind(t, "a third that is too large", put(t.Context(), tr.Tree, path("b2"), make([]byte, 1)), kind.NoSpace)
	tr.remove("c")
	tr.put("a", random(600_000, 5)) // at once
	tr.mkdir("d")
	_, err = tr.Open(t.Context(), path("e"), toCreate)
	expectKind(t, "one file too many", err, kind.NoSpace)
	expectKind(t, "one directory too many", tr.Mkdir(t.Context(), path("e"), filestore.Attr{}), kind.NoSpace)
	tr.put("b", nil)
	tr.rmdir("d")
	tr.mkdir("e")

	// Where the early look sees no reason, the commit says no: each of the two
	// alone has room.
	later()
	tr.put("b", random(300_000, 6))
	g, h := tr.open("a", forWriting), tr.open("b", forWriting)
	write(t, g, random(60_000, 7), 600_000)
	write(t, h, random(60_000, 8), 300_000)
	closeFile(t, h)
	expectKind(t, "close beyond the quota", g.Close(t.Context()), kind.NoSpace)
	tr.expect("a", random(600_000, 5))
	if got := s.charged(root); got != "3 960000" {
		t.Errorf("charged %s", got)
	}
	if u, err := mount(t, fs, root).Usage(t.Context()); err != nil || u.TotalBytes < 1<<40 || u.MaxFiles != 0 {
		t.Errorf("another mount without a quota shows %+v, %v", u, err)
	}
}

// Of operations that share a request only those fail that the quota has no room
// for, whatever the order they come in, and though others come by a mount of the
// same root that has no quota.
func TestQuotaFailsNobodyElse(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, root := newTree(t, fs)
	small := limited(t, fs, root, 0, 1020)
	tr.put("full", random(1000, 1))
	tooBig, little := small.open("big", toCreate), small.open("little", toCreate)
	write(t, tooBig, make([]byte, 15), 0) // there is room, still
	write(t, little, make([]byte, 5), 0)
	tr.put("old", random(10, 1))
	hold, release := make(chan struct{}), make(chan struct{})
	go fs.Occupy(t.Context(), hold, release)
	<-hold
	var g errgroup.Group
	var big error
	g.Go(func() error { big = tooBig.Close(t.Context()); return nil })
	g.Go(func() error { return little.Close(t.Context()) })
	g.Go(func() error { return tr.Mkdir(t.Context(), path("dir"), filestore.Attr{}) })
	fs.WaitQueued(3)
	close(release)
	must(t, g.Wait())
	expectKind(t, "too big a file", big, kind.NoSpace)
	tr.expectNames("", "dir", "full", "little", "old")
}

// Creations that run side by side, on two gateways, all have room at their OPEN,
// since nothing of the others is there. The commits decide: as many stay as may, and
// whoever isn't kept hears it at CLOSE.
func TestQuotaHoldsAgainstParallelCreations(t *testing.T) {
	t.Parallel()
	const many, most = 6, 3 // each, and in all
	for name, bound := range map[string][2]int64{"files": {most, 0}, "bytes": {0, most*100 + 99}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t)
			one, other := s.open(), s.open()
			_, root := newTree(t, one)
			trees := []tree{limited(t, one, root, bound[0], bound[1]), limited(t, other, root, bound[0], bound[1])}
			var files []*filestore.File
			for i := range many {
				for gateway, tr := range trees {
					f := tr.open(fmt.Sprint(gateway, i), toCreate)
					write(t, f, make([]byte, 100), 0)
					files = append(files, f)
				}
			}
			ends := make([]error, len(files))
			var g errgroup.Group
			for i, f := range files {
				g.Go(func() error { ends[i] = f.Close(t.Context()); return nil })
			}
			must(t, g.Wait())
			kept := 0
			for _, err := range ends {
				if err == nil {
					kept++
					continue
				}
				expectKind(t, "one too many", err, kind.NoSpace)
			}
			if got := s.charged(root); kept != most || got != fmt.Sprint(most, " ", most*100) {
				t.Errorf("%d are kept, and charged is %s, want %d", kept, got, most)
			}
			if names := mount(t, s.open(), root).names(""); len(names) != most {
				t.Errorf("there are %v", names)
			}
		})
	}
}

func TestRecountSetsCountersRight(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, root := newTree(t, fs)
	tr.mkdir("d")
	tr.put("d/f", random(70_000, 1))
	tr.put("g", random(10, 1))
	tr.mkdir("theirs")
	part, err := tr.CapOf(t.Context(), path("theirs"), caps.AuthorityWrite)
	must(t, err)
	theirs := mount(t, fs, part)
	theirs.put("h", random(500, 1))
	for _, c := range []caps.Cap{root, part} {
		must(t, s.meta.SetCharged(t.Context(), metastore.SlotID(rootID(t, c)), 100, 100))
	}
	check := filestore.CheckOptions{Recount: true, Trees: []filestore.NamedTree{{Name: "a", Cap: root}, {Name: "b", Cap: part}}}
	for round := range 2 {
		r, err := fs.Check(t.Context(), check)
		must(t, err)
		if len(r.Recounts) != 2-2*round {
			t.Errorf("round %d: %+v", round, r.Recounts)
		}
		if got := s.charged(root) + ", " + s.charged(part); got != "4 70010, 1 500" {
			t.Errorf("round %d: charged %s", round, got)
		}
	}
}
