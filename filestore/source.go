package filestore

import (
	"bytes"
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// source is where committed nodes and blocks are read: nodes and blocks of at
// most Options.InlineBlock bytes in the metastore, the others in the
// blockstore. What it returns is checked by who asked.
type source struct{ fs *FS }

// Node reads a directory node; it makes source a dirtree.NodeSource.
func (s source) Node(ctx context.Context, id [32]byte) ([]byte, error) {
	data, err := s.Nodes(ctx, [][32]byte{id})
	if err != nil {
		return nil, err
	}
	if data[0] == nil {
		return nil, fmt.Errorf("node %x: %w", id, kind.NotExist)
	}
	return data[0], nil
}

// Nodes reads several nodes by one query; it makes source a dirtree.BatchSource.
func (s source) Nodes(ctx context.Context, ids [][32]byte) ([][]byte, error) {
	mids := make([]metastore.ID, len(ids))
	for i, id := range ids {
		mids[i] = id
	}
	data, err := retry.Value(ctx, func() ([][]byte, error) { return s.fs.o.Meta.Nodes(ctx, mids) })
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	if len(data) != len(ids) {
		return nil, fmt.Errorf("read nodes: %d for %d ids: %w", len(data), len(ids), kind.Corrupt)
	}
	return data, nil
}

// blocks is source for file trees.
type blocks struct{ source }

// Node reads a file node: from the metastore, or from the blockstore, where a
// long stream's nodes lie that were stored before its commit.
func (s blocks) Node(ctx context.Context, id blockstore.ID) ([]byte, error) {
	data, err := s.source.Node(ctx, id)
	if kind.Of(err) != kind.NotExist {
		return data, err
	}
	data, err = retry.Value(ctx, func() ([]byte, error) { return s.fs.o.Blocks.Get(ctx, id) })
	if err != nil {
		return nil, fmt.Errorf("read a node: %w", err)
	}
	return data, nil
}

// ChunkRange reads a part of a chunk's block. Its length says where it lies;
// where InlineBlock was another when it was written, it lies in the other place.
func (s blocks) ChunkRange(ctx context.Context, id blockstore.ID, total, off, n int64) ([]byte, error) {
	return s.ChunkRangeIn(ctx, id, total, off, n, nil)
}

// ChunkRangeIn is ChunkRange into room, if the blockstore can; it makes blocks a
// filetree.RoomSource.
func (s blocks) ChunkRangeIn(ctx context.Context, id blockstore.ID, total, off, n int64, room []byte) ([]byte, error) {
	inline := total <= int64(s.fs.o.InlineBlock)
	if inline {
		if data, err := s.inline(ctx, id, off, n); err == nil || kind.Of(err) != kind.NotExist {
			return data, err
		}
	}
	data, err := retry.Value(ctx, func() ([]byte, error) {
		once := room
		room = nil // what has failed may still write to it
		return blockstore.GetRangeIn(ctx, s.fs.o.Blocks, id, off, n, once)
	})
	if err != nil && !inline && kind.Of(err) == kind.NotExist && total <= maxInline {
		if data, ierr := s.inline(ctx, id, off, n); ierr == nil {
			return data, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read a block: %w", err)
	}
	return data, nil
}

// maxInline is the largest block that any configuration keeps in the metastore.
const maxInline = 64 << 10

func (s blocks) inline(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	data, err := s.source.Node(ctx, id)
	if err != nil {
		return nil, err
	}
	off = min(off, int64(len(data)))
	return bytes.Clone(data[off:min(off+n, int64(len(data)))]), nil // a metastore may keep what it gave
}

// Reread reads a chunk's whole block, from a sound copy if there is any: whole
// blocks are checked on their way, parts aren't. It makes blocks a
// filetree.Rereader.
func (s blocks) Reread(ctx context.Context, id blockstore.ID) ([]byte, error) {
	data, err := retry.Value(ctx, func() ([]byte, error) { return s.fs.o.Blocks.Get(ctx, id) })
	if err == nil {
		err = blockstore.CheckID(id, data)
	}
	if err != nil {
		return nil, fmt.Errorf("read a block again: %w", err)
	}
	return data, nil
}

// fresh is a source that also knows nodes that no commit has brought yet.
type fresh struct {
	filetree.Source
	nodes map[blockstore.ID][]byte
}

// Node reads a node from those at hand, else from the source below.
func (s fresh) Node(ctx context.Context, id blockstore.ID) ([]byte, error) {
	if data, ok := s.nodes[id]; ok {
		return data, nil
	}
	return s.Source.Node(ctx, id)
}

// Reread asks the source below.
func (s fresh) Reread(ctx context.Context, id blockstore.ID) ([]byte, error) {
	r, ok := s.Source.(filetree.Rereader)
	if !ok {
		return nil, fmt.Errorf("block %v lies in one place: %w", id, kind.Unsupported)
	}
	return r.Reread(ctx, id)
}
