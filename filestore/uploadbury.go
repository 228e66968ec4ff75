package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// maxBuried is how many unfinished uploads end in the very commit that removes their
// bucket, and so only if that succeeds. What is more is aborted before it.
const maxBuried = 256

// buried are the nodes of the directories of a bucket's unfinished uploads, by the
// hash of the record that they are of.
type buried map[[32]byte][][32]byte

// lookUploads reads what buryUploads needs before the commit.
func (b *Bucket) lookUploads(ctx context.Context) (buried, error) {
	t, nodes := b.uploadsTree(), make(buried)
	v, err := b.fs.latest(ctx, t.read)
	if err != nil {
		return nil, err
	}
	for e, err := range v.writable(*t.write).ScanFrom(ctx, unfinishedMark) {
		if err != nil {
			return nil, fmt.Errorf("read uploads: %w", err)
		}
		u, err := b.uploadAt(ctx, t, e)
		if kind.Of(err) == kind.Corrupt || errors.Is(err, kind.NotExist) {
			continue // whatever there was of it goes with its entry
		}
		if err == nil && len(nodes) >= maxBuried {
			err = u.abort(ctx)
		} else if err == nil {
			nodes[u.v.rec.Hash], err = b.fs.nodesOf(ctx, u.v)
		}
		if err != nil && !errors.Is(err, kind.NotExist) {
			return nil, err
		}
	}
	return nodes, nil
}

// buryUploads takes a bucket's directory of uploads away with the unfinished uploads
// in it, in the commit that removes the bucket. The directory's row in the root table
// stays until no backup is from before that: collection takes it away.
func (b *Bucket) buryUploads(ctx context.Context, in *batch, known buried) error {
	w, err := in.dir(ctx, b.state().uploads)
	if errors.Is(err, kind.NotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if w.changed {
		return errLater // what is in it shows after that
	}
	n := 0
	for e, err := range w.base.writable(w.write).ScanFrom(ctx, unfinishedMark) {
		if err != nil {
			return fmt.Errorf("read uploads: %w", err)
		}
		if n++; n > 2*maxBuried {
			return fmt.Errorf("uploads keep beginning: %w", kind.NotEmpty)
		}
		if err := b.buryUpload(ctx, in, e, known); err != nil {
			return err
		}
	}
	nodes, err := b.fs.nodesOf(ctx, w.base)
	if err != nil {
		return err
	}
	w.endWithAll(nodes)
	return nil
}

// buryUpload ends one of them. Its entry goes with the directory.
func (b *Bucket) buryUpload(ctx context.Context, in *batch, e *dirtree.Entry, known buried) error {
	in.op.files--
	if e.Kind != dirtree.Directory || e.DirWrite == nil {
		return nil
	}
	parts, err := in.dir(ctx, *e.DirWrite)
	switch {
	case kind.Of(err) == kind.Corrupt, errors.Is(err, kind.NotExist):
		return nil
	case err != nil:
		return err
	case parts.changed:
		return errLater
	}
	nodes, ok := known[parts.base.rec.Hash]
	if !ok {
		if nodes, err = b.fs.nodesOf(ctx, parts.base); err != nil {
			return err
		}
	}
	in.op.bytes -= int64(parts.next.Bytes)
	parts.endWithAll(nodes)
	return nil
}
