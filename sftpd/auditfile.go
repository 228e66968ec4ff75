package sftpd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/audit"
)

func (r *recorded) Open(ctx context.Context, p filestore.Path, o filestore.OpenOptions) (file, error) {
	if err := r.rec.Ready(); err != nil {
		return nil, err
	}
	a := r.about(audit.Read, p)
	if o.Write {
		a.Op = audit.Write
	}
	a.Detail = openText(o)
	began := time.Now()
	f, err := r.tree.Open(ctx, p, o)
	if err != nil {
		return nil, r.told(a, began, err)
	}
	rf := &recordedFile{file: f, r: r, a: a, began: began, writes: o.Write}
	if o.Write && !o.Append && audit.Digests(r.rec) {
		rf.hash = sha256.New()
	}
	return rf, nil
}

// openText tells how a file was opened, where that changes it.
func openText(o filestore.OpenOptions) string {
	var words []string
	for _, w := range []struct {
		on   bool
		word string
	}{{o.Write && o.Create, "create"}, {o.Exclusive, "exclusive"}, {o.Truncate, "truncate"}, {o.Append, "append"}} {
		if w.on {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, " ")
}

// openPart opens a recorded file a second time: what is done to the part stands in
// the record of the whole.
func openPart(ctx context.Context, t tree, whole file, p filestore.Path, o filestore.OpenOptions) (file, error) {
	r, ok := t.(*recorded)
	if !ok {
		return t.Open(ctx, p, o)
	}
	f, err := r.tree.Open(ctx, p, o)
	if err != nil {
		return nil, err
	}
	return filePart{f, whole.(*recordedFile)}, nil
}

// recordedFile is a file that counts what is done to it.
type recordedFile struct {
	file
	r      *recorded
	began  time.Time
	writes bool

	mu     sync.Mutex // guards the fields below
	a      audit.Record
	failed error // the first error
	ended  bool
	hash   hash.Hash // of what was written, from the first byte on without a gap; nil: none is made
	hashed int64     // bytes of that
}

// digest adds what was written at off to the hash, and gives it up if that isn't
// where it ended: it would take reading the file.
func (f *recordedFile) digest(b []byte, off int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hash == nil {
		return
	}
	if err != nil || off != f.hashed {
		f.hash = nil
		return
	}
	f.hash.Write(b)
	f.hashed += int64(len(b))
}

// touched notes n bytes at off that went one way.
func (f *recordedFile) touched(bytes *int64, n int, off int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n > 0 {
		if f.a.Read+f.a.Written == 0 {
			f.a.From = off
		}
		*bytes += int64(n)
		f.a.From, f.a.To = min(f.a.From, off), max(f.a.To, off+int64(n))
	}
	if err != nil && f.failed == nil && !errors.Is(err, io.EOF) {
		f.failed = err
	}
}

func (f *recordedFile) ReadAt(ctx context.Context, b []byte, off int64) (int, error) {
	n, err := f.file.ReadAt(ctx, b, off)
	f.touched(&f.a.Read, n, off, err)
	return n, err
}

func (f *recordedFile) WriteAt(ctx context.Context, b []byte, off int64) (int, error) {
	n, err := f.file.WriteAt(ctx, b, off)
	f.touched(&f.a.Written, n, off, err)
	f.digest(b[:n], off, err)
	return n, err
}

// SetAttr belongs to the record of a file that is being written; on another it is
// an operation of its own.
func (f *recordedFile) SetAttr(ctx context.Context, attr filestore.Attr) error {
	if !f.writes {
		a := f.r.who
		a.Op, a.Path, a.Detail = audit.Setattr, f.a.Path, attrText(attr)
		return f.r.do(a, func() error { return f.file.SetAttr(ctx, attr) })
	}
	err := f.file.SetAttr(ctx, attr)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.failed == nil {
		f.failed = err
	}
	if attr.Has(filestore.AttrSize) { // the other attributes tell nothing of the contents
		if attr.Size < f.hashed {
			f.hash = nil // bytes that were hashed are gone
		}
		f.a.Detail = strings.TrimSpace(fmt.Sprintf("%s size=%d", f.cutSize(), attr.Size))
	}
	return err
}

// cutSize is the detail without a size that was set before.
func (f *recordedFile) cutSize() string {
	detail, _, _ := strings.Cut(f.a.Detail, "size=")
	return strings.TrimSpace(detail)
}

func (f *recordedFile) Sync(ctx context.Context) error {
	err := f.file.Sync(ctx)
	f.touched(new(int64), 0, 0, err)
	return err
}

// Close commits, and then records. An error of the record means that the file is
// there and nobody may be told so.
func (f *recordedFile) Close(ctx context.Context) error {
	f.look(ctx)
	err := f.file.Close(ctx)
	if rerr := f.end(err); err == nil {
		return rerr
	}
	return err
}

func (f *recordedFile) Discard() {
	f.look(context.Background())
	f.file.Discard()
	_ = f.end(audit.Dropped)
}

// look notes what the file is, while it can be asked.
func (f *recordedFile) look(ctx context.Context) {
	i, err := f.file.Stat(ctx)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.a.Size = i.Size
	if i.FileID != (filestore.FileID{}) {
		f.a.Object = fmt.Sprintf("%x", i.FileID[:])
	}
}

// end records, once. What failed on the way is the outcome of a file that was
// closed well.
func (f *recordedFile) end(err error) error {
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return nil
	}
	f.ended = true
	a, failed := f.a, f.failed
	if err == nil && failed == nil && f.hash != nil && f.hashed > 0 && f.hashed == a.Size {
		a.Digest = audit.Digest(f.hash.Sum(nil))
	}
	f.mu.Unlock()
	switch {
	case err == nil:
		err = failed
	case failed != nil:
		a.Detail = strings.TrimSpace(a.Detail + " after=" + audit.Outcome(failed))
	}
	a.Took, a.Err = time.Since(f.began), err
	return f.r.rec.Record(a)
}

// filePart is a second handle on a recorded file.
type filePart struct {
	file
	whole *recordedFile
}

func (p filePart) WriteAt(ctx context.Context, b []byte, off int64) (int, error) {
	n, err := p.file.WriteAt(ctx, b, off)
	p.whole.touched(&p.whole.a.Written, n, off, err)
	p.whole.digest(nil, -1, nil)
	return n, err
}

func (p filePart) Close(ctx context.Context) error {
	err := p.file.Close(ctx)
	p.whole.touched(new(int64), 0, 0, err)
	return err
}
