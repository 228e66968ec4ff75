package sftpd

import (
	"context"

	"github.com/truckee-fs/truckee/filestore"
)

// appender places the data of a handle that was opened with FXF_APPEND.
//
// Clients disagree about what the offset of a WRITE means there: OpenSSH's
// `reput` and sshfs send absolute offsets, others count from zero, and clients
// with several requests in flight send them out of order. So data goes
//
//   - where its offset says, if that is the end of the file, lies beyond it, or
//     lies in a gap that this handle left;
//   - to the end otherwise, and what follows it goes behind it: offsets from
//     zero, or from an end that somebody else has moved, keep their distance.
//
// The end is the filestore's at the moment of the write, so that two clients
// who append to one file lose nothing. Where somebody else has cut the file, as
// those do who put logs aside, an offset means the old one, and leaves no gap.
// Nor does one that follows an offset which fits nothing: paramiko sends the place
// that was read last, and after it the end that it knows.
type appender struct {
	file   file // opened with Append: writes go to the end
	placed file // opened without, when first needed; nil until then
	open   func(context.Context) (file, error)
	shift  int64 // added to offsets
	gaps   []gap // bytes that this handle skipped, ascending
	end    int64 // of the file when this handle was opened, or wrote last
	astray bool  // the offset of the last write was neither 0 nor an end
}

// gap is a run of bytes from off to end.
type gap struct{ off, end int64 }

// maxGaps bounds what a handle remembers; a client with that many requests out
// of order has its data put at the end.
const maxGaps = 256

func (a *appender) writeAt(ctx context.Context, b []byte, off int64) (int, error) {
	info, err := a.file.Stat(ctx)
	if err != nil {
		return 0, err
	}
	at, cut := off+a.shift, info.Size < a.end
	if cut {
		a.gaps = nil
	}
	if !cut && !a.astray && at != info.Size && (at > info.Size && len(a.gaps) < maxGaps || a.inGap(at, int64(len(b)))) {
		if f := a.place(ctx, info.FileID); f != nil {
			if at > info.Size {
				a.gaps = append(a.gaps, gap{info.Size, at})
			} else {
				a.fill(at, int64(len(b)))
			}
			a.end = max(info.Size, at+int64(len(b)))
			return f.WriteAt(ctx, b, at)
		}
	}
	a.astray = off != 0 && off != info.Size && at != info.Size && at != a.end
	n, err := a.file.WriteAt(ctx, b, info.Size)
	a.shift = info.Size - off
	a.end = info.Size + int64(n)
	return n, err
}

// place returns a handle on the same file that writes where it is told, or nil
// if the file is not there under its name any more.
func (a *appender) place(ctx context.Context, id filestore.FileID) file {
	if a.placed != nil {
		return a.placed
	}
	f, err := a.open(ctx)
	if err != nil {
		return nil
	}
	if i, err := f.Stat(ctx); err != nil || i.FileID != id {
		f.Discard()
		return nil
	}
	a.placed = f
	return f
}

func (a *appender) inGap(at, n int64) bool {
	for _, g := range a.gaps {
		if g.off <= at && at+n <= g.end {
			return true
		}
	}
	return false
}

// fill takes what is written at at out of the gap that it lies in.
func (a *appender) fill(at, n int64) {
	for i, g := range a.gaps {
		if g.off > at || at+n > g.end {
			continue
		}
		a.gaps = append(a.gaps[:i], a.gaps[i+1:]...)
		if g.off < at {
			a.gaps = append(a.gaps, gap{g.off, at})
		}
		if at+n < g.end {
			a.gaps = append(a.gaps, gap{at + n, g.end})
		}
		return
	}
}

// appending is the file of an appending handle, as a session uses it.
type appending struct {
	file
	a appender
}

func newAppending(ctx context.Context, f file, open func(context.Context) (file, error)) *appending {
	a := &appending{f, appender{file: f, open: open}}
	if i, err := f.Stat(ctx); err == nil {
		a.a.end = i.Size
	}
	return a
}

// SetAttr may set a new end, which is no surprise for what this handle writes.
func (f *appending) SetAttr(ctx context.Context, a filestore.Attr) error {
	err := f.file.SetAttr(ctx, a)
	if err == nil && a.Has(filestore.AttrSize) {
		f.a.end = a.Size
	}
	return err
}

func (f *appending) WriteAt(ctx context.Context, b []byte, off int64) (int, error) {
	return f.a.writeAt(ctx, b, off)
}

// Close commits what both handles wrote.
func (f *appending) Close(ctx context.Context) error {
	var err error
	if f.a.placed != nil {
		err = f.a.placed.Close(ctx)
	}
	if cerr := f.file.Close(ctx); err == nil {
		err = cerr
	}
	return err
}

func (f *appending) Discard() {
	if f.a.placed != nil {
		f.a.placed.Discard()
	}
	f.file.Discard()
}
