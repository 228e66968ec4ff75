package filestore

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/metastore"
)

// contents is what a draft has become, ready to be linked: all its chunks are
// durable, or come with the request, as all its nodes do.
//
// What it shares with the base it does not list: the base is what the entry
// holds in the very record that the request replaces, so those blocks are
// reachable before and after, and no collection can come between (formats 11).
// A commit that finds another base there starts over.
type contents struct {
	kind dirtree.Kind
	ref  filetree.Ref
	data []byte
	size int64

	nodes []metastore.NewNode
	live  []metastore.BlockRow
	links []metastore.ID
	draft metastore.DraftID
}

// put gives e these contents.
func (c *contents) put(e *dirtree.Entry) {
	e.Kind, e.File, e.Data, e.Size = c.kind, c.ref, c.data, uint64(c.size)
}

func (c *contents) bring(owner slotID, b filetree.Block) {
	id := metastore.ID(b.ID)
	for _, row := range c.live {
		if row.ID == id {
			return // equal chunks under a convergent key
		}
	}
	c.nodes = append(c.nodes, metastore.NewNode{ID: id, Data: b.Data})
	c.live = append(c.live, metastore.BlockRow{ID: id, Len: int64(len(b.Data)), Owner: owner})
}

// contents makes the draft's contents. It may be called again after more writes.
func (d *draft) contents(ctx context.Context) (*contents, error) {
	if err := d.failed(); err != nil {
		return nil, err
	}
	c := &contents{size: d.size}
	switch {
	case d.size == 0:
		c.kind = dirtree.EmptyFile
		return c, nil
	case d.size <= dirtree.MaxInline:
		c.kind, c.data = dirtree.Inline, make([]byte, d.size)
		return c, d.read(ctx, c.data, 0)
	}
	if err := d.settle(ctx); err != nil {
		return nil, err
	}
	c.links = append(c.links, d.links...)
	l, err := d.leaves(ctx)
	if err != nil {
		d.filling.Wait()
		return nil, err
	}
	for i, st := range l.parts {
		if st == nil {
			continue
		}
		if err := st.wait(ctx); err != nil {
			d.filling.Wait()
			return nil, err
		}
		if p := l.leaves[i].Patch; p != nil {
			p.ID, p.Key = st.ref.ID, st.ref.Key
		} else {
			l.leaves[i].Ref = st.ref
		}
		if st.block != nil {
			c.bring(d.owner, *st.block)
		} else {
			c.links = append(c.links, metastore.ID(st.ref.ID))
		}
	}
	if err := d.tree(ctx, c, l.leaves); err != nil {
		return nil, err
	}
	d.keep(ctx, c, l)
	slices.SortFunc(c.links, func(a, b metastore.ID) int { return bytes.Compare(a[:], b[:]) })
	c.links = slices.Compact(c.links)
	if len(c.links) > 0 && d.lease != nil {
		c.draft = d.lease.id
		if err := d.fs.writer.registered(ctx, d.lease); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// tree makes the nodes over the leaves and what shows of the base.
func (d *draft) tree(ctx context.Context, c *contents, leaves []filetree.Leaf) error {
	var ref filetree.Ref
	if d.base.reader != nil && d.cut > 0 {
		ref = d.base.reader.Ref()
	}
	src := blocks{d.fs.source}
	ref, nodes, err := filetree.NewReader(src, ref, d.fs.fileCache).Edit(ctx, d.fs.o.ChunkSize, d.size, leaves)
	if err != nil {
		return fmt.Errorf("make a file's tree: %w", err)
	}
	c.ref, c.kind = ref, dirtree.TreeFile
	if ref.Level == filetree.LevelChunk {
		c.kind = dirtree.OneChunk
	}
	for _, n := range nodes {
		c.bring(d.owner, n)
	}
	return nil
}

// keep has at hand what the next commit would have to read: the end of a file that has
// grown, if it is short, and patches if they are few.
func (d *draft) keep(ctx context.Context, c *contents, l *leafList) {
	r := filetree.NewReader(blocks{d.fs.source}, c.ref, d.fs.fileCache)
	for i, st := range l.parts {
		switch {
		case st == nil || st.here == nil:
		case l.leaves[i].Patch != nil:
			if len(d.cells) <= patchesKept {
				r.KeepPatch(ctx, l.leaves[i].Off, st.here)
			}
		case i == len(l.parts)-1 && d.base.size > 0 && d.size > d.base.size:
			r.Keep(ctx, l.leaves[i].Off, st.here)
		}
	}
}

// size is the length of a chunk, known before it is sealed.
func (st *stored) size() int64 {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if st.plain == nil {
		return int64(st.ref.Size)
	}
	return int64(len(st.plain)-1)*frameSize + int64(len(st.plain[len(st.plain)-1]))
}

func isZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// linkAll lists every block of c's tree as a link: where c replaces what
// another gateway has committed, what it shares with our own earlier commit may
// be reachable from nowhere any more.
func (c *contents) linkAll(ctx context.Context, fs *FS, l *lease) error {
	if c.kind != dirtree.OneChunk && c.kind != dirtree.TreeFile {
		return nil
	}
	known := make(map[metastore.ID]bool)
	nodes := make(map[blockstore.ID][]byte)
	for _, n := range c.nodes {
		known[n.ID], nodes[blockstore.ID(n.ID)] = true, n.Data
	}
	for _, id := range c.links {
		known[id] = true
	}
	src := fresh{blocks{fs.source}, nodes}
	err := filetree.WalkVerify(ctx, src, c.ref.Verify(), filetree.VisitFunc(func(ref filetree.VerifyRef) (bool, error) {
		if id := metastore.ID(ref.ID); !known[id] {
			known[id] = true
			c.links = append(c.links, id)
		}
		return true, nil
	}))
	if err != nil {
		return fmt.Errorf("walk a file's tree: %w", err)
	}
	c.draft = l.id
	if err := fs.writer.enter(ctx, l, nil); err != nil {
		return err
	}
	return nil
}
