package highwater_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/filestore/highwater"
	"github.com/truckee-fs/truckee/internal/kind"
)

func open(t *testing.T, path string) (*highwater.File, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	f, err := highwater.Open(path, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, log
}

func mark(slot byte, epoch uint32, version uint64) filestore.Mark {
	return filestore.Mark{Slot: [32]byte{slot}, Epoch: epoch, Version: version, Hash: [32]byte{slot, byte(version)}}
}

func want(t *testing.T, f *highwater.File, m filestore.Mark) {
	t.Helper()
	if got, ok := f.Mark(m.Slot); !ok || got != m {
		t.Errorf("mark of slot %d is %d.%d (seen %v), want %d.%d", m.Slot[0], got.Epoch, got.Version, ok, m.Epoch, m.Version)
	}
}

func TestMarksOnlyRise(t *testing.T) {
	f, _ := open(t, filepath.Join(t.TempDir(), "marks"))
	if _, ok := f.Mark([32]byte{1}); ok {
		t.Error("a slot that was never seen has a mark")
	}
	f.Raise(mark(1, 0, 7))
	f.Raise(mark(1, 0, 6))
	want(t, f, mark(1, 0, 7))
	f.Raise(mark(1, 1, 1))
	want(t, f, mark(1, 1, 1))
	f.Raise(mark(1, 0, 9))
	want(t, f, mark(1, 1, 1))
}

func TestMarksSurviveClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "marks")
	f, _ := open(t, path)
	for v := range uint64(50) {
		f.Raise(mark(byte(v%5), 0, v+1))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	again, log := open(t, path)
	for v := uint64(45); v < 50; v++ {
		want(t, again, mark(byte(v%5), 0, v+1))
	}
	if log.Len() > 0 {
		t.Errorf("a clean file is warned of: %s", log)
	}
	if got := len(again.All()); got != 5 {
		t.Errorf("All gives %d marks, want 5", got)
	}
}

func TestFlushedMarksSurviveACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "marks")
	f, _ := open(t, path)
	f.Raise(mark(1, 0, 3))
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	f.Raise(mark(1, 0, 4)) // forgotten: never flushed
	crashed := filepath.Join(t.TempDir(), "marks")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(crashed, data, 0o600); err != nil {
		t.Fatal(err)
	}
	again, _ := open(t, crashed)
	want(t, again, mark(1, 0, 3))
}

func TestDamage(t *testing.T) {
	write := func(t *testing.T) (string, []byte) {
		path := filepath.Join(t.TempDir(), "marks")
		f, _ := open(t, path)
		for i := byte(1); i <= 3; i++ {
			f.Raise(mark(i, 0, 1))
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return path, data
	}
	t.Run("a torn end is cut off, and appending goes on behind the last whole record", func(t *testing.T) {
		path, data := write(t)
		if err := os.WriteFile(path, data[:len(data)-10], 0o600); err != nil {
			t.Fatal(err)
		}
		f, log := open(t, path)
		want(t, f, mark(1, 0, 1))
		want(t, f, mark(2, 0, 1))
		if _, ok := f.Mark([32]byte{3}); ok {
			t.Error("the torn record is believed")
		}
		if !strings.Contains(log.String(), "torn") {
			t.Errorf("no warning: %s", log)
		}
		f.Raise(mark(4, 0, 1))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		again, log := open(t, path)
		want(t, again, mark(4, 0, 1))
		if log.Len() > 0 {
			t.Errorf("warned again: %s", log)
		}
	})
	t.Run("a flipped byte loses its own record only", func(t *testing.T) {
		path, data := write(t)
		data[16+84+50] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f, log := open(t, path)
		want(t, f, mark(1, 0, 1))
		want(t, f, mark(3, 0, 1))
		if _, ok := f.Mark([32]byte{2}); ok || !strings.Contains(log.String(), "damaged") {
			t.Errorf("the damaged record is believed (%v) or not warned of: %s", ok, log)
		}
	})
	t.Run("another file is refused and left as it is", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "marks")
		text := []byte("something else entirely, of more than sixteen bytes")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := highwater.Open(path, slog.New(slog.DiscardHandler))
		if kind.Of(err) != kind.Corrupt {
			t.Errorf("Open: %v", err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, text) {
			t.Error("the file was changed")
		}
	})
}

func TestAcceptLowersTheMarkAndRaisesTheEpoch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "marks")
	f, _ := open(t, path)
	f.Raise(mark(1, 2, 9))
	if err := f.Accept(mark(1, 0, 4)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		want(t, f, mark(1, 0, 4))
		if got := f.NextEpoch([32]byte{1}); got != 3 {
			t.Errorf("next epoch %d, want 3", got)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		f, _ = open(t, path)
	}
	if got := f.NextEpoch([32]byte{2}); got != 0 {
		t.Errorf("another slot's next epoch is %d", got)
	}
}

func TestLogIsCompacted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "marks")
	f, _ := open(t, path)
	if err := f.Accept(mark(9, 0, 1)); err != nil {
		t.Fatal(err)
	}
	for v := range uint64(20_000) {
		f.Raise(mark(byte(v%3), 0, v+1))
		if v%1000 == 0 {
			if err := f.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(84 * 6000); info.Size() > limit {
		t.Errorf("the log has %d bytes for 4 slots, want at most %d", info.Size(), limit)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
	again, _ := open(t, path)
	want(t, again, mark(byte(19_999%3), 0, 20_000))
	if again.NextEpoch([32]byte{9}) != 1 {
		t.Error("compaction lost an epoch")
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("files left beside the log: %v %v", left, err)
	}
}
