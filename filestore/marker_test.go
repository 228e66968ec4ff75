package filestore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// identified is a metastore with an identity of its own: a copy of another one,
// as a clone or a restored backup is.
type identified struct {
	metastore.Store
	id *metastore.Identity
}

func copyOf(t *testing.T, s metastore.Store) identified {
	t.Helper()
	id, err := s.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return identified{s, &id}
}

func (i identified) Identity(context.Context) (metastore.Identity, error) { return *i.id, nil }

func (i identified) Collector() metastore.Collector {
	return identifiedCollector{i.Store.Collector(), i.id}
}

type identifiedCollector struct {
	metastore.Collector
	id *metastore.Identity
}

func (c identifiedCollector) SetNonce(_ context.Context, old, now [16]byte) error {
	if c.id.Nonce != old {
		return kind.Conflict
	}
	c.id.Nonce = now
	return nil
}

func (s *storage) at(t *testing.T, meta metastore.Store) *filestore.FS {
	t.Helper()
	return s.gateway(func(o *filestore.Options) { o.Meta = shared{meta} })
}

func tryCollect(t *testing.T, fs *filestore.FS, o filestore.CollectOptions) error {
	t.Helper()
	_, err := fs.Collect(t.Context(), o)
	return err
}

func TestStoreMarkerOfAnotherMetastore(t *testing.T) {
	t.Parallel()
	s, other := newStorage(t), newStorage(t)
	other.blocks = s.blocks
	mine, theirs := s.open(), other.open()
	if err := mine.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	expectKind(t, "claim what is another's", theirs.Claim(t.Context()), kind.Denied)
	expectKind(t, "collect there", tryCollect(t, theirs, filestore.CollectOptions{}), kind.Denied)
	if r := collect(t, theirs, filestore.CollectOptions{DryRun: true}); r.Foreign == "" || r.Quiet() {
		t.Errorf("a dry run doesn't say so: %+v", r)
	}
	if err := tryCollect(t, theirs, filestore.CollectOptions{Adopt: true}); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Claim(t.Context()); err != nil {
		t.Errorf("claim what was adopted: %v", err)
	}
	expectKind(t, "collect what another has taken over", tryCollect(t, mine, filestore.CollectOptions{}), kind.Denied)
}

func TestStoreMarkerOfACopy(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	first := s.open()
	for range 3 {
		collect(t, first, filestore.CollectOptions{})
	}
	backup := copyOf(t, s.meta)
	restored := s.at(t, backup)
	if err := restored.Claim(t.Context()); err != nil {
		t.Errorf("nobody has collected since the backup: %v", err)
	}
	collect(t, first, filestore.CollectOptions{})
	expectKind(t, "claim by the restored copy", restored.Claim(t.Context()), kind.Denied)
	expectKind(t, "collect by the restored copy", tryCollect(t, restored, filestore.CollectOptions{}), kind.Denied)
	if err := restored.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	collect(t, restored, filestore.CollectOptions{})
	expectKind(t, "collect by the metastore that was replaced", tryCollect(t, first, filestore.CollectOptions{}), kind.Denied)

	// However many collections the one was behind, the other notices.
	for behind := range 4 {
		s := newStorage(t)
		first, backup := s.open(), copyOf(t, s.meta)
		for range behind {
			collect(t, first, filestore.CollectOptions{})
		}
		restored := s.at(t, backup)
		if err := restored.Adopt(t.Context()); err != nil {
			t.Fatal(err)
		}
		expectKind(t, fmt.Sprint(behind, " behind"), tryCollect(t, first, filestore.CollectOptions{}), kind.Denied)
	}
}

// Of two clones that are equally new the one that collects first goes on; the
// other is told before the first could have deleted anything, since that takes a
// grace time.
func TestStoreMarkerOfClones(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	a := s.open()
	collect(t, a, filestore.CollectOptions{})
	b := s.at(t, copyOf(t, s.meta))
	collect(t, b, filestore.CollectOptions{})
	expectKind(t, "the other clone", tryCollect(t, a, filestore.CollectOptions{}), kind.Denied)
	collect(t, b, filestore.CollectOptions{})
}

// A collection that was cut short between its two notes of the nonce is no reason
// to refuse the next.
func TestStoreMarkerCutShort(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	faulty := blockstoretest.NewFaulty(s.blocks)
	s.blocks = faulty
	fs := s.open()
	for cut := range 4 {
		faulty.FailOp(blockstoretest.OpSetMarker, fmt.Errorf("broken: %w", kind.Other))
		for range cut { // a part of the store may be down for days
			expectKind(t, "collect with a broken store", tryCollect(t, fs, filestore.CollectOptions{}), kind.Other)
		}
		faulty.Honest()
		collect(t, fs, filestore.CollectOptions{})
	}
}

// Credentials that don't allow to write the marker change nothing by trying.
func TestStoreMarkerDenied(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	faulty := blockstoretest.NewFaulty(s.blocks)
	s.blocks = faulty
	fs := s.open()
	collect(t, fs, filestore.CollectOptions{})
	faulty.FailOp(blockstoretest.OpSetMarker, fmt.Errorf("no: %w", kind.Denied))
	for range 3 {
		collect(t, fs, filestore.CollectOptions{})
	}
	expectKind(t, "adopt", fs.Adopt(t.Context()), kind.Denied)
	faulty.Honest()
	collect(t, fs, filestore.CollectOptions{})
}

func TestStoreMarkerLostOrUnreadable(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	collect(t, fs, filestore.CollectOptions{})
	empty := newStorage(t)
	empty.meta = s.meta
	expectKind(t, "a store that came back empty", empty.open().Claim(t.Context()), kind.Denied)
	expectKind(t, "collect there", tryCollect(t, empty.open(), filestore.CollectOptions{}), kind.Denied)

	for name, junk := range map[string][]byte{"short": []byte("x"), "long": make([]byte, 64), "another program's": make([]byte, 300)} {
		if err := blockstore.SetMarker(t.Context(), s.blocks, junk); err != nil {
			t.Fatal(err)
		}
		expectKind(t, name, tryCollect(t, fs, filestore.CollectOptions{}), kind.Denied)
	}
	if err := fs.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	collect(t, fs, filestore.CollectOptions{})
	old, err := blockstore.GetMarker(t.Context(), s.blocks)
	if err != nil {
		t.Fatal(err)
	}
	for i := range old {
		bad := append([]byte(nil), old...)
		bad[i] ^= 1
		if err := blockstore.SetMarker(t.Context(), s.blocks, bad); err != nil {
			t.Fatal(err)
		}
		expectKind(t, fmt.Sprint("byte ", i), fs.Claim(t.Context()), kind.Denied)
	}
}

// A store without markers, or one that can't say now, is served and, without,
// collected as it is.
func TestStoreMarkerNotKept(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	faulty := blockstoretest.NewFaulty(s.blocks)
	s.blocks = flipping{faulty, blockstore.ID{}} // shows no optional interface
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.discard("gone", 1<<20)
	if err := fs.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	clock.Add(int64(time.Hour))
	if r := lifetime(t, fs, clock); s.stored() != 0 {
		t.Errorf("%+v", r)
	}
}
