// Package highwater keeps a gateway's high-water marks in a file of its own
// BASEDIR: the newest record that it has accepted of every slot (docs/formats.md,
// section 5, Freshness). The file lies outside the database on purpose, so that
// a database that was set back is noticed.
//
// It is a log: marks are appended as they rise, synced by a background flusher
// within half a second, and compacted when most of the log is superseded. A
// crash may forget the last marks, never tear an earlier one. In memory a slot
// costs about 130 bytes.
package highwater

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// flushEvery bounds how long a mark may be in memory only.
const flushEvery = 500 * time.Millisecond

// compactSlack is how many superseded records a log may hold beyond as many as
// there are live ones.
const compactSlack = 4096

var _ filestore.Rewinder = (*File)(nil)

// File is a filestore.HighWater in a file. Its methods are safe for concurrent use.
type File struct {
	path string
	log  *slog.Logger
	disk disk

	mu      sync.Mutex // guards the fields below
	marks   map[[32]byte]filestore.Mark
	epochs  map[[32]byte]uint32 // least epoch of the next record, where above 0
	pending []byte              // records not written yet
	records int                 // in the file and in pending
	closed  bool

	flushMu sync.Mutex // one flush at a time; taken before mu; guards the fields below
	file    *os.File
	size    int64 // of the file, as far as it is known to be durable
	stale   bool  // file may not be the one that has the log's name: the log was not replaced as it should be

	stop     chan struct{}
	stopOnce sync.Once
	stopped  chan struct{}
}

// Open reads the log at path, or creates it with mode 0600, and starts the
// flusher. A torn end, as a crash leaves it, is cut off; a damaged record
// elsewhere is left out, and log is warned of both. A file that is no log of
// this version is Corrupt.
func Open(path string, log *slog.Logger) (*File, error) { return openOn(system(), path, log) }

func openOn(d disk, path string, log *slog.Logger) (*File, error) {
	f := &File{
		path: path, log: log, disk: d,
		marks: map[[32]byte]filestore.Mark{}, epochs: map[[32]byte]uint32{},
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("high-water marks: %w", err)
	}
	f.file = file
	if err := f.load(); err != nil {
		file.Close()
		return nil, fmt.Errorf("high-water marks in %s: %w", path, err)
	}
	go f.flusher()
	return f, nil
}

// load reads the log into memory.
func (f *File) load() error {
	r := bufio.NewReaderSize(f.file, 1<<20)
	head := make([]byte, headerSize)
	switch _, err := io.ReadFull(r, head); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return f.rewrite() // new, or its creation was cut short
	case err != nil:
		return err
	case string(head) != header:
		return fmt.Errorf("not a log of this version: %w", kind.Corrupt)
	}
	size := int64(headerSize)
	buf := make([]byte, recordSize)
	for {
		_, err := io.ReadFull(r, buf)
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			f.log.Warn("the last high-water mark was torn by a crash; it is left out")
			break
		}
		if err != nil {
			return err
		}
		size += recordSize
		rec, ok := parseRecord(buf)
		if !ok {
			f.log.Warn("a damaged high-water mark is left out", "offset", size-recordSize)
			continue
		}
		f.apply(rec)
		f.records++
	}
	f.size = size
	return f.file.Truncate(size)
}

func (f *File) apply(r record) {
	switch r.op {
	case opRaise:
		if old, seen := f.marks[r.mark.Slot]; !seen || old.Before(r.mark) {
			f.marks[r.mark.Slot] = r.mark
		}
	case opLower:
		f.marks[r.mark.Slot] = r.mark
	case opEpoch:
		f.epochs[r.mark.Slot] = r.mark.Epoch
	}
}

// Mark implements filestore.HighWater.
func (f *File) Mark(slot [32]byte) (filestore.Mark, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.marks[slot]
	return m, ok
}

// Raise implements filestore.HighWater.
func (f *File) Raise(m filestore.Mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old, seen := f.marks[m.Slot]; f.closed || seen && !old.Before(m) {
		return
	}
	f.appendLocked(record{op: opRaise, mark: m})
}

// NextEpoch implements filestore.HighWater.
func (f *File) NextEpoch(slot [32]byte) uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epochs[slot]
}

// Accept takes a restored record, older than the mark, as the slot's newest: the
// mark is lowered to it, and the slot's next record must have an epoch above
// every one that was marked before. Durable when it returns.
func (f *File) Accept(restored filestore.Mark) error {
	f.mu.Lock()
	next := max(f.marks[restored.Slot].Epoch, f.epochs[restored.Slot]) + 1
	f.appendLocked(record{op: opLower, mark: restored})
	f.appendLocked(record{op: opEpoch, mark: filestore.Mark{Slot: restored.Slot, Epoch: next}})
	f.mu.Unlock()
	return f.Flush()
}

// All returns every mark, in no order.
func (f *File) All() []filestore.Mark {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]filestore.Mark, 0, len(f.marks))
	for _, m := range f.marks {
		all = append(all, m)
	}
	return all
}

func (f *File) appendLocked(r record) {
	f.apply(r)
	f.pending = r.appendTo(f.pending)
	f.records++
}

// Flush writes and syncs what is in memory only. When it fails, the marks stay
// in memory and the next flush tries again.
func (f *File) Flush() error {
	f.flushMu.Lock()
	defer f.flushMu.Unlock()
	f.mu.Lock()
	if f.stale || f.records > 2*(len(f.marks)+len(f.epochs))+compactSlack {
		defer f.mu.Unlock()
		return f.rewrite()
	}
	data := f.pending
	f.pending = nil
	f.mu.Unlock()
	if len(data) == 0 {
		return nil
	}
	// What an attempt left that did not work is written over, all of it: it may have
	// ended within a record, and a sync that failed may have dropped any of it.
	_, err := f.disk.writeAt(f.file, data, f.size)
	if err == nil {
		err = f.disk.sync(f.file)
	}
	if err == nil {
		f.size += int64(len(data))
		return nil
	}
	f.mu.Lock()
	f.pending = append(data, f.pending...)
	f.mu.Unlock()
	return fmt.Errorf("high-water marks: %w", err)
}

// rewrite replaces the log by one that holds the live marks only. Both locks are held.
func (f *File) rewrite() error {
	data := []byte(header)
	for _, m := range f.marks {
		data = record{op: opRaise, mark: m}.appendTo(data)
	}
	for slot, e := range f.epochs {
		data = record{op: opEpoch, mark: filestore.Mark{Slot: slot, Epoch: e}}.appendTo(data)
	}
	f.stale = true
	file, err := f.disk.replace(f.path, data)
	if err != nil {
		return fmt.Errorf("high-water marks: %w", err)
	}
	_ = f.file.Close() // nobody needs it any more
	f.file, f.size, f.stale = file, int64(len(data)), false
	f.pending, f.records = nil, len(f.marks)+len(f.epochs)
	return nil
}

func (f *File) flusher() {
	defer close(f.stopped)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	healthy := true
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
		err := f.Flush()
		if err != nil && healthy {
			f.log.Error("high-water marks can't be written; a crash now would forget them", "error", err)
		}
		healthy = err == nil
	}
}

// Close flushes and releases the file. It is idempotent.
func (f *File) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	f.mu.Unlock()
	f.stopFlusher()
	return errors.Join(f.Flush(), f.file.Close())
}

func (f *File) stopFlusher() {
	f.stopOnce.Do(func() { close(f.stop) })
	<-f.stopped
}
