package filestore

import (
	"context"
	"fmt"

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
		return nil, err
	}
	for i, st := range l.parts {
		if st == nil {
			continue
		}
		if err := st.wait(ctx); err != nil {
			return nil, err
		}
		l.leaves[i].Ref = st.ref
		if st.block != nil {
			c.bring(d.f.owner, *st.block)
		} else {
			c.links = append(c.links, metastore.ID(st.ref.ID))
		}
	}
	if err := d.tree(ctx, c, l.leaves); err != nil {
		return nil, err
	}
	if len(c.links) > 0 {
		c.draft = d.lease.id
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
		c.bring(d.f.owner, n)
	}
	return nil
}

// settle makes cells for what has to be written anew although nobody wrote it.
func (d *draft) settle(ctx context.Context) error {
	below := d.below()
	if below > 0 && d.base.reader == nil {
		// Inline contents become a part of the first chunk.
		return d.touch(ctx, 0)
	}
	if below == 0 || d.size <= below || !d.aligned || below%d.grid == 0 {
		return nil
	}
	// The base's last chunk is short and something follows it: filled up, the
	// tree stays aligned.
	leaf, err := d.base.reader.LeafAt(ctx, below-1)
	if err != nil {
		return fmt.Errorf("read a file: %w", err)
	}
	if leaf.Ref.IsHole() {
		return nil
	}
	return d.touch(ctx, below-1)
}

// touch makes the chunk that holds off a part of what is written anew.
func (d *draft) touch(ctx context.Context, off int64) error {
	_, err := d.cellAt(ctx, off)
	return err
}

// leafList collects the leaves of a draft with what becomes of them: nil for a
// hole.
type leafList struct {
	leaves []filetree.Leaf
	parts  []*stored
}

func (l *leafList) add(off, n int64, st *stored) {
	leaf := filetree.Leaf{Off: off, Len: n}
	if st == nil {
		leaf.Ref = filetree.Ref{Level: filetree.LevelChunk, Size: uint64(n)}
	}
	l.leaves, l.parts = append(l.leaves, leaf), append(l.parts, st)
}

// cut drops the leaves from off on.
func (l *leafList) cut(off int64) {
	n := len(l.leaves)
	for n > 0 && l.leaves[n-1].Off >= off {
		n--
	}
	l.leaves, l.parts = l.leaves[:n], l.parts[:n]
}

// leaves seals and sends what is not stored yet.
func (d *draft) leaves(ctx context.Context) (*leafList, error) {
	l, end := new(leafList), int64(0) // end of what leaves or the base provide so far
	gap := func(to int64) {
		// Where the base was cut, a hole takes its place.
		if from := max(end, d.below()); from < min(to, d.base.size) && d.cut > 0 {
			l.add(from, to-from, nil)
		}
	}
	for _, c := range d.cells {
		if c.off >= d.size {
			break
		}
		gap(c.off)
		end = min(c.off+c.span, d.size)
		begin, err := d.runOf(ctx, c, end)
		if err != nil {
			return nil, err
		}
		if begin < c.off {
			l.cut(begin)
		} else if tail := d.tail(c, end-c.off); tail > 0 {
			begin += tail
		}
		for off := begin; off < end; {
			n := min(end-off, max(d.grid, c.span))
			st, err := d.sealRange(ctx, c, off, n)
			if err != nil {
				return nil, err
			}
			l.add(off, n, st)
			off += n
		}
	}
	gap(d.size)
	return l, nil
}

// runOf tells where the short chunks begin that a file which grew in small steps
// ends in, if together with what is written now, which ends at end, they fill a
// chunk and become one; else where c begins.
func (d *draft) runOf(ctx context.Context, c *cell, end int64) (int64, error) {
	if d.aligned || c.own != nil || d.cut < d.base.size || c.off >= d.base.size || end <= d.base.size {
		return c.off, nil
	}
	begin := c.off
	for begin > 0 && end-begin < 2*d.grid {
		leaf, err := d.base.reader.LeafAt(ctx, begin-1)
		if err != nil {
			return 0, fmt.Errorf("read a file: %w", err)
		}
		if leaf.Ref.IsHole() || leaf.Len >= d.grid {
			break
		}
		begin = leaf.Off
	}
	if end-begin < d.grid {
		return c.off, nil
	}
	return begin, nil
}

// tail tells how many bytes of a cell's beginning can stay as they are in the
// base: where a file only grew, its last short chunk is not written again but
// followed by another, as long as both don't fill a chunk (law 7).
func (d *draft) tail(c *cell, n int64) int64 {
	old := d.base.size - c.off
	if c.own != nil || d.base.reader == nil || d.cut < d.base.size || old < frameSize || old >= n || n == c.span {
		return 0
	}
	for i, fr := range c.frames {
		if fr != nil && len(fr.spans) > 0 {
			if int64(i)*frameSize+fr.spans[0].off < old {
				return 0
			}
			return old
		}
	}
	return 0
}

// sealRange returns n bytes from off as a chunk, nil if they are all zeros. They
// lie in c, or begin before it.
func (d *draft) sealRange(ctx context.Context, c *cell, off, n int64) (*stored, error) {
	if c.own != nil && c.filled == 0 && off == c.off && c.keep == n && c.own.size() == n {
		return c.own, nil
	}
	if filetree.SealedLen(n) <= int64(d.fs.o.InlineBlock) {
		plain := make([]byte, n)
		if err := d.read(ctx, plain, off); err != nil {
			return nil, err
		}
		if isZero(plain) {
			return nil, nil
		}
		return sealHere(plain)
	}
	if hole, err := d.isHole(ctx, c, off, n); err != nil || hole {
		return nil, err
	}
	room, err := d.reserve(ctx, n)
	if err != nil {
		return nil, err
	}
	plain := make([][]byte, 0, (n+frameSize-1)/frameSize)
	for end := off + n; off < end; off += frameSize {
		fr := d.fs.buffers.frame(int(min(frameSize, end-off)))[:min(frameSize, end-off)]
		if err := d.read(ctx, fr, off); err != nil {
			room()
			return nil, err
		}
		plain = append(plain, fr)
	}
	return d.send(n, plain, room), nil
}

// isHole reports whether a cell that nobody wrote to shows nothing but a hole,
// so that it needs no chunk.
func (d *draft) isHole(ctx context.Context, c *cell, off, n int64) (bool, error) {
	if c.filled > 0 || off < c.off || c.own != nil && c.keep > off-c.off {
		return false, nil
	}
	if c.own != nil || off >= d.below() {
		return true, nil
	}
	if d.base.reader == nil {
		return false, nil
	}
	leaf, err := d.base.reader.LeafAt(ctx, off)
	if err != nil {
		return false, fmt.Errorf("read a file: %w", err)
	}
	return leaf.Ref.IsHole() && leaf.End() >= min(off+n, d.below()), nil
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
