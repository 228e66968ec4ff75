package filestore_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	gosync "sync"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

// objectModel is what a bucket should hold, by key.
type objectModel map[string]string

func (m objectModel) keys(o filestore.ListOptions) []string {
	return shown(slices.Collect(maps.Keys(m)), o)
}

// holds compares the bucket with the model, by listings and by reading.
func (m objectModel) holds(b bucket) error {
	for _, o := range []filestore.ListOptions{{Max: 5}, {Max: 3, Delimiter: "/"}, {Max: 100, Prefix: "a/", Delimiter: "b"}} {
		got := b.keys(o)
		if want := m.keys(o); !slices.Equal(got, want) {
			return fmt.Errorf("%+v:\n%q\nwant\n%q", o, got, want)
		}
	}
	for key, want := range m {
		if got := b.get(key); string(got) != want {
			return fmt.Errorf("%q holds %s, want %s", key, sketch(got), sketch([]byte(want)))
		}
	}
	return nil
}

// randomKey is a key of few parts, so that keys meet.
func randomKey(r *rand.Rand) string {
	parts := make([]string, 1+r.IntN(4))
	for i := range parts {
		parts[i] = []string{"", "a", "b", "a-", "."}[r.IntN(5)]
	}
	if key := strings.Join(parts, "/"); key != "" {
		return key
	}
	return "a"
}

// objectWriter changes a bucket and a model of it.
type objectWriter struct {
	bucket
	r    *rand.Rand
	m    objectModel
	keys func(*rand.Rand) string
}

// pick gives a key, mostly one that is there.
func (w *objectWriter) pick() string {
	if len(w.m) > 0 && w.r.IntN(3) > 0 {
		return slices.Sorted(maps.Keys(w.m))[w.r.IntN(len(w.m))]
	}
	return w.keys(w.r)
}

func (w *objectWriter) data() []byte {
	return random([]int{0, 3, 60, 5000, 300_000}[w.r.IntN(5)], byte(w.r.IntN(256)))
}

// step does one thing to the bucket, and tells what it should have made of the
// model, and what came of it.
func (w *objectWriter) step() (what string, after objectModel, got, want error) {
	after = maps.Clone(w.m)
	ctx, key := w.t.Context(), w.pick()
	old, there := w.m[key]
	switch w.r.IntN(10) {
	case 0, 1, 2:
		data := w.data()
		after[key] = string(data)
		_, got = w.tryPut(key, data, filestore.ObjectMeta{}, filestore.CommitOptions{})
		return fmt.Sprintf("put %q of %d", key, len(data)), after, got, nil
	case 3:
		data := w.data()
		if there {
			want = kind.Precondition
		} else {
			after[key] = string(data)
		}
		_, got = w.tryPut(key, data, filestore.ObjectMeta{}, filestore.CommitOptions{If: filestore.Conditions{NoneMatch: []string{"*"}}})
		return fmt.Sprintf("put new %q", key), after, got, want
	case 4, 5:
		delete(after, key)
		_, got = w.DeleteObject(ctx, key, filestore.VersionID{}, filestore.DeleteOptions{})
		return fmt.Sprintf("delete %q", key), after, got, nil
	case 6:
		var reqs []filestore.DeleteRequest
		for range w.r.IntN(6) {
			key := w.pick()
			delete(after, key)
			reqs = append(reqs, filestore.DeleteRequest{Key: key})
		}
		for _, r := range w.DeleteObjects(ctx, reqs) {
			got = errors.Join(got, r.Err)
		}
		return fmt.Sprintf("delete %+v", reqs), after, got, nil
	case 7, 8:
		to := w.keys(w.r)
		if there {
			after[to] = old
		} else {
			want = kind.NotExist
		}
		r, err := w.Open(ctx, key, filestore.VersionID{})
		if got = err; err == nil {
			_, got = w.CopyObject(ctx, to, r, filestore.ObjectMeta{}, filestore.CommitOptions{})
			r.Close()
		}
		return fmt.Sprintf("copy %q to %q", key, to), after, got, want
	default:
		if !there {
			want = kind.NotExist
		}
		_, got = w.SetMeta(ctx, key, filestore.VersionID{}, func(m *filestore.ObjectMeta) error {
			m.Tags = []filestore.Pair{{Name: "a", Value: strings.Repeat("v", w.r.IntN(9000))}}
			return nil
		})
		return fmt.Sprintf("tag %q", key), after, got, want
	}
}

