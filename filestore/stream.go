package filestore

import (
	"cmp"
	"context"
	"io"
	"sync"
	"sync/atomic"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore/filetree"
)

// A stream out of an object goes past the cache: large objects would displace one
// another in it. What is fetched lies in room that streams share, which one that
// doesn't read ahead has only while it decrypts into memory of the client's: however
// slow a client is, it holds nothing else up.
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

func newStreams(o *Options, whole *buffers) *streams {
	return &streams{
		whole: whole,
		ahead: make(chan struct{}, max(1, streamAhead/o.ChunkSize)),
		now:   make(chan struct{}, streamsAtOnce),
		local: blockstore.ReadsIn(o.Blocks),
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

// ObjectStream reads a part of an object from its beginning to its end. It is not
// safe for concurrent use.
type ObjectStream struct {
	o       *ObjectReader
	fs      *FS
	r       *filetree.Reader // nil: through the cache
	at, end int64            // what Read gives next, and where it ends
	next    int64            // what is fetched next
	run     *filetree.Run    // what is being read; nil: nothing
	before  *filetree.Run    // what was read before it
	room    *room            // of run
	ahead   []*fetching      // what follows run, in order
	err     error            // once it has failed
	ctx     context.Context  // of what is read ahead
	cancel  context.CancelFunc
}

// fetching is a run that is on its way.
type fetching struct {
	done chan struct{} // closed when the fields below are set
	run  *filetree.Run
	err  error
	room *room
}

// Stream reads n bytes from off on, as far as the object goes. ctx bounds what is
// read ahead. Close must be called, before that of the reader.
func (r *ObjectReader) Stream(ctx context.Context, off, n int64) *ObjectStream {
	s := &ObjectStream{o: r, fs: r.t.fs, at: off, next: off, end: off + min(n, max(0, r.obj.Size-off))}
	s.ctx, s.cancel = context.WithCancel(ctx)
	of := r.f.file()
	switch {
	case of.base.reader == nil || off < 0 || s.end-off < streamUnit:
	case s.fs.streams.local:
		s.r = of.base.reader
		s.fs.streams.open.Add(1)
	default:
		r.f.ahead.expect(s.fs, of.base.reader, off)
	}
	return s
}

// Read reads the next bytes, at least one of them, at most len(p), and at the end
// none with io.EOF. Every byte has been verified. A p of 256 KiB is used best.
func (s *ObjectStream) Read(ctx context.Context, p []byte) (int, error) {
	p = p[:min(int64(len(p)), s.end-s.at)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	n, err := s.read(ctx, p)
	s.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (s *ObjectStream) read(ctx context.Context, p []byte) (int, error) {
	if s.r == nil {
		return s.o.f.ReadAt(ctx, p, s.at)
	}
	if err := s.o.f.use(); err != nil || s.err != nil {
		return 0, wrap("read", cmp.Or(err, s.err))
	}
	shared := s.fs.streams
	select {
	case shared.now <- struct{}{}:
		defer func() { <-shared.now }()
	case <-ctx.Done():
		return 0, wrap("read", ctx.Err())
	}
	n := 0
	for n < len(p) {
		if s.run == nil {
			if err := s.fetch(ctx); err != nil {
				return n, wrap("read", err)
			}
		}
		m, err := s.run.Read(p[n:])
		n += m
		if s.err = err; err != nil {
			return n, wrap("read", err)
		}
		if s.run.Len() == 0 {
			s.drop()
		}
	}
	return n, nil
}

// drop gives up the run that has been read.
func (s *ObjectStream) drop() {
	s.room.free()
	s.before, s.run, s.room = s.run, nil, nil
}

// fetch gets the next run: what was read ahead, or else a unit; and sees that more is
// read ahead.
func (s *ObjectStream) fetch(ctx context.Context) error {
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
func (s *ObjectStream) fetchUnit(ctx context.Context) error {
	leaf, err := s.r.LeafAt(ctx, s.next)
	if err != nil {
		return err
	}
	n := min(streamUnit-(s.next-leaf.Off)%streamUnit, s.end-s.next)
	s.room = s.fs.streams.room(n)
	if s.run, err = s.r.Fetch(ctx, s.next, n, s.before, s.room.buf); err != nil {
		return err
	}
	s.next += s.run.Len()
	return nil
}

// readAhead has the chunks that follow fetched, as many as there is room for.
func (s *ObjectStream) readAhead(ctx context.Context) {
	shared := s.fs.streams
	for s.next < s.end && len(s.ahead) < shared.depth() {
		leaf, err := s.r.LeafAt(ctx, s.next)
		if err != nil || leaf.IsHole() {
			return // who reads there meets the error again, and holes are at hand
		}
		select {
		case shared.ahead <- struct{}{}:
		default:
			return
		}
		n := min(leaf.End(), s.end) - s.next
		f := &fetching{done: make(chan struct{}), room: shared.room(n)}
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

// Close gives back what the stream keeps. It is idempotent.
func (s *ObjectStream) Close() {
	s.cancel()
	s.drop()
	for _, f := range s.ahead {
		<-f.done
		f.room.free()
	}
	if s.r != nil {
		s.fs.streams.open.Add(-1)
	}
	s.ahead, s.r, s.end = nil, nil, s.at
}
