package filetree

import (
	"bytes"
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Take reads the whole chunk that covers off, to be written anew: unless it is in
// the cache already it stays out of it, and its plaintext is the caller's, in
// pieces of its frames' size, the last one shorter. They lie in room, unless that is
// nil, if it has the capacity RunRoom of the chunk's length, and the source reads into
// memory of its caller's. What is written over the chunk is part of the plaintext. Invalid for
// a hole, written over or not, and past the end; otherwise as ReadAt.
func (r *Reader) Take(ctx context.Context, off int64, room *Room) ([][]byte, error) {
	if err := r.checkRoot(); err != nil {
		return nil, err
	}
	if off < 0 || off >= r.Size() {
		return nil, fmt.Errorf("filetree: no chunk at %d of %d bytes: %w", off, r.Size(), kind.Invalid)
	}
	pl, err := r.locate(ctx, off)
	if err != nil {
		return nil, err
	}
	if pl.Ref.IsHole() {
		return nil, fmt.Errorf("filetree: a hole at %d: %w", off, kind.Invalid)
	}
	over, err := r.patchOf(ctx, pl, 0, pl.Len, true)
	if err != nil {
		return nil, err
	}
	pieces, err := r.takeBase(ctx, pl, room)
	if err != nil || over == nil {
		return pieces, err
	}
	at := int64(0)
	for _, p := range pieces {
		pl.Patch.overlay(over, p, at)
		at += int64(len(p))
	}
	return pieces, nil
}

// takeBase is Take of what lies below the leaf's patch.
func (r *Reader) takeBase(ctx context.Context, pl *place, room *Room) ([][]byte, error) {
	if c, ok := r.cache.chunks.get(keyOf(&pl.Ref)); ok && pl.binds(c) && c.holds(0, len(c.cells)-1) {
		pieces := make([][]byte, len(c.cells))
		for i := range pieces {
			pieces[i] = bytes.Clone(c.cells[i])
		}
		return pieces, nil
	}
	pieces, err := takeFrom(ctx, inRoom(r.src, room), pl.Ref, pl.limit)
	if again := reread(ctx, r.src, &pl.Ref, err); again != nil {
		return takeFrom(ctx, again, pl.Ref, pl.limit)
	}
	return pieces, err
}

// takeFrom is Take from one copy of the chunk.
func takeFrom(ctx context.Context, src Source, ref Ref, limit int64) ([][]byte, error) {
	c := newChunk(ref, limit)
	sealed, from, err := c.fetch(ctx, src, 0, len(c.cells)-1)
	if err != nil {
		return nil, err
	}
	h := c.opener.h
	pieces := make([][]byte, 0, h.Len2)
	for i := range frameOf(h, len(c.cells)-1) + 1 {
		off, n := h.Frame(i)
		frame := sealed[off-from : off-from+n]
		plain, err := c.opener.frame(i, frame[:0], frame)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, plain[:min(h.FrameSize(), int64(ref.Size)-int64(i)*h.FrameSize())])
	}
	return pieces, nil
}

// Keep puts the plaintext of the chunk that begins at off, which the caller has
// just sealed, into the cache, whose it is from then on: of a chunk that will be
// read and written anew soon, as the last one of a file that grows bit by bit.
// Where no chunk of that length begins at off, or something is written over it, it
// does nothing.
func (r *Reader) Keep(ctx context.Context, off int64, plain []byte) {
	if r.checkRoot() != nil || off < 0 || off >= r.Size() {
		return
	}
	pl, err := r.locate(ctx, off)
	if err != nil || pl.Ref.IsHole() || pl.Patch != nil || pl.Off != off || pl.Len != int64(len(plain)) {
		return
	}
	r.keep(pl, plain)
}

// KeepPatch is Keep for the plaintext of the patch over the chunk or hole that begins
// at off: the next one over it holds that, too.
func (r *Reader) KeepPatch(ctx context.Context, off int64, plain []byte) {
	if r.checkRoot() != nil || off < 0 || off >= r.Size() {
		return
	}
	pl, err := r.locate(ctx, off)
	if err != nil || pl.Patch == nil || pl.Off != off || pl.Patch.Len != int64(len(plain)) {
		return
	}
	r.keep(pl.Patch.place(), plain)
}

func (r *Reader) keep(pl *place, plain []byte) {
	c := newChunk(pl.Ref, pl.limit)
	c.keep(plain, 0)
	r.cache.chunks.add(keyOf(&pl.Ref), c, c.cost()+int64(cap(plain)))
}