// sftp does one thing as SFTP would. What it makes of the model follows from
// whether it was done.
func (w *objectWriter) sftp(t *filestore.Tree) (what string, after objectModel, got error) {
	after = maps.Clone(w.m)
	ctx, key, to := w.t.Context(), w.pick(), w.keys(w.r)
	switch w.r.IntN(4) {
	case 0:
		data := w.data()
		if got = put(ctx, t, path(key), data); got == nil {
			after[key] = string(data)
		}
		return fmt.Sprintf("sftp put %q of %d", key, len(data)), after, got
	case 1:
		if got = t.Remove(ctx, path(key)); got == nil {
			delete(after, key)
		}
		return fmt.Sprintf("sftp rm %q", key), after, got
	case 2:
		return fmt.Sprintf("sftp mkdir %q", to), after, t.Mkdir(ctx, path(to), filestore.Attr{})
	default:
		info, err := t.Lstat(ctx, path(key))
		if err != nil {
			return fmt.Sprintf("sftp mv %q", key), after, err
		}
		if got = t.Rename(ctx, path(key), path(to), filestore.Replace); got != nil || to == key {
			return fmt.Sprintf("sftp mv %q to %q", key, to), after, got
		}
		for k, v := range w.m {
			if rest, below := strings.CutPrefix(k, key+"/"); below && info.Kind == filestore.KindDir {
				delete(after, k)
				after[to+"/"+rest] = v
			}
		}
		if info.Kind == filestore.KindFile {
			delete(after, key)
			after[to] = w.m[key]
		}
		return fmt.Sprintf("sftp mv %q to %q", key, to), after, nil
	}
}

func TestObjectsAgainstAMap(t *testing.T) {
	t.Parallel()
	faults := map[string][]metastoretest.Fault{
		"sound":   nil,
		"races":   {metastoretest.LoseRace, metastoretest.Retry},
		"replies": {metastoretest.LostReply, metastoretest.LostCall, metastoretest.LoseRace, metastoretest.Retry},
	}
	for name, set := range faults {
		for _, sd := range seeds(1) {
			t.Run(fmt.Sprint(name, "/seed=", sd), func(t *testing.T) {
				t.Parallel()
				objectRun(t, sd, set, false)
			})
		}
	}
	for _, sd := range seeds(2) {
		t.Run(fmt.Sprint("with SFTP/seed=", sd), func(t *testing.T) {
			t.Parallel()
			objectRun(t, sd, nil, true)
		})
	}
}

