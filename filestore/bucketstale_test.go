package filestore_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// What a gateway has answered about a bucket holds for all changes that begin after
// that by any other, at once: a registry that is half a second old would lose what is
// to be kept.
func TestRulesOfBucketsHoldAtOnceEverywhere(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	here, there := s.gateway(), s.gateway()
	alice, root := newTree(t, here)
	away := mount(t, there, root)
	fresh := func(name string) (at, other bucket) {
		t.Helper()
		b := bucket{t, newBucket(t, here, alice, name)}
		for _, key := range []string{"d/put", "d/deleted", "d/written", "d/removed", "d/replaced", "d/renamed", "m/f"} {
			b.put(key, []byte("1"))
		}
		return b, bucket{t, findBucket(t, there, name)}
	}
	enable := func(b bucket, lock bool) {
		t.Helper()
		must(t, b.Update(t.Context(), func(i *filestore.BucketInfo) error {
			i.Versioning, i.Lock = filestore.VersioningEnabled, lock
			return nil
		}))
	}
	changes := map[string]func(other bucket){
		"d/put":      func(o bucket) { o.put("d/put", []byte("22")) },
		"d/deleted":  func(o bucket) { o.delete("d/deleted", filestore.VersionID{}) },
		"d/written":  func(o bucket) { away.put(o.Name()+"/d/written", []byte("22")) },
		"d/removed":  func(o bucket) { away.remove(o.Name() + "/d/removed") },
		"d/replaced": func(o bucket) { away.put("x", []byte("22")); away.rename("x", o.Name()+"/d/replaced") },
		"d/renamed":  func(o bucket) { away.rename(o.Name()+"/d/renamed", "gone") },
	}
	i := 0
	for key, change := range changes {
		b, other := fresh(string(rune('a'+i)) + "-bucket")
		i++
		enable(b, false)
		change(other)
		l, err := b.ListVersions(t.Context(), filestore.VersionListOptions{ListOptions: filestore.ListOptions{Prefix: key, Max: 10}})
		must(t, err)
		if n := len(l.Items); n != 2 {
			t.Errorf("%s: %d versions are left", key, n)
		}
	}
	b, _ := fresh("moved")
	enable(b, false)
	expectKind(t, "move a directory out", away.Rename(t.Context(), path("moved/m"), path("m"), filestore.Replace), kind.Unsupported)
	b, other := fresh("locked")
	enable(b, true)
	until := time.Now().Add(time.Hour)
	must(t, other.lock("d/put", filestore.VersionID{}, filestore.LockChange{Retention: true, Mode: filestore.LockCompliance, Until: until}))
	// A directory that another gateway has made a bucket just now.
	alice.mkdir("later")
	alice.put("later/f", []byte("1"))
	if got := away.get("later/f"); string(got) != "1" {
		t.Fatalf("%q", got)
	}
	later := bucket{t, newBucket(t, here, alice, "later")}
	enable(later, false)
	away.remove("later/f")
	later.expectVersions("f x*", "f 10") // the null version stays
}

// absent is a metastore that doesn't tell the registry for so many times. It counts
// how often it is asked for the state of all of it, which takes as long as there are
// buckets.
type absent struct {
	metastore.Store
	left, states *atomic.Int64
}

func (a absent) SealedRows(ctx context.Context, kindOf uint8, after metastore.SealedPlace, limit int) ([]metastore.SealedRow, error) {
	if a.left.Add(-1) >= 0 {
		return nil, kind.Unavailable
	}
	return a.Store.SealedRows(ctx, kindOf, after, limit)
}

func (a absent) SealedState(ctx context.Context, kindOf uint8) (metastore.SealedState, error) {
	if a.states.Add(1); a.left.Add(-1) >= 0 {
		return metastore.SealedState{}, kind.Unavailable
	}
	return a.Store.SealedState(ctx, kindOf)
}

// Where the registry can't be read a change waits for it as for any commit, and fails
// after as long: it doesn't go by what is known.
func TestChangesWaitForTheRegistry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left, states := new(atomic.Int64), new(atomic.Int64)
		fs := newStorage(t).open(func(o *filestore.Options) { o.Meta = absent{shared{o.Meta}, left, states} })
		defer fs.Close()
		tr, _ := newTree(t, fs)
		began := time.Now()
		left.Store(10)
		tr.put("f", []byte("1"))
		left.Store(1 << 40)
		expectKind(t, "remove", tr.Remove(t.Context(), path("f")), kind.Unavailable)
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("that took %v", took)
		}
		left.Store(0)
		tr.expect("f", []byte("1"))
		asked := states.Load()
		for range 20 {
			tr.put("f", []byte("2"))
		}
		if n := states.Load() - asked; n > 10 {
			t.Errorf("for 20 changes the state of the whole registry was asked for %d times", n)
		}
	})
}
