package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// ObjectRange is N bytes from Off on of an object that is open.
type ObjectRange struct {
	From   *ObjectReader
	Off, N int64
}

// CopyPart makes a part of a range of an object, without moving its bytes: the part
// shares what the object is stored in, but for what the range cuts at its two ends. m is as for PartWriter.Commit: who hasn't read the bytes has no MD5 of
// them. NotExist, Invalid and NoSpace as for PartWriter; Invalid, too, for a range
// that isn't in the object.
func (b *Bucket) CopyPart(ctx context.Context, key, id string, number int, r ObjectRange, m PartMeta) (PartInfo, error) {
	info, err := b.copyPart(ctx, key, id, number, r, m)
	return info, wrap("copy part", err)
}

func (b *Bucket) copyPart(ctx context.Context, key, id string, number int, r ObjectRange, m PartMeta) (PartInfo, error) {
	name, err := partName(number)
	if err != nil {
		return PartInfo{}, err
	}
	if size := r.From.Object().Size; r.Off < 0 || r.N < 0 || r.Off > size-r.N {
		return PartInfo{}, fmt.Errorf("%d bytes from %d of %d: %w", r.N, r.Off, size, kind.Invalid)
	}
	u, err := b.upload(ctx, key, id)
	if err != nil {
		return PartInfo{}, err
	}
	if err := u.tree.room(ctx, 0, r.N); err != nil {
		return PartInfo{}, err
	}
	in := u.tree.incoming(ctx, u.owner())
	defer in.Abort()
	c, err := in.d.share(ctx, r)
	if err != nil {
		return PartInfo{}, err
	}
	e, err := u.partEntry(name, m)
	if err != nil {
		return PartInfo{}, err
	}
	c.put(e)
	if err := u.tree.do(ctx, u.putPart(e, c)); err != nil {
		if errors.Is(err, kind.Conflict) {
			err = fmt.Errorf("what is to be copied is not kept any more: %w", err)
		}
		return PartInfo{}, err
	}
	return b.fs.partInfo(ctx, e)
}

// share makes contents of a range of what is open, for a commit that links all of
// their blocks: nothing else of the same commit keeps them (formats 11).
func (d *draft) share(ctx context.Context, r ObjectRange) (*contents, error) {
	j := &joiner{d: d, c: &contents{size: r.N}}
	of := r.From.f.file()
	if of.base.reader == nil || r.N <= dirtree.MaxInline {
		j.small = make([]byte, r.N)
		if err := readFull(ctx, r.From, j.small, r.Off); err != nil {
			return nil, err
		}
		return j.contents(ctx)
	}
	pieces, err := of.base.reader.Slice(ctx, r.Off, r.N)
	if err != nil {
		return nil, fmt.Errorf("copy a range: %w", err)
	}
	for _, p := range pieces {
		if p.Cut {
			ref, err := d.reseal(ctx, j.c, r.From, p)
			if err != nil {
				return nil, err
			}
			p.Part = filetree.Part{Ref: ref}
		}
		j.parts = append(j.parts, p.Part)
	}
	c, err := j.contents(ctx)
	if err != nil {
		return nil, err
	}
	if d.lease == nil {
		d.lease = d.fs.writer.acquire()
	}
	return c, c.linkAll(ctx, d.fs, d.lease)
}

// reseal makes a chunk of a part of one.
func (d *draft) reseal(ctx context.Context, c *contents, from *ObjectReader, p filetree.Piece) (filetree.Ref, error) {
	room, err := d.reserve(ctx, p.Len)
	if err != nil {
		return filetree.Ref{}, err
	}
	defer room()
	plain := make([]byte, p.Len)
	if err := readFull(ctx, from, plain, p.Off); err != nil {
		return filetree.Ref{}, err
	}
	return d.outside(ctx, c, plain)
}

func readFull(ctx context.Context, from *ObjectReader, p []byte, off int64) error {
	n, err := from.ReadAt(ctx, p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fmt.Errorf("an object that is shorter than it says: %w", kind.Corrupt)
	}
	return err
}
