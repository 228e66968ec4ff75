package filestore_test

import (
	"testing"

	"github.com/truckee-fs/truckee/filestore"
)

// TestTakenOverFileSharesItsDraft creates a file on one gateway whose name
// another gateway gives to a file of its own meanwhile, which is then opened on
// the first, too. After the first commit all three handles are on one file, so
// that who writes on the first gateway sees each other's writes again.
func TestTakenOverFileSharesItsDraft(t *testing.T) {
	t.Parallel()
	trees := gateways(t, 2)
	mine := trees[0].open("f", toCreate)
	write(t, mine, []byte("mine, and longer"), 0)
	trees[1].put("g", []byte("theirs"))
	trees[1].rename("g", "f")
	theirs := trees[0].open("f", forWriting)
	old := trees[0].open("f", forReading)
	sync(t, mine)
	want := []byte("mine, and longer")
	if got := readAll(t, theirs); string(got) != string(want) {
		t.Errorf("a handle on the entry that was taken over reads %q", got)
	}
	write(t, theirs, []byte("OURS"), 0)
	copy(want, "OURS")
	for _, f := range []named{{"mine", mine}, {"old", old}} {
		if got := readAll(t, f.File); string(got) != string(want) {
			t.Errorf("handle %s reads %q, want what was just written on this gateway", f.name, got)
		}
	}
	write(t, mine, []byte("!"), int64(len(want)))
	want = append(want, '!')
	closeFile(t, theirs)
	trees[1].expect("f", want)
	closeFile(t, mine)
	old.Discard()
	trees[1].expect("f", want)
	trees[0].expect("f", want)
}

type named struct {
	name string
	*filestore.File
}
