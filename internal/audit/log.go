package audit

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Options of Open.
type Options struct {
	File    string // where records are appended; empty: to no file
	MaxSize int64  // bytes after which the file is put aside; 0: never

	// Required: nothing is done, and nothing answered, that isn't recorded on disk.
	// Otherwise records that can't be kept are counted, and nobody waits.
	Required bool

	// NoLooks leaves out reads and listings that were allowed.
	NoLooks bool

	// Digests: records of writes shall have the SHA-256 of what was written.
	Digests bool

	// Also are further places for every line, such as a Syslog: as soon as
	// they can, and not at all while they can't.
	Also []io.Writer

	Begin string // Detail of the record that tells of the start
	Log   *slog.Logger
}

const (
	// queue is how many records wait for the file at most, and maxQueued how much
	// memory they may take where nobody waits.
	queue     = 4096
	maxQueued = 8 << 20
	// batch is how many are written at once.
	batch = 512
	// syncEvery is how long a record may wait for a sync that nobody waits for.
	syncEvery = time.Second
	// again is the pause after a write that failed.
	again = time.Second
	// lastWait is how long Close waits for slow sinks.
	lastWait = 2 * time.Second
	// hungWait is how long Close waits for a disk that hangs.
	hungWait = 20 * time.Second
)

// Log keeps records. It is a Recorder.
type Log struct {
	o    Options
	log  *slog.Logger
	file *file // nil: none; only the writer uses it
	also []*sink

	stopped atomic.Bool
	closing sync.RWMutex // held while a record is handed over
	closed  bool
	in      chan *entry
	done    chan struct{} // closed when the writer has ended
	hup     chan struct{}
	stop    chan struct{} // closed by Close

	queued     atomic.Int64 // bytes
	kept, lost atomic.Int64
	failing    atomic.Bool
	tried      atomic.Bool           // Ready has asked for a beginning
	head       atomic.Pointer[chain] // the last line
	begun      bool                  // the beginning is recorded; the writer's
	beginTold  bool                  // and the sinks have it; the writer's
	told       int64                 // how many of lost a line tells of; the writer's
	warned     int64                 // and the log; the writer's
}

var _ Recorder = (*Log)(nil)

// entry is a record on its way.
type entry struct {
	line *line      // nil: there is only the beginning to be told
	done chan error // nil: nobody waits
	told bool       // the sinks have it
}

// answer tells who waits, and only once.
func (e *entry) answer(err error) {
	if e.done != nil {
		e.done <- err
		e.done = nil
	}
}

// Digests is asked by the function Digests.
func (l *Log) Digests() bool { return l.o.Digests }

// Open opens the file, if there is one. The first record is told of the beginning
// before it: whoever only looks at the node leaves nothing.
func Open(o Options) (*Log, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		o: o, log: o.Log, in: make(chan *entry, queue), done: make(chan struct{}),
		hup: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	head := chain{hash: noHash}
	if o.File != "" {
		l.file = &file{path: o.File, most: o.MaxSize}
		var err error
		switch head, err = l.file.open(); {
		case err != nil && (o.Required || !noPlace(err)):
			return nil, err
		case err != nil:
			head = chain{hash: noHash}
			o.Log.Error("audit file can't be opened yet", "file", o.File, "error", err)
		}
	}
	l.head.Store(&head)
	for _, w := range o.Also {
		l.also = append(l.also, newSink(w))
	}
	go l.write()
	return l, nil
}

// Begin records the beginning now. An error, where records are required, means
// that none can be kept.
func (l *Log) Begin() error { return l.keep(nil) }

// Ready implements Recorder. The first time it tries.
func (l *Log) Ready() error {
	switch {
	case !l.o.Required:
		return nil
	case l.failing.Load():
		return errNotKept
	case !l.tried.Swap(true):
		return l.Begin()
	}
	return nil
}

var errNotKept = kind.Errorf(kind.Unavailable, "no audit record can be kept now, and it is required")

// Record implements Recorder.
func (l *Log) Record(r Record) error {
	if l.o.NoLooks && r.Err == nil && (r.Op == Read || r.Op == List) {
		return nil
	}
	return l.keep(newLine(r, time.Now()))
}

// keep hands a line to the writer, and waits where records are required.
func (l *Log) keep(n *line) error {
	e := &entry{line: n}
	if !l.o.Required {
		l.hand(e, false)
		return nil
	}
	done := make(chan error, 1)
	e.done = done
	if !l.hand(e, true) {
		return errNotKept
	}
	select {
	case err := <-done:
		return err
	case <-l.done:
	}
	select {
	case err := <-done:
		return err
	default:
		return errNotKept
	}
}

// hand puts an entry into the queue; wait: even if there is no place.
func (l *Log) hand(e *entry, wait bool) bool {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return false
	}
	size := int64(0)
	if e.line != nil {
		size = e.line.size()
	}
	if l.queued.Add(size) <= maxQueued || wait {
		select {
		case l.in <- e:
			return true
		default:
		}
	}
	if wait {
		select {
		case l.in <- e:
			return true
		case <-l.stop:
		}
	}
	l.queued.Add(-size)
	l.lost.Add(1)
	return false
}

// Reopen goes on in the file that stands under the name now, for whoever has
// moved the one before.
func (l *Log) Reopen() {
	select {
	case l.hup <- struct{}{}:
	default:
	}
}

// Figures tell what became of the records since the start.
type Figures struct {
	Kept    int64  // records that were written
	Lost    int64  // that could not be
	Failing bool   // the file takes none just now
	Seq     uint64 // the last line's number
	Hash    string // and its SHA-256, which the next will hold
}

// Figures counts.
func (l *Log) Figures() Figures {
	head := l.head.Load()
	f := Figures{Kept: l.kept.Load(), Lost: l.lost.Load(), Failing: l.failing.Load(), Seq: head.seq, Hash: head.hash}
	for _, s := range l.also {
		f.Lost += s.lost.Load()
	}
	return f
}

// Close writes what waits, records the end, and tells its hash to the log.
func (l *Log) Close() error {
	if l.stopped.Swap(true) {
		<-l.done
		return nil
	}
	close(l.stop)
	l.closing.Lock()
	l.closed = true
	close(l.in)
	l.closing.Unlock()
	select {
	case <-l.done:
	case <-time.After(hungWait):
		l.log.Error("audit records can't be written", "file", l.o.File, "required", l.o.Required, "error", "the disk hangs")
		return nil
	}
	wait := make(chan struct{})
	t := time.AfterFunc(lastWait, func() { close(wait) })
	defer t.Stop()
	for _, s := range l.also {
		s.end(wait)
	}
	if l.file == nil || l.file.f == nil {
		return nil
	}
	if head := l.head.Load(); l.begun {
		l.log.Info("audit file closed", "file", l.o.File, "seq", head.seq, "sha256", head.hash)
	}
	if err := l.file.close(); err != nil { // who waited for a record has heard of it
		l.log.Error("audit file may lack its last records", "file", l.o.File, "error", err)
	}
	return nil
}
