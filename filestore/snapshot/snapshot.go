// Package snapshot reads the nodes of trees in one read transaction of the metastore,
// so that what is walked is of one moment (metastore.View).
package snapshot

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// Nodes gives directory nodes. It is a dirtree.NodeSource.
type Nodes struct{ View metastore.View }

// Node implements dirtree.NodeSource.
func (s Nodes) Node(ctx context.Context, id [32]byte) ([]byte, error) {
	data, err := s.View.Nodes(ctx, []metastore.ID{id})
	if err != nil {
		return nil, fmt.Errorf("read a node: %w", err)
	}
	if data[0] == nil {
		return nil, fmt.Errorf("node %x: %w", id, kind.NotExist)
	}
	return data[0], nil
}

// Files gives nodes of file trees, of which those of long files may lie in the
// blockstore. It is a filetree.Source for walks by verify keys, which read no chunk.
type Files struct {
	Nodes
	Blocks blockstore.Store // nil: none lie there
}

// Node implements filetree.Source.
func (s Files) Node(ctx context.Context, id blockstore.ID) ([]byte, error) {
	data, err := s.Nodes.Node(ctx, id)
	if kind.Of(err) != kind.NotExist || s.Blocks == nil {
		return data, err
	}
	data, err = retry.Value(ctx, func() ([]byte, error) { return s.Blocks.Get(ctx, id) })
	if err != nil {
		return nil, fmt.Errorf("read a node: %w", err)
	}
	return data, nil
}

// ChunkRange implements filetree.Source.
func (s Files) ChunkRange(context.Context, blockstore.ID, int64, int64, int64) ([]byte, error) {
	return nil, fmt.Errorf("a walk by verify keys reads no chunk: %w", kind.Unsupported)
}
