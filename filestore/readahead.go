package filestore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/filestore/filetree"
)

// readAhead watches the reads of one handle. What is read in sequence becomes a
// stream past the cache; where the store can't read into memory of ours, and for
// clients whose reads come in another order now and then, or with long breaks, it
// brings the chunks that will be wanted next into the cache meanwhile.
type readAhead struct {
	mu    sync.Mutex // guards the fields below
	next  int64      // where a sequential read would begin
	run   int64      // bytes read in sequence so far
	until int64      // what lies before it is asked for already

	unread []aheadChunk // asked for and not read yet, ascending

	stream *stream // it begins at next; nil: none
	busy   bool    // a read takes from it, with mu unlocked
	over   bool    // it is given up, which whoever reads from it completes
	taken  bool    // it was read from since its timer was set
	wary   bool    // a stream was given up: the next one is begun later
	ended  bool    // the handle is closed
}

// aheadChunk is a chunk that a stream will read. As long as it counts it takes a
// place of those that the cache has for such chunks.
type aheadChunk struct {
	off    int64
	counts *atomic.Bool
}

const (
	// aheadAfter is how many bytes a handle reads in sequence before anything is
	// read ahead for it.
	aheadAfter = 256 << 10
	// streamAgain is how many it reads in sequence before a stream follows one that
	// was given up, whose chunks were fetched in vain.
	streamAgain = 64 << 20
	// aheadDepth is how many chunks are asked for ahead of a stream, and aheadAlone how
	// many as long as others leave room: a store far away takes a while for each.
	aheadDepth = 4
	aheadAlone = 8
	// aheadAll is how many chunks are on their way ahead of all streams.
	aheadAll = 16
	// aheadShare is the part of the cache that chunks may take which were read ahead
	// and not read yet: more would displace one another before they are.
	aheadShare = 2
	// aheadTime is how long a chunk that isn't read takes such a place, and how long
	// a stream waits for its handle.
	aheadTime = time.Second
)

// after notes a read of n bytes at off, and starts reading ahead if it goes on
// from the one before.
func (a *readAhead) after(fs *FS, r *filetree.Reader, off int64, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if off != a.next {
		a.run, a.until = 0, 0
	}
	a.next = off + int64(n)
	a.run += int64(n)
	a.passed(fs)
	if a.stream != nil && (a.busy || a.stream.r != r || a.stream.at != a.next || a.next == r.Size()) {
		a.giveUp(a.next != r.Size())
	}
	switch {
	case a.stream != nil || a.run < aheadAfter || a.ended || a.next >= r.Size():
	case fs.streams.local() && (!a.wary || a.run >= streamAgain) && a.begin(fs, r):
	default:
		a.fetch(fs, r, a.next-a.next%int64(fs.o.ChunkSize)+int64(fs.o.ChunkSize))
	}
}

// begin begins a stream at a.next, if there aren't too many. It is called with mu
// held.
func (a *readAhead) begin(fs *FS, r *filetree.Reader) bool {
	if fs.streams.handles.Add(1) > streamHandles {
		fs.streams.handles.Add(-1)
		return false
	}
	s := fs.streams.begin(fs.ctx, r, a.next, r.Size())
	a.stream, a.taken = s, true
	var timer *time.Timer
	timer = time.AfterFunc(aheadTime, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case a.stream != s:
		case a.taken || a.busy:
			a.taken = false
			timer.Reset(aheadTime)
		default:
			a.giveUp(true)
		}
	})
	return true
}

// giveUp ends the stream, wary of another one if it ends early. It is called with mu
// held, and waits for nothing: neither for a read that takes from the stream, nor for
// a store that doesn't answer.
func (a *readAhead) giveUp(early bool) {
	a.run = 0
	a.wary = a.wary || early
	if a.over = a.busy; a.over {
		return
	}
	a.stream.close()
	a.stream.of.handles.Add(-1)
	a.stream = nil
}

// end gives back what is read ahead for a handle that is closed.
func (a *readAhead) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if a.stream != nil {
		a.giveUp(false)
	}
}

// read fills p from the stream, and reports whether it could: if not, it is read
// elsewhere, where what fails is met again and told. It doesn't wait for another
// read of the handle, nor long for those of others.
func (a *readAhead) read(ctx context.Context, r *filetree.Reader, p []byte, off int64) bool {
	s := a.take(r, off)
	if s == nil {
		return false
	}
	defer a.leave()
	_, err := s.read(ctx, p, aheadTime)
	return err == nil
}

// take gives the stream to a read, if it goes on with that; leave takes it back.
func (a *readAhead) take(r *filetree.Reader, off int64) *stream {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stream == nil || a.busy || a.stream.r != r || a.stream.at != off {
		return nil
	}
	a.busy, a.taken = true, true
	return a.stream
}

func (a *readAhead) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy = false
	if a.over {
		a.giveUp(false)
	}
}

// expect starts reading ahead for a stream that will begin at off.
func (a *readAhead) expect(fs *FS, r *filetree.Reader, off int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next, a.run, a.until = off, aheadAfter, 0
	a.fetch(fs, r, off)
}

// passed notes that what lies before a.next needs no place any more, or what lies
// elsewhere. It is called with mu held.
func (a *readAhead) passed(fs *FS) {
	n := 0
	for n < len(a.unread) && (a.unread[n].off < a.next || a.until == 0) {
		fs.uncountAhead(a.unread[n].counts)
		n++
	}
	a.unread = a.unread[n:]
}

// countAhead takes a place for a chunk that is read ahead, for a time.
func (fs *FS) countAhead() *atomic.Bool {
	fs.unread.Add(1)
	counts := new(atomic.Bool)
	counts.Store(true)
	time.AfterFunc(aheadTime, func() { fs.uncountAhead(counts) })
	return counts
}

func (fs *FS) uncountAhead(counts *atomic.Bool) {
	if counts.Swap(false) {
		fs.unread.Add(-1)
	}
}

// fetch asks for the chunks from first on that a stream which is at a.next wants
// next. It is called with mu held.
func (a *readAhead) fetch(fs *FS, r *filetree.Reader, first int64) {
	chunk := int64(fs.o.ChunkSize)
	most := max(aheadDepth, fs.o.CacheBytes/chunk/aheadShare)
	end := min(a.next-a.next%chunk+(aheadAlone+1)*chunk, r.Size())
	for at := max(a.until, first); at < end; at += chunk {
		room := most
		if len(a.unread) >= aheadDepth {
			room -= aheadDepth // which is another stream's, when one comes
		}
		if fs.unread.Load() >= room {
			return
		}
		select {
		case fs.ahead <- struct{}{}:
		default:
			return // enough is on its way
		}
		a.until = at + chunk
		a.unread = append(a.unread, aheadChunk{at, fs.countAhead()})
		go func() {
			defer func() { <-fs.ahead }()
			// What fails is met again, and told, by the read that wants it.
			_ = r.Prefetch(fs.ctx, at)
		}()
	}
}
