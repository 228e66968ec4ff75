package filestore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A stream goes past the cache: large files would displace one another in it. What is
// fetched lies in room that streams share, which one that doesn't read ahead has only
// while it decrypts into memory of the client's: however slow a client is, it holds
// nothing else up.
const (
	// streamUnit is how many bytes are fetched at a time where nothing is read ahead.
	streamUnit = 256 << 10
	// streamDepth is how many chunks one stream reads ahead.
	streamDepth = 4
	// streamAhead is how many bytes of chunks are read ahead for all streams.
	streamAhead = 16 << 20
	// streamsAtOnce is how many streams fetch and decrypt at a time.
	streamsAtOnce = 16
	// streamHandles is how many handles have a stream. Their clients ask for less than
	// a unit at a time, so that each has memory for one between its reads.
	streamHandles = 16
)

var errNoTurn = kind.Errorf(kind.Unavailable, "too many streams are waiting for the blockstore")

// streams is what the streams of a filestore share.
type streams struct {
	open    atomic.Int64
	handles atomic.Int64  // those of them that are of handles
	chunk   int64         // what is longer isn't read ahead
	ahead   chan struct{} // a token for each chunk that is read ahead, until it has been read
	now     chan struct{} // a token for each stream that fetches and decrypts
	units   sync.Pool     // rooms of units
	whole   *buffers      // of chunks
	blocks  blockstore.Store

	mu      sync.Mutex     // guards closed
	closed  bool           // nothing more is read ahead
	reading sync.WaitGroup // what is read ahead; grows with mu held
}

func newStreams(fs *FS) *streams {
	chunk := max(fs.o.ChunkSize, streamUnit)
	return &streams{
		whole:  &fs.buffers,
		chunk:  int64(chunk),
		ahead:  make(chan struct{}, max(1, streamAhead/chunk)),
		now:    make(chan struct{}, streamsAtOnce),
		blocks: fs.o.Blocks,
	}
}

// local reports whether to stream past the cache at all. It changes with what arrays
// have of their members.
func (s *streams) local() bool { return blockstore.ReadsIn(s.blocks) }

// depth is how many chunks each stream may read ahead now.
func (s *streams) depth() int {
	return min(streamDepth, cap(s.ahead)/max(1, int(s.open.Load())))
}

// room is memory for a run, and where it goes to in the end.
type room struct {
	*filetree.Room
	buf   []byte
	of    *streams
	unit  bool // it is for units
	token bool // it is of a chunk that is read ahead
}

// room gives memory for a run of n bytes.
func (s *streams) room(n int64) *room {
	if n > streamUnit {
		return newRoom(&room{buf: s.whole.chunk(filetree.RunRoom(n)), of: s})
	}
	if r, ok := s.units.Get().(*room); ok {
		return r
	}
	return newRoom(&room{buf: make([]byte, filetree.RunRoom(streamUnit)), of: s, unit: true})
}

func newRoom(r *room) *room {
	r.Room = filetree.NewRoom(r.buf)
	return r
}

// free gives back the memory and the token of r, if it is not nil.
func (r *room) free() {
	if r == nil {
		return
	}
	if r.token {
		<-r.of.ahead
		r.token = false
	}
	switch {
	case r.Lost():
	case r.unit:
		r.of.units.Put(r)
		return
	default:
		r.of.whole.freeChunk(r.buf)
	}
	r.Room, r.buf = nil, nil
}

// stream reads a stored file from an offset on, in order, and each byte once. Who
// calls its methods sees to it that one does at a time.
type stream struct {
	of      *streams
	r       *filetree.Reader
	at, end int64         // what read gives next, and where it ends
	next    int64         // what is fetched next
	run     *filetree.Run // what is being read; nil: nothing
	before  *filetree.Run // what was read before it
	room    *room         // of run
	ahead   []*fetching   // what follows run, in order
	err     error         // once it has failed
	ctx     context.Context
	cancel  context.CancelFunc // ends what is read ahead
}

// fetching is a run that is on its way.
type fetching struct {
	done chan struct{} // closed when the fields below are set
	run  *filetree.Run
	err  error
	room *room
}

// begin opens a stream of the bytes off to end, which lie in the file. ctx bounds what
// is read ahead.
func (s *streams) begin(ctx context.Context, r *filetree.Reader, off, end int64) *stream {
	s.open.Add(1)
	st := &stream{of: s, r: r, at: off, next: off, end: end}
	st.ctx, st.cancel = context.WithCancel(ctx)
	return st
}

