package sqlite_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

func dbPath(t testing.TB) string { return filepath.Join(t.TempDir(), "meta.db") }

// grow commits n versions of one slot, made if absent, each with a node.
func grow(t testing.TB, s metastore.Store, id metastore.SlotID, n int) metastore.Record {
	t.Helper()
	for range n {
		if err := growOnce(t, s, id); err != nil {
			t.Fatal(err)
		}
	}
	recs, err := s.Slots(t.Context(), []metastore.SlotID{id})
	if err != nil {
		t.Fatal(err)
	}
	return recs[0]
}

func growOnce(t testing.TB, s metastore.Store, id metastore.SlotID) error {
	recs, err := s.Slots(t.Context(), []metastore.SlotID{id})
	if err != nil {
		return err
	}
	r := &metastore.Request{Slots: []metastore.SlotChange{{ID: id, Base: recs[0].Hash, Seal: func(old metastore.Record) (metastore.Sealed, error) {
		return metastore.Sealed{Version: old.Version + 1, Bytes: record(old.Version + 1)}, nil
	}}}}
	data := bytes.Repeat([]byte{byte(recs[0].Version)}, 3000)
	copy(data, id[:])
	copy(data[32:], fmt.Sprint(recs[0].Version))
	r.Nodes = []metastore.NewNode{{ID: metastore.ID(sha256.Sum256(data)), Data: data, Slot: id}}
	return s.Commit(t.Context(), r)[0]
}

func TestReopen(t *testing.T) {
	t.Parallel()
	path := dbPath(t)
	s := open(t, path)
	id := metastore.SlotID{1}
	want := grow(t, s, id, 3)
	if err := s.Register(t.Context(), metastore.GatewayID{1}, metastore.DraftID{1}, []metastore.BlockRow{{ID: metastore.ID{1}, Len: 5}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a log is left after Close: %v", err)
	}
	s = open(t, path)
	defer s.Close()
	got := grow(t, s, id, 0)
	if got.Hash != want.Hash || got.Seq != want.Seq {
		t.Errorf("reopened, the slot has version %d of seq %d, want %d of %d", got.Version, got.Seq, want.Version, want.Seq)
	}
	if log, err := s.Log(t.Context(), id, 0); err != nil || len(log) != 3 {
		t.Errorf("reopened, the log has %d records (%v), want 3", len(log), err)
	}
	if seq, err := s.Seq(t.Context()); err != nil || seq != want.Seq {
		t.Errorf("reopened, Seq is %d (%v), want %d", seq, err, want.Seq)
	}
	if next := grow(t, s, id, 1); next.Seq != want.Seq+1 {
		t.Errorf("the first commit after reopening has seq %d, want %d", next.Seq, want.Seq+1)
	}
	v, err := s.Collector().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if blocks, size, err := v.Usage(t.Context()); err != nil || blocks != 1 || size != 5 {
		t.Errorf("reopened, usage is %d blocks, %d bytes (%v)", blocks, size, err)
	}
	// A view that nobody closed does not keep the store from closing.
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	path := dbPath(t)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	defer s.Close()
	grow(t, s, metastore.SlotID{1}, 1)
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 4 {
		t.Fatalf("files %v (%v), want database, log, lock and reserve", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), info.Mode())
		}
	}
}

func TestSecondOpenIsToldWhoHoldsIt(t *testing.T) {
	t.Parallel()
	path := dbPath(t)
	s := open(t, path)
	_, err := sqlite.Open(path)
	if kind.Of(err) != kind.Unavailable || !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d", os.Getpid())) {
		t.Errorf("second Open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path).Close()
}

func TestNewerSchemaIsRefusedUntouched(t *testing.T) {
	t.Parallel()
	path := dbPath(t)
	s := open(t, path)
	grow(t, s, metastore.SlotID{1}, 1)
	if err := s.Exec("PRAGMA user_version = 1000"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(path)
	if kind.Of(err) != kind.Unsupported || !strings.Contains(err.Error(), "schema version 1000") {
		t.Errorf("Open: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the refused file was changed (%v)", err)
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	t.Parallel()
	foreign := dbPath(t)
	s := open(t, foreign)
	if err := s.Exec("PRAGMA application_id = 7"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	text := dbPath(t)
	if err := os.WriteFile(text, bytes.Repeat([]byte("no database\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		want       kind.Kind
	}{
		{"another program's database", foreign, kind.Invalid},
		{"no database", text, kind.Corrupt},
		{"no folder", filepath.Join(t.TempDir(), "absent", "meta.db"), kind.NotExist},
		{"a folder", t.TempDir(), kind.Unavailable},
	}
	for _, tt := range tests {
		if _, err := sqlite.Open(tt.path); kind.Of(err) != tt.want {
			t.Errorf("%s: %v, want kind %v", tt.name, err, tt.want)
		}
	}
}

// TestDamagedFile overwrites parts of a database: whatever is hit, there are
// errors of kind Corrupt or answers, never a crash.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path := dbPath(t)
	s := open(t, path)
	for i := byte(1); i <= 15; i++ {
		grow(t, s, metastore.SlotID{i}, 3)
	}
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	corrupt := 0
	for round := range 16 {
		damaged := bytes.Clone(whole)
		switch round {
		case 0:
			damaged = damaged[:len(damaged)/2]
		case 1:
			damaged = damaged[:100]
		default:
			for range 1 + random.IntN(40) {
				at := random.IntN(len(damaged) - 16)
				for i := range 16 {
					damaged[at+i] = byte(random.Uint32())
				}
			}
		}
		err := readAll(t, damaged)
		switch kind.Of(err) {
		case 0:
		case kind.Corrupt:
			corrupt++
		case kind.Invalid, kind.Unsupported:
			// The header's version or application was hit.
		default:
			t.Errorf("round %d: %v", round, err)
		}
	}
	if corrupt < 4 {
		t.Errorf("only %d of 16 damaged files gave Corrupt", corrupt)
	}
}

func readAll(t *testing.T, file []byte) error {
	path := dbPath(t)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(path)
	if err != nil {
		return err
	}
	defer s.Close()
	v, err := s.Collector().Snapshot(t.Context())
	if err != nil {
		return err
	}
	defer v.Close()
	for r, err := range v.AllSlots(t.Context()) {
		if err != nil {
			return err
		}
		if _, err := s.Log(t.Context(), r.ID, 0); err != nil {
			return err
		}
	}
	for _, err := range v.AllBlocks(t.Context()) {
		if err != nil {
			return err
		}
	}
	if _, err := s.Collector().Reap(t.Context(), 0, false); err != nil {
		return err
	}
	return growOnce(t, s, metastore.SlotID{1})
}
