package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// incoming is contents on their way in, from the first byte to the last, that
// will be a whole file at once: a draft that no open file has, and that nobody
// sees before its commit. It is for one goroutine.
type incoming struct {
	ctx  context.Context // of who sends
	t    *Tree           // that it comes through
	d    *draft          // nil: committed or aborted
	size int64

	leave func()    // gives the place of the cell back; nil: nobody has asked for one
	since time.Time // when the cell got its place, or would have
	slow  bool      // the last cell was not filled in placeTime
}

// incoming begins contents that will belong to owner.
func (t *Tree) incoming(ctx context.Context, owner slotID) *incoming {
	in := &incoming{ctx: ctx, t: t, d: t.fs.emptyDraft(owner)}
	in.d.payer = t
	return in
}

// Write adds p at the end. It returns when the draft has it, and waits while too
// much is on its way to the storage. Full chunks are sealed and stored meanwhile;
// what can't be stored fails a later Write, or the commit.
func (in *incoming) Write(p []byte) (int, error) {
	if in.d == nil {
		return 0, wrap("write", kind.Closed)
	}
	done := 0
	for done < len(p) {
		n, err := in.writeCell(p[done:])
		if done += n; err != nil {
			return done, wrap("write", err)
		}
	}
	return done, nil
}

// writeCell adds what of p belongs to the cell that the end is in.
func (in *incoming) writeCell(p []byte) (int, error) {
	at := in.size % in.d.grid
	p = p[:min(int64(len(p)), in.d.grid-at)]
	if in.leave == nil && at+int64(len(p)) > frameSize {
		in.enter()
	}
	if in.leave != nil && at+int64(len(p)) == in.d.grid {
		in.slow = time.Since(in.since) > placeTime // before it waits for the storage
	}
	n, err := in.d.write(in.ctx, p, in.size)
	in.size += int64(n)
	if in.size%in.d.grid == 0 {
		in.vacate()
	}
	return n, err
}

// enter takes a place for the cell, unless the stream is a slow one.
func (in *incoming) enter() {
	if in.leave = func() {}; !in.slow {
		in.leave = in.t.fs.place(in.ctx)
	}
	in.since = time.Now()
}

// vacate gives the place back, if there is one.
func (in *incoming) vacate() {
	if in.leave != nil {
		in.leave()
		in.leave = nil
	}
}

// Size is how many bytes have been written.
func (in *incoming) Size() int64 { return in.size }

// Abort drops what was written. After a commit it does nothing.
func (in *incoming) Abort() {
	if in.d != nil {
		in.d.drop()
		in.d = nil
	}
	in.vacate()
}

// commit has an operation committed that links the contents; make gives the
// operation for one attempt at them. It ends with Abort, whatever comes out.
func (in *incoming) commit(ctx context.Context, make func(ctx context.Context, c *contents) (*op, error)) error {
	if in.d == nil {
		return kind.Closed
	}
	defer in.Abort()
	for {
		c, err := in.d.contents(ctx)
		if err != nil {
			return err
		}
		o, err := make(ctx, c)
		if err != nil {
			return err
		}
		err = in.t.do(ctx, o)
		if !errors.Is(err, kind.Conflict) || !in.d.mustUnshare() {
			return err
		}
	}
}

// outside stores data, at most a chunk, as a block that an entry keeps alive
// beside its contents, and adds it to what a commit of c brings.
func (d *draft) outside(ctx context.Context, c *contents, data []byte) (filetree.Ref, error) {
	if len(data) > filetree.MaxChunkSize {
		return filetree.Ref{}, fmt.Errorf("an attribute of %d bytes: %w", len(data), kind.TooLarge)
	}
	b, key, err := filetree.SealChunk(nil, data)
	if err != nil {
		return filetree.Ref{}, err
	}
	if len(b.Data) <= d.fs.o.InlineBlock {
		c.bring(d.owner, b)
		return chunkRef(b.ID, key, int64(len(data))), nil
	}
	if d.lease == nil {
		d.lease = d.fs.writer.acquire()
	}
	if err := d.fs.writer.put(ctx, d.lease, d.owner, b); err != nil {
		return filetree.Ref{}, err
	}
	c.links, c.draft = append(c.links, metastore.ID(b.ID)), d.lease.id
	slices.SortFunc(c.links, func(a, b metastore.ID) int { return bytes.Compare(a[:], b[:]) })
	return chunkRef(b.ID, key, int64(len(data))), nil
}

// insideAttrs is how many bytes of attributes an entry holds itself. The largest
// go to blocks of their own beyond it.
const insideAttrs = 6 << 10

// attributes gives e attributes, ascending by type, the largest of them in blocks
// that a commit of c brings.
func (d *draft) attributes(ctx context.Context, c *contents, e *dirtree.Entry, attrs []dirtree.Attr) error {
	attrs = slices.Clone(attrs)
	sum := 0
	for _, a := range attrs {
		sum += len(a.Value)
	}
	e.More = nil
	for sum > insideAttrs {
		large := slices.MaxFunc(attrs, func(a, b dirtree.Attr) int { return inside(a) - inside(b) })
		ref, err := d.outside(ctx, c, large.Value)
		if err != nil {
			return err
		}
		out := dirtree.OutsideAttr(large.Type, uint8(len(e.More)), uint64(len(large.Value)))
		attrs = dirtree.WithAttr(dirtree.WithoutAttr(attrs, large.Type), out)
		sum -= len(large.Value)
		e.More = append(e.More, ref)
	}
	e.Attrs = attrs
	return nil
}

// inside is the length of an attribute's value, if it may still go outside.
func inside(a dirtree.Attr) int {
	if a.Type&dirtree.AttrOutside != 0 {
		return 0
	}
	return len(a.Value)
}