// close waits for what is being read ahead, and has nothing more read.
func (s *streams) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.reading.Wait()
}

// begins takes a token from ahead for who is about to read a chunk, if there is one
// and nobody has closed s. Once it has been read, reading is to be told.
func (s *streams) begins() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	select {
	case s.ahead <- struct{}{}:
		s.reading.Add(1)
		return true
	default:
		return false
	}
}

// turn waits until the caller may fetch and decrypt: it then takes its token from now.
// It waits no longer than most, if that isn't zero: errNoTurn.
func (s *streams) turn(ctx context.Context, most time.Duration) error {
	select {
	case s.now <- struct{}{}:
		return nil
	default:
	}
	var late <-chan time.Time
	if most > 0 {
		late = time.After(most)
	}
	select {
	case s.now <- struct{}{}:
		return nil
	case <-late:
		return errNoTurn
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read fills p, which doesn't reach beyond the end, unless it fails. What has failed
// goes on failing. It waits for its turn no longer than most, if that isn't zero.
func (s *stream) read(ctx context.Context, p []byte, most time.Duration) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := s.of.turn(ctx, most); err != nil {
		return 0, err
	}
	defer func() { <-s.of.now }()
	n := 0
	for n < len(p) {
		if s.run == nil {
			if err := s.fetch(ctx); err != nil {
				return n, err
			}
		}
		m, err := s.run.Read(p[n:])
		n += m
		s.at += int64(m)
		if s.err = err; err != nil {
			return n, err
		}
		if s.run.Len() == 0 {
			s.drop()
		}
	}
	return n, nil
}

// drop gives up the run that has been read.
func (s *stream) drop() {
	s.room.free()
	s.before, s.run, s.room = s.run, nil, nil
}

// fetch gets the next run: what was read ahead, or else a unit; and sees that more is
// read ahead.
func (s *stream) fetch(ctx context.Context) error {
	var err error
	if len(s.ahead) > 0 {
		f := s.ahead[0]
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.ahead = s.ahead[1:]
		s.run, s.room, err = f.run, f.room, f.err
	} else {
		err = s.fetchUnit(ctx)
	}
	if s.err = err; err != nil {
		s.drop()
		return err
	}
	s.readAhead(ctx)
	return nil
}

// fetchUnit gets the next run, of at most a unit, to where a multiple of units of its
// chunk ends.
func (s *stream) fetchUnit(ctx context.Context) error {
	leaf, err := s.r.LeafAt(ctx, s.next)
	if err != nil {
		return err
	}
	n := min(streamUnit-(s.next-leaf.Off)%streamUnit, s.end-s.next)
	s.room = s.of.room(n)
	if s.run, err = s.r.Fetch(ctx, s.next, n, s.before, s.room.Room); err != nil {
		return err
	}
	s.next += s.run.Len()
	return nil
}

// readAhead has the chunks that follow fetched, as many as there is room for.
func (s *stream) readAhead(ctx context.Context) {
	for s.next < s.end && len(s.ahead) < s.of.depth() {
		leaf, err := s.r.LeafAt(ctx, s.next)
		if err != nil || leaf.IsHole() {
			return // who reads there meets the error again, and holes are at hand
		}
		n := min(leaf.End(), s.end) - s.next
		if n > s.of.chunk || !s.of.begins() {
			return
		}
		f := &fetching{done: make(chan struct{}), room: s.of.room(n)}
		f.room.token = true
		at, before := s.next, s.run
		s.next += n
		s.ahead = append(s.ahead, f)
		go func() {
			defer s.of.reading.Done()
			defer close(f.done)
			f.run, f.err = s.r.Fetch(s.ctx, at, n, before, f.room.Room)
		}()
	}
}

// close gives back what the stream keeps, which a store that doesn't answer may take
// a while to let go: nobody waits for that. It is called once.
func (s *stream) close() {
	s.cancel()
	s.drop()
	for _, f := range s.ahead {
		select {
		case <-f.done:
			f.room.free()
		default:
			go func() {
				<-f.done
				f.room.free()
			}()
		}
	}
	s.ahead = nil
	s.of.open.Add(-1)
}
