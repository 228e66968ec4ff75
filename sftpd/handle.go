package sftpd

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// handleSize is the length of a handle on the wire: index and generation, two
// uint32. The generation tells a handle from an earlier one in the same place.
const handleSize = 8

// handle is an open file or directory of one session. Handles are objects:
// what a rename or a removal does to the path does not touch them.
type handle struct {
	gen   uint32
	inUse bool
	wire  [handleSize]byte
	path  []byte // as the client opened it, for messages
	file  file
	dir   *listing

	at         filestore.Path // where it was opened
	writes     bool           // a file that was opened for writing
	complained atomic.Uint32  // the kind of the last error that an operator was told
}

// handleTable holds the handles of a session, at most limit of them.
type handleTable struct {
	slots []*handle
	free  []uint32
	limit int
	open  int
	files *atomic.Int32 // counts the files among the handles of a connection
}

// errManyHandles is a limit that a client can do something about, so it is told.
var errManyHandles = kind.Errorf(kind.TooLarge, "too many open files and directories")

// add gives h a place and its wire form; errManyHandles, TooLarge, if the session
// has as many as it may.
func (t *handleTable) add(h *handle) error {
	if t.open >= t.limit {
		return fmt.Errorf("%d handles are open: %w", t.open, errManyHandles)
	}
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
		h.gen = t.slots[i].gen + 1
		t.slots[i] = h
	} else {
		i = uint32(len(t.slots))
		t.slots = append(t.slots, h)
	}
	h.inUse = true
	binary.BigEndian.PutUint32(h.wire[:4], i)
	binary.BigEndian.PutUint32(h.wire[4:], h.gen)
	t.open++
	if h.file != nil {
		t.files.Add(1)
	}
	return nil
}

// get returns the handle that b names, or nil.
func (t *handleTable) get(b []byte) *handle {
	if len(b) != handleSize {
		return nil
	}
	i := binary.BigEndian.Uint32(b)
	if uint64(i) >= uint64(len(t.slots)) {
		return nil
	}
	if h := t.slots[i]; h.inUse && h.gen == binary.BigEndian.Uint32(b[4:]) {
		return h
	}
	return nil
}

// remove takes h out; its wire form is never valid again in this session
// until 2^32 handles have lived in its place.
func (t *handleTable) remove(h *handle) {
	if h.file != nil {
		t.files.Add(-1)
	}
	h.inUse, h.file, h.dir = false, nil, nil
	t.free = append(t.free, binary.BigEndian.Uint32(h.wire[:4]))
	t.open--
}

// discard releases everything that is open; what was not committed is dropped.
func (t *handleTable) discard() {
	for _, h := range t.slots {
		if !h.inUse {
			continue
		}
		f, d := h.file, h.dir
		t.remove(h)
		if f != nil {
			f.Discard()
		}
		if d != nil {
			d.stop()
		}
	}
}
