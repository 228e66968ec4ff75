package filestore

import (
	"context"
	"crypto/md5" // what S3 makes ETags of
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// CompletePart names a part that an upload is completed with, by what the client
// was told of it. Checksums, if any, must be among those that the part has.
type CompletePart struct {
	Number    int
	ETag      string // unquoted
	Checksums []Checksum
}

// PartFault says what is wrong with a part that an upload was to be completed with.
type PartFault uint8

// The faults.
const (
	PartMissing  PartFault = iota + 1 // no part of that number has that ETag
	PartOrder                         // the numbers don't ascend
	PartChecksum                      // it has another checksum
)

var partFaults = map[PartFault]string{
	PartMissing: "isn't there, or has another ETag", PartOrder: "is out of order", PartChecksum: "has another checksum",
}

// PartError is the error of CompleteUpload that tells which part is wrong, and how.
// Its kind is Invalid.
type PartError struct {
	Number int
	Fault  PartFault
}

// Error names the part and its fault.
func (e *PartError) Error() string { return fmt.Sprintf("part %d %s", e.Number, partFaults[e.Fault]) }

// Unwrap gives kind.Invalid.
func (*PartError) Unwrap() error { return kind.Invalid }

// CompleteUpload makes one object of parts, in the order of their numbers, and takes
// the upload away. No data is read or moved. What m gives for the parts that were
// chosen, which it may refuse, is the object's metadata; its MD5 is the one over
// the parts' MD5s if m gives none, and its error is returned as it is. m may be called
// again if parts were replaced meanwhile; nil: what the upload was created with.
//
// Repeated with the same parts within a day, it answers what it did, whatever has
// become of the object.
//
// NotExist as for Upload; *PartError; Invalid for no parts; else as
// ObjectWriter.Commit. Where a condition doesn't hold the upload stays as it is.
func (b *Bucket) CompleteUpload(ctx context.Context, key, id string, parts []CompletePart,
	m func([]PartInfo) (ObjectMeta, error), o CommitOptions,
) (Object, error) {
	done := b.fs.open.reading()
	defer done()
	var err error
	for range maxRebases {
		var obj Object
		obj, err = b.completeUpload(ctx, key, id, parts, m, o)
		if !errors.Is(err, errUploadChanged) {
			return obj, wrap("complete upload", err)
		}
	}
	return Object{}, wrap("complete upload", err)
}

// errUploadChanged is the answer of an attempt that found other parts than those
// that it had made an object of, or no upload any more.
var errUploadChanged = fmt.Errorf("the upload has changed meanwhile: %w", kind.Conflict)

// completeUpload is one attempt.
func (b *Bucket) completeUpload(ctx context.Context, key, id string, asked []CompletePart,
	m func([]PartInfo) (ObjectMeta, error), o CommitOptions,
) (Object, error) {
	u, err := b.upload(ctx, key, id)
	if errors.Is(err, kind.NotExist) {
		return b.completedBefore(ctx, key, id, asked, err)
	}
	if err != nil {
		return Object{}, err
	}
	c := &completion{u: u, asked: digestOf(asked)}
	if err := c.choose(ctx, asked); err != nil {
		return Object{}, err
	}
	var meta ObjectMeta
	if m != nil {
		meta, err = m(c.parts)
	} else {
		meta, err = b.fs.uploadMeta(ctx, u.entry)
	}
	if err != nil {
		return Object{}, err
	}
	c.digest(&meta)
	if c.dead, err = b.fs.nodesOf(ctx, u.v); err != nil {
		return Object{}, err
	}
	return c.commit(ctx, key, meta, o)
}

// completion is one attempt at completing an upload.
type completion struct {
	u       *upload
	asked   [32]byte
	entries []*dirtree.Entry // of the parts that were chosen, and what they tell
	parts   []PartInfo
	dead    [][32]byte // nodes of the upload's directory
}

// choose finds the parts that were asked for.
func (c *completion) choose(ctx context.Context, asked []CompletePart) error {
	if len(asked) == 0 {
		return fmt.Errorf("no parts: %w", kind.Invalid)
	}
	for i, p := range asked {
		if i > 0 && p.Number <= asked[i-1].Number {
			return &PartError{p.Number, PartOrder}
		}
	}
	next := 0
	for e, err := range c.u.v.dir.Scan(ctx, "") {
		if err != nil {
			return fmt.Errorf("read an upload: %w", err)
		}
		if err := e.Check(); err != nil {
			return err
		}
		info, err := c.u.tree.fs.partInfo(ctx, e)
		switch {
		case err != nil:
			return err
		case next == len(asked) || info.Number < asked[next].Number:
			continue
		}
		if err := info.is(&asked[next]); err != nil {
			return err
		}
		c.entries, c.parts = append(c.entries, e), append(c.parts, info)
		next++
	}
	if next < len(asked) {
		return &PartError{asked[next].Number, PartMissing}
	}
	return nil
}

// is demands that a part is the one that was asked for.
func (i *PartInfo) is(p *CompletePart) error {
	if i.Number != p.Number || !strings.EqualFold(i.ETag, p.ETag) {
		return &PartError{p.Number, PartMissing}
	}
	for _, want := range p.Checksums {
		same := func(have Checksum) bool {
			return have.Algorithm == want.Algorithm && string(have.Value) == string(want.Value)
		}
		if !slices.ContainsFunc(i.Checksums, same) {
			return &PartError{p.Number, PartChecksum}
		}
	}
	return nil
}

// digest gives the object the MD5 over those of its parts, unless it has one.
func (c *completion) digest(m *ObjectMeta) {
	if m.HasMD5 {
		return
	}
	h := md5.New()
	for i := range c.parts {
		p := &c.parts[i]
		if p.HasMD5 {
			h.Write(p.MD5[:])
			continue
		}
		sum := sha256.Sum256([]byte(p.ETag))
		h.Write(sum[:md5.Size])
	}
	m.HasMD5, m.Parts = true, len(c.parts)
	h.Sum(m.MD5[:0])
}

// commit puts the object, and takes the upload away.
func (c *completion) commit(ctx context.Context, key string, m ObjectMeta, o CommitOptions) (Object, error) {
	t, parts := c.u.bucket.Tree(), make([]Part, len(c.parts))
	for i, p := range c.parts {
		parts[i] = Part{Number: p.Number, Size: p.Size, Checksums: p.Checksums, Salt: p.Salt}
	}
	attrs, err := m.encode(parts)
	if err != nil {
		return Object{}, err
	}
	in := t.incoming(ctx, c.u.owner())
	defer in.Abort()
	joined, err := c.join(ctx, in.d)
	if err != nil {
		return Object{}, err
	}
	var e dirtree.Entry
	if err := in.d.attributes(ctx, joined, &e, attrs); err != nil {
		return Object{}, err
	}
	return t.putObject(ctx, key, joined, e, o, c.end)
}

// end takes the upload away in the commit of b, whose directory the parts are in up
// to this commit: so nothing of them can have been collected (formats 11).
func (c *completion) end(ctx context.Context, b *batch, put *dirtree.Entry) error {
	w, err := b.dir(ctx, c.u.write)
	if errors.Is(err, kind.NotExist) {
		return errUploadChanged
	}
	if err != nil {
		return err
	}
	if w.base.rec.Hash != c.u.v.rec.Hash || w.changed {
		if err := c.same(ctx, w); err != nil {
			return err
		}
	}
	memory, err := finished{key: c.u.info.Key, asked: c.asked}.entry(c.u.info.ID, put, b.fs.now())
	if err != nil {
		return err
	}
	return c.u.end(ctx, b, c.dead, memory)
}

// same demands that the parts that were chosen are what stands in the directory now.
func (c *completion) same(ctx context.Context, w *work) error {
	for _, e := range c.entries {
		now, err := get(ctx, w, e.Name)
		if err != nil {
			return err
		}
		if now == nil || !sameEntry(now, e) {
			return errUploadChanged
		}
	}
	return nil
}

// joinSmall is how many bytes of small parts become one chunk.
const joinSmall = 4 << 10
