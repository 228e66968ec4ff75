package filestore_test

import (
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
)

// TestLongOpenHandleKeepsNoOldNodes appends through one handle that stays open,
// as a log is written: what its commits have replaced goes all the same, and
// what it reads stays.
func TestLongOpenHandleKeepsNoOldNodes(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	tr, _ := newTree(t, fs)
	f := tr.open("log", toCreate)
	var want []byte
	grow := func() {
		t.Helper()
		for range 20 {
			line := random(5000, byte(len(want)))
			write(t, f, line, int64(len(want)))
			sync(t, f)
			want = append(want, line...)
		}
	}
	collect := func() filestore.CollectReport {
		t.Helper()
		r, err := fs.Collect(t.Context(), filestore.CollectOptions{
			Yes: true, Grace: filestore.NoGrace, KeepLog: time.Nanosecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var nodes, blocks int
	for range 4 {
		grow()
		r := collect()
		nodes, blocks = nodes+r.Nodes, blocks+int(r.Deleted)
	}
	if nodes < 30 || blocks < 10 {
		t.Errorf("%d nodes and %d blocks went beside an open handle", nodes, blocks)
	}
	if got := readAll(t, f); string(got) != string(want) {
		t.Error("the handle reads something else")
	}
	closeFile(t, f)
	tr.expect("log", want)
}