// objectRun does random things by several gateways, one after the other.
func objectRun(t *testing.T, sd uint64, faults []metastoretest.Fault, mixed bool) {
	s := newStorage(t)
	watch := s.gateway()
	tr, _ := newTree(t, watch)
	observer := bucketIn(t, watch, tr)
	var gateways []bucket
	for i := range 3 {
		f := metastoretest.NewFaulty(shared{s.meta}, sd+uint64(i))
		fs := s.open(func(o *filestore.Options) { o.Meta, o.ChunkSize = f, 256<<10 })
		found, err := fs.Bucket(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		gateways = append(gateways, bucket{t, found})
		for _, fault := range faults {
			f.Set(fault, 3)
		}
	}
	r := rand.New(rand.NewPCG(sd, 11))
	w := &objectWriter{r: r, m: objectModel{}, keys: randomKey}
	var log []string
	for range 150 {
		n := r.IntN(len(gateways))
		w.bucket = gateways[n]
		if mixed && r.IntN(3) == 0 {
			what, after, got := w.sftp(gateways[n].Tree())
			log, w.m = append(log, fmt.Sprintf("%s: %v", what, got)), after
			if k := kind.Of(got); k == kind.Other || k == kind.Corrupt || k == kind.Conflict {
				t.Fatalf("after\n%s", strings.Join(log, "\n"))
			}
			if err := w.m.holds(observer); err != nil {
				t.Fatalf("%v, after\n%s", err, strings.Join(log, "\n"))
			}
			continue
		}
		what, after, got, want := w.step()
		log = append(log, fmt.Sprintf("%s: %v", what, got))
		tell := func(err error) { t.Fatalf("%v, after\n%s", err, strings.Join(log, "\n")) }
		switch {
		case want != nil && errors.Is(got, want):
		case got == nil && want == nil:
			w.m = after
		case got != nil && faults != nil && (kind.Of(got) == kind.Unavailable || kind.Of(got) == kind.Conflict):
			// The outcome is unknown: either nothing has happened or, of one change, all.
			if strings.HasPrefix(what, "delete [") {
				w.m = objectModel{}
				for _, key := range observer.keys(filestore.ListOptions{Max: 100}) {
					w.m[key] = string(observer.get(key))
				}
			} else if w.m.holds(observer) != nil {
				w.m = after
			}
		default:
			tell(fmt.Errorf("want %v", want))
		}
		if err := w.m.holds(observer); err != nil {
			tell(err)
		}
	}
	// What S3 made in directories, S3 has taken away.
	for key := range w.m {
		observer.remove(key)
	}
	if !mixed {
		tr.expectNames("b")
	}
	expectWhole(t, watch)
}

// Several writers, each with keys of its own in directories that all share, which
// come and go, and SFTP among them.
func TestObjectsOfManyWritersAtOnce(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	small := func(o *filestore.Options) { o.ChunkSize = 256 << 10 }
	gateways := []*filestore.FS{s.gateway(small), s.gateway(small)}
	tr, root := newTree(t, gateways[0])
	first := bucketIn(t, gateways[0], tr)
	found, err := gateways[1].Bucket(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	buckets := []bucket{first, {t, found}}
	const writers = 6
	var wg gosync.WaitGroup
	models := make([]objectModel, writers)
	for i := range writers {
		wg.Go(func() {
			w := &objectWriter{bucket: buckets[i%2], r: rand.New(rand.NewPCG(uint64(i), 3)), m: objectModel{}}
			w.keys = func(r *rand.Rand) string { return fmt.Sprintf("%s-%d", randomKey(r), i) }
			for range 60 {
				what, after, got, want := w.step()
				if want != nil && errors.Is(got, want) {
					continue
				}
				if got != nil || want != nil {
					t.Errorf("%s: %v, want %v", what, got, want)
					return
				}
				w.m = after
			}
			models[i] = w.m
		})
	}
	sftp := mount(t, gateways[1], root)
	files := objectModel{}
	wg.Go(func() {
		r := rand.New(rand.NewPCG(9, 9))
		for n := range 60 {
			key := "sftp"
			if r.IntN(2) == 0 {
				key = "a/" + key
			}
			f, err := sftp.Open(t.Context(), path("b/"+key), toReplace)
			if errors.Is(err, kind.NotExist) {
				continue // no directory of an object's at the moment
			}
			if err == nil {
				_, err = f.WriteAt(t.Context(), fmt.Append(nil, n), 0)
			}
			if err == nil {
				err = f.Close(t.Context())
			}
			if errors.Is(err, kind.NotExist) {
				continue // the directory went with its last object
			}
			if err != nil {
				t.Error(err)
				return
			}
			files[key] = fmt.Sprint(n)
		}
	})
	wg.Wait()
	if t.Failed() {
		return
	}
	all := files
	for _, m := range models {
		maps.Copy(all, m)
	}
	for _, b := range buckets {
		if err := all.holds(b); err != nil {
			t.Error(err)
		}
	}
	expectWhole(t, gateways[0])
}
