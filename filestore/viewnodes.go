package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// viewNodes reads nodes in the walk's transaction.
type viewNodes struct{ view metastore.View }

// Node implements dirtree.NodeSource.
func (s viewNodes) Node(ctx context.Context, id [32]byte) ([]byte, error) {
	data, err := s.view.Nodes(ctx, []metastore.ID{id})
	if err != nil {
		return nil, fmt.Errorf("read a node: %w", err)
	}
	if data[0] == nil {
		return nil, fmt.Errorf("node %x: %w", id, kind.NotExist)
	}
	return data[0], nil
}

// viewBlocks is viewNodes for file trees; a walk by verify keys reads no chunk.
type viewBlocks struct {
	viewNodes
	fs *FS
}

// Node implements filetree.Source. A long stream's nodes may lie in the
// blockstore.
func (s viewBlocks) Node(ctx context.Context, id blockstore.ID) ([]byte, error) {
	data, err := s.viewNodes.Node(ctx, id)
	if kind.Of(err) != kind.NotExist || s.fs.o.Blocks == nil {
		return data, err
	}
	data, err = retry.Value(ctx, func() ([]byte, error) { return s.fs.o.Blocks.Get(ctx, id) })
	if err != nil {
		return nil, fmt.Errorf("read a node: %w", err)
	}
	return data, nil
}

// ChunkRange implements filetree.Source.
func (s viewBlocks) ChunkRange(context.Context, blockstore.ID, int64, int64, int64) ([]byte, error) {
	return nil, fmt.Errorf("a walk by verify keys reads no chunk: %w", kind.Unsupported)
}
