package filestore

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore/filetree"
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
)

// streams is what the streams of a filestore share.
type streams struct {
	open  atomic.Int64
	ahead chan struct{} // a token for each chunk that is read ahead, until it has been read
	now   chan struct{} // a token for each stream that fetches and decrypts
	units sync.Pool     // rooms of units
	whole *buffers      // of chunks
	local bool          // whether to stream past the cache at all
}

func newStreams(fs *FS) *streams {
	return &streams{
		whole: &fs.buffers,
		ahead: make(chan struct{}, max(1, streamAhead/fs.o.ChunkSize)),
		now:   make(chan struct{}, streamsAtOnce),
		local: blockstore.ReadsIn(fs.o.Blocks),
	}
}

// depth is how many chunks each stream may read ahead now.
func (s *streams) depth() int {
	return min(streamDepth, cap(s.ahead)/max(1, int(s.open.Load())))
}

// room is memory for a run, and where it goes to in the end.
type room struct {
	buf   []byte
	of    *streams
	unit  bool // it is for units
	token bool // it is of a chunk that is read ahead
}

// room gives memory for a run of n bytes.
func (s *streams) room(n int64) *room {
	if n > streamUnit {
		return &room{buf: s.whole.chunk(filetree.RunRoom(n)), of: s}
	}
	if r, ok := s.units.Get().(*room); ok {
		return r
	}
	return &room{buf: make([]byte, filetree.RunRoom(streamUnit)), of: s, unit: true}
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
	if r.unit {
		r.of.units.Put(r)
		return
	}
	r.of.whole.freeChunk(r.buf)
	r.buf = nil
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

// read fills p, which doesn't reach beyond the end, unless it fails. What has failed
// goes on failing.
func (s *stream) read(ctx context.Context, p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	select {
	case s.of.now <- struct{}{}:
		defer func() { <-s.of.now }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
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
	if s.run, err = s.r.Fetch(ctx, s.next, n, s.before, s.room.buf); err != nil {
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
		select {
		case s.of.ahead <- struct{}{}:
		default:
			return
		}
		n := min(leaf.End(), s.end) - s.next
		f := &fetching{done: make(chan struct{}), room: s.of.room(n)}
		f.room.token = true
		at, before := s.next, s.run
		s.next += n
		s.ahead = append(s.ahead, f)
		go func() {
			defer close(f.done)
			f.run, f.err = s.r.Fetch(s.ctx, at, n, before, f.room.buf)
		}()
	}
}

// close gives back what the stream keeps. It is called once.
func (s *stream) close() {
	s.cancel()
	s.drop()
	for _, f := range s.ahead {
		<-f.done
		f.room.free()
	}
	s.ahead = nil
	s.of.open.Add(-1)
}
