package filetree

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// RoomSource is a Source that can read into memory of the reader's.
type RoomSource interface {
	Source

	// ChunkRangeIn is ChunkRange, but that the slice may lie in room if that has the
	// capacity blockstore.RangeRoom(n). If it does (blockstore.InRoom), nothing is
	// written to room after the call has returned; else something may be.
	ChunkRangeIn(ctx context.Context, id blockstore.ID, total, off, n int64, room []byte) ([]byte, error)
}

// Room is memory that a chunk is read into, for one Fetch or Take after the other.
type Room struct {
	bytes []byte
	lost  atomic.Bool
}

// NewRoom gives a room of these bytes: as many as RunRoom says.
func NewRoom(bytes []byte) *Room { return &Room{bytes: bytes} }

// Lost reports whether the memory can't be used for anything any more: who was asked
// to read into it has given something else, or failed, and may still write to it.
func (r *Room) Lost() bool { return r.lost.Load() }

// Run is a part of a file that has been fetched and compared with its hashes. Its
// bytes are decrypted when they are read, so that a stream fetches the next one
// meanwhile. One goroutine reads a Run, and those that were fetched with it before
// them. It keeps nothing for others but what is written over chunks: for those the
// cache is looked at and not filled.
type Run struct {
	n      int64 // bytes to be read
	at     int64 // where the first of them lies in the leaf
	leaf   Leaf
	c      *chunk // nil: a hole
	over   *chunk // what is written over it; nil: nothing here
	held   bool   // all of it lies decrypted in c, which is the cache's
	sealed []byte // frames that passed their check
	from   int64  // where in the block sealed begins
	rest   []byte // decrypted and not read yet
	err    error  // once it has failed
}

