package sqlite_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/dump"
	"github.com/truckee-fs/truckee/metastore/sqlite"
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

// indexHolds checks that each node is found by its id, and nothing by another's.
func indexHolds(t *testing.T, s *sqlite.Store) {
	t.Helper()
	for _, none := range []string{
		"SELECT (SELECT count(*) FROM blk WHERE n IS NOT NULL) - (SELECT count(*) FROM node)",
		"SELECT count(*) FROM node LEFT JOIN blk ON blk.id = node.id WHERE blk.n IS NOT node.n",
		"SELECT count(*) FROM blk WHERE n IS NULL AND (state IS NULL OR inline AND state <= 3)",
		"SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
	} {
		if n, err := s.Query(none); err != nil || n != 0 {
			t.Errorf("%s: %d, %v", none, n, err)
		}
	}
}

// TestMigrateFromSchema4 opens a database of the version in which nodes had an index
// of their own: it exports what the program of that time exported (40 rows of all
// types, hashed), has the same sums, and goes on from there.
func TestMigrateFromSchema4(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := unpack(t, "schema4.sqlite.gz")
	s := open(t, path)
	h := sha256.New()
	nodes := 0
	for row, err := range s.Export(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		h.Write(dump.AppendRow(nil, row))
		if n, is := row.(metastore.NodeRow); is {
			nodes++
			if data, err := s.Nodes(ctx, []metastore.ID{n.ID}); err != nil || !bytes.Equal(data[0], n.Data) {
				t.Errorf("node %v: %d bytes of %d, %v", n.ID, len(data[0]), len(n.Data), err)
			}
		}
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != "155ab3d3982683250a26beed8d94621d55e0e5dd8640a298bedaf688d10a0312" || nodes != 5 {
		t.Errorf("%d nodes, rows %s", nodes, got)
	}
	v, err := s.Collector().Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if blocks, size, err := v.Usage(ctx); err != nil || blocks != 8 || size != 29680 {
		t.Errorf("usage: %d, %d, %v", blocks, size, err)
	}
	v.Close()
	indexHolds(t, s)
	data := []byte("new")
	id := metastore.ID(sha256.Sum256(data))
	added := &metastore.Request{Nodes: []metastore.NewNode{{ID: id, Data: data}}, Live: []metastore.BlockRow{{ID: id, Len: 3}}}
	if err := s.Commit(ctx, added)[0]; err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, added)[0]; kind.Of(err) != kind.Conflict {
		t.Errorf("a block that is there: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	if got, err := s.Nodes(ctx, []metastore.ID{id}); err != nil || !bytes.Equal(got[0], data) {
		t.Errorf("the new node: %q, %v", got, err)
	}
	if _, err := s.Collector().Reap(ctx, 0, false); err != nil {
		t.Error(err)
	}
	indexHolds(t, s)
}
