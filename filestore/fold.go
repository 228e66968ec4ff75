package filestore

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/metastore"
)

// foldAfter is how many stored chunks a draft keeps in memory one by one.
const foldAfter = 1024

// fold turns the stored chunks of a long stream into a tree, which becomes the
// draft's base, so that the memory of an open file doesn't grow with it but for
// the ids of its blocks. The nodes are stored like chunks: they belong to the
// draft until a commit links them.
//
// A draft that was cut keeps its cells: what the cut leaves of its base is part
// of no tree.
func (d *draft) fold(ctx context.Context) error {
	if len(d.cells) < d.fs.foldAfter || d.cut > 0 && d.cut < d.base.size || !d.aligned {
		return nil
	}
	var leaves []filetree.Leaf
	var rest []*cell
	size := d.below()
	for _, c := range d.cells {
		if c.own == nil || c.filled > 0 || c.keep != c.span {
			rest = append(rest, c)
			continue
		}
		select {
		case <-c.own.done:
		default:
			rest = append(rest, c)
			continue
		}
		if c.own.err != nil {
			return c.own.err
		}
		leaves = append(leaves, filetree.Leaf{Off: c.off, Len: c.span, Ref: c.own.ref})
		size = max(size, c.off+c.span)
	}
	if len(leaves) < d.fs.foldAfter/2 {
		return nil
	}
	if below := d.below(); below%d.grid != 0 && size > below {
		return nil // the base ends in a chunk that is still to be filled up
	}
	return d.rebuild(ctx, leaves, rest, size)
}

func (d *draft) rebuild(ctx context.Context, leaves []filetree.Leaf, rest []*cell, size int64) error {
	var ref filetree.Ref
	if d.base.reader != nil && d.cut > 0 {
		ref = d.base.reader.Ref()
	}
	src := blocks{d.fs.source}
	ref, nodes, err := filetree.NewReader(src, ref, d.fs.fileCache).Edit(ctx, int(d.grid), size, leaves)
	if err != nil {
		return fmt.Errorf("make a file's tree: %w", err)
	}
	var g errgroup.Group
	g.SetLimit(4)
	for _, n := range nodes {
		g.Go(func() error { return d.fs.writer.put(d.ctx, d.lease, d.owner, n) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, n := range nodes {
		d.links = append(d.links, metastore.ID(n.ID))
	}
	for _, l := range leaves {
		d.links = append(d.links, metastore.ID(l.Ref.ID))
		d.folded, _ = d.folded.add(l.Off, l.End())
	}
	d.cells = rest
	d.base = base{size: size, reader: filetree.NewReader(src, ref, d.fs.fileCache)}
	d.cut = noCut
	return nil
}