// Fetch gets the bytes of the file from off on: n, or as many as the chunk has there
// that they lie in. Room, unless it is nil, is used for what is fetched, if it has the
// capacity (RunRoom) and the source can: then it belongs to the Run until that has been
// read to its end, or is given up, and, if it is lost, to nobody. Before, a run that was
// fetched before or nil, saves the head of the chunk if it is of the same one. Invalid
// for off outside the file. Other errors as ReadAt.
func (r *Reader) Fetch(ctx context.Context, off, n int64, before *Run, room *Room) (*Run, error) {
	if err := r.checkRoot(); err != nil {
		return nil, err
	}
	if off < 0 || off >= r.Size() || n < 1 {
		return nil, fmt.Errorf("filetree: fetch %d bytes at %d of %d: %w", n, off, r.Size(), kind.Invalid)
	}
	pl, err := r.locate(ctx, off)
	if err != nil {
		return nil, err
	}
	u := &Run{n: min(n, pl.End()-off), at: off - pl.Off, leaf: pl.Leaf}
	if u.over, err = r.patchOf(ctx, pl, u.at, u.at+u.n, true); err != nil {
		return nil, err
	}
	if pl.Ref.IsHole() {
		return u, nil
	}
	first, last := u.cells()
	if c, ok := r.cache.chunks.get(keyOf(&pl.Ref)); ok && pl.binds(c) && c.holds(first, last) {
		u.c, u.held = c, true
		return u, nil
	}
	err = u.fetch(ctx, inRoom(r.src, room), pl, before)
	if again := reread(ctx, r.src, &pl.Ref, err); again != nil {
		err = u.fetch(ctx, again, pl, nil)
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// RunRoom is the capacity of the room for a Run of n bytes.
func RunRoom(n int64) int64 {
	frames := n/blockstore.FrameSize + 2 // of which it may have parts of the first and the last
	head := blockstore.ChunkHeader(MaxChunkSize).HeadSize()
	return blockstore.RangeRoom(head + frames*(blockstore.FrameSize+blockstore.TagSize))
}

// cells are the first and the last that a run touches.
func (u *Run) cells() (first, last int) {
	return int(u.at / blockstore.FrameSize), int((u.at + u.n - 1) / blockstore.FrameSize)
}

// fetch gets the frames of a run from one copy of the chunk, and checks them.
func (u *Run) fetch(ctx context.Context, src Source, pl *place, before *Run) error {
	u.c = newChunk(pl.Ref, pl.limit)
	if before != nil && before.c != nil && !before.held && keyOf(&before.leaf.Ref) == keyOf(&pl.Ref) && pl.binds(before.c) {
		u.c.opener = before.c.opener
	}
	first, last := u.cells()
	sealed, from, err := u.c.fetch(ctx, src, first, last)
	if err != nil {
		return err
	}
	u.sealed, u.from = sealed, from
	h := u.c.opener.h
	for i := frameOf(h, first); i <= frameOf(h, last); i++ {
		if err := u.c.opener.check(i, u.frame(i)); err != nil {
			return err
		}
	}
	return nil
}

// frame is sealed frame i, which has been fetched.
func (u *Run) frame(i int) []byte {
	off, n := u.c.opener.h.Frame(i)
	return u.sealed[off-u.from:][:n:n]
}

// Len is how many bytes are still to be read.
func (u *Run) Len() int64 { return u.n }

// Read decrypts the next bytes into p, as many as there are and p has room for, and
// at the end none with io.EOF. Corrupt if the chunk doesn't open with its key.
func (u *Run) Read(p []byte) (int, error) {
	if u.err != nil || u.n == 0 {
		return 0, cmp.Or(u.err, io.EOF)
	}
	p = p[:min(int64(len(p)), u.n)]
	switch {
	case u.c == nil:
		clear(p)
	case u.held:
		u.c.copyTo(p, u.at)
	default:
		if u.err = u.unseal(p); u.err != nil {
			return 0, u.err
		}
	}
	u.leaf.Patch.overlay(u.over, p, u.at)
	u.at += int64(len(p))
	if u.n -= int64(len(p)); u.n == 0 {
		u.sealed, u.rest, u.over = nil, nil, nil // the room is the caller's again
	}
	return len(p), nil
}

// unseal fills p from u.at.
func (u *Run) unseal(p []byte) error {
	h := u.c.opener.h
	for n := 0; n < len(p); {
		if len(u.rest) > 0 {
			m := copy(p[n:], u.rest)
			u.rest = u.rest[m:]
			n += m
			continue
		}
		at := u.at + int64(n)
		i := int(at / h.FrameSize())
		begin := int64(i) * h.FrameSize()
		frame := u.frame(i)
		end := min(begin+h.FrameSize(), u.leaf.Len)
		size := int64(len(frame)) - blockstore.TagSize
		if begin == at && size == end-begin && size <= int64(len(p)-n) {
			if _, err := u.c.opener.unseal(i, p[n:n:n+int(size)], frame); err != nil {
				return err
			}
			n += int(size)
			continue
		}
		plain, err := u.c.opener.unseal(i, frame[:0], frame)
		if err != nil {
			return err
		}
		u.rest = plain[at-begin : end-begin]
	}
	return nil
}

// inRoom is src that reads what is long into room, if it can.
func inRoom(src Source, room *Room) Source {
	r, ok := src.(RoomSource)
	if !ok || room == nil {
		return src
	}
	return &roomSource{RoomSource: r, room: room}
}

// roomSource gives its room to the first request for frames that may need it.
type roomSource struct {
	RoomSource
	room  *Room
	taken atomic.Bool
}

// ChunkRange implements Source.
func (s *roomSource) ChunkRange(ctx context.Context, id blockstore.ID, total, off, n int64) ([]byte, error) {
	most := int64(cap(s.room.bytes))
	if most < blockstore.RangeRoom(n) || n < most/8 || s.taken.Swap(true) {
		return s.RoomSource.ChunkRange(ctx, id, total, off, n)
	}
	data, err := s.ChunkRangeIn(ctx, id, total, off, n, s.room.bytes)
	if err != nil || !blockstore.InRoom(data, s.room.bytes) {
		s.room.lost.Store(true)
	}
	return data, err
}
