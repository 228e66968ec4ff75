package sqlite_test

import (
	"compress/gzip"
	"io"
	"os"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// unpack gives a fresh copy of a database that an earlier program made.
func unpack(t *testing.T, name string) (path string) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path = dbPath(t)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMigrateFromSchema1 opens a database of the first version (one slot of two
// commits, with nodes, an inline block, a live and a new one, a root and a pin):
// its rows are there, it has an identity that stays, and it can do what is new.
func TestMigrateFromSchema1(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := unpack(t, "schema1.sqlite.gz")
	s := open(t, path)
	slot := metastore.SlotID{1}
	recs, err := s.Log(ctx, slot, 0)
	if err != nil || len(recs) != 2 || recs[1].Owner != slot || recs[1].Seq != 3 {
		t.Fatalf("log: %+v, %v", recs, err)
	}
	if is, err := s.IsRoot(ctx, []metastore.SlotID{slot}); err != nil || !is[0] {
		t.Errorf("root: %v, %v", is, err)
	}
	if seq, err := s.Seq(ctx); err != nil || seq != 3 {
		t.Errorf("seq: %d, %v", seq, err)
	}
	id, err := s.Identity(ctx)
	if err != nil || id.UUID == [16]byte{} || id.Nonce != [16]byte{} {
		t.Errorf("identity: %v, %v", id, err)
	}
	// Who knows what was reaped before.
	if err := s.Collector().PinAt(ctx, 1, time.Now().Add(time.Hour), "too old"); kind.Of(err) != kind.Conflict {
		t.Errorf("pinning a commit of before: %v", err)
	}
	if err := s.AddRepairs(ctx, "0", []metastore.ID{{3}}); err != nil {
		t.Error(err)
	}
	if err := s.Commit(ctx, &metastore.Request{Charges: []metastore.Charge{{Root: slot, Files: 1}}})[0]; err != nil {
		t.Error(err)
	}
	sealed := metastore.SealedChange{Kind: 1, Key: [32]byte{2}, Data: []byte("sealed")}
	if err := s.Commit(ctx, &metastore.Request{Sealed: []metastore.SealedChange{sealed}})[0]; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	if again, err := s.Identity(ctx); err != nil || again != id {
		t.Errorf("identity after opening again: %v, %v; want %v", again, err, id)
	}
	if st, err := s.SealedState(ctx, 1); err != nil || st.Rows != 1 || st.Newest != 5 {
		t.Errorf("sealed rows: %+v, %v", st, err)
	}
	if owed, err := s.Repairs(ctx, "0", metastore.ID{}, 10); err != nil || len(owed) != 1 {
		t.Errorf("repairs: %v, %v", owed, err)
	}
	if files, _, err := s.Charged(ctx, slot); err != nil || files != 1 {
		t.Errorf("charged: %d, %v", files, err)
	}
}
