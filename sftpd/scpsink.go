package sftpd

import (
	"errors"
	"fmt"
	"io"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// receive runs `scp -t`.
func (t *transfer) receive(target string) error {
	if t.wantDir {
		if i, err := t.stat(target); err != nil || i.Kind != filestore.KindDir {
			if err == nil {
				err = kind.NotDir
			}
			t.fail("%s: %s", target, errnoText(err))
			return errSCPEnd
		}
	}
	err := t.sink(target, 0)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (t *transfer) stat(name string) (filestore.Info, error) {
	p, err := t.path(name)
	if err != nil {
		return filestore.Info{}, err
	}
	return t.tree.Stat(t.ctx, p)
}

// sink receives what goes to target, or into it if it is a directory, up to the
// end of a directory record (nil) or of the client (io.EOF).
func (t *transfer) sink(target string, depth int) error {
	if err := t.ok(); err != nil {
		return err
	}
	i, err := t.stat(target)
	into := err == nil && i.Kind == filestore.KindDir
	var times filestore.Attr
	for {
		rec, err := t.readRecord()
		if err != nil {
			return err
		}
		at := target
		if into {
			at = target + "/" + rec.name
		}
		switch rec.kind {
		case 1:
			t.failed = true
			continue
		case 2:
			return fmt.Errorf("scp: %.64q: %w", rec.text, errSCPEnd)
		case 'E':
			return t.ok()
		case 'T':
			times = rec.times
			err = t.ok()
		case 'D':
			err = t.sinkDir(at, rec, times, depth)
			times = filestore.Attr{}
		default:
			err = t.sinkFile(at, rec, times)
			times = filestore.Attr{}
		}
		if err != nil {
			return err
		}
	}
}

// sinkDir makes a directory and receives what is in it.
func (t *transfer) sinkDir(at string, rec record, times filestore.Attr, depth int) error {
	switch {
	case !t.recursive:
		return t.screwed("received directory without -r")
	case depth >= maxSCPDepth:
		return t.screwed("directories are too deep")
	}
	a := times
	p, err := t.path(at)
	if err == nil {
		a, err = t.makeDir(p, rec.mode, times)
	}
	if err != nil {
		t.fail("%s: %s", at, errnoText(err))
		return nil
	}
	if err := t.sink(at, depth+1); err != nil {
		return err
	}
	if a.Set != 0 {
		if err := t.tree.SetAttr(t.ctx, p, a, true); err != nil {
			t.fail("%s: set attributes: %s", at, errnoText(err))
		}
	}
	return nil
}

// makeDir makes a directory unless it is there, and gives the attributes that it
// has to get when it is full.
func (t *transfer) makeDir(p filestore.Path, mode uint32, times filestore.Attr) (later filestore.Attr, err error) {
	later = times
	if t.preserve {
		later.Set |= filestore.AttrMode
		later.Mode = mode
	}
	switch i, err := t.tree.Stat(t.ctx, p); {
	case err == nil && i.Kind != filestore.KindDir:
		return later, kind.NotDir
	case err == nil:
		return later, nil
	case kind.Of(err) != kind.NotExist:
		return later, err
	}
	if !t.preserve {
		mode &^= t.umask
		if mode&0o700 != 0o700 {
			later.Set |= filestore.AttrMode
			later.Mode = mode
		}
	}
	return later, t.tree.Mkdir(t.ctx, p, filestore.Attr{Set: filestore.AttrMode, Mode: mode | 0o700})
}

// sinkFile receives a file. Its answer follows durability.
func (t *transfer) sinkFile(at string, rec record, times filestore.Attr) error {
	p, err := t.path(at)
	if err == nil && slashed([]byte(at)) {
		err = kind.IsDir // that isn't there, or no directory
	}
	var f file
	if err == nil {
		f, err = t.tree.Open(t.ctx, p, filestore.OpenOptions{
			Write: true, Create: true, Truncate: true,
			Attr: filestore.Attr{Set: filestore.AttrMode, Mode: rec.mode &^ t.umask},
		})
	}
	if err != nil {
		t.fail("%s: %s", at, errnoText(err))
		return nil
	}
	if err := t.ok(); err != nil {
		f.Discard()
		return err
	}
	broken, err := t.takeBytes(f, rec.size)
	if err != nil {
		f.Discard()
		return err
	}
	whole, gone := t.response()
	// libssh2 hangs up after the last byte and says no more: they are all there.
	whole = whole || errors.Is(gone, io.ErrUnexpectedEOF)
	switch {
	case !whole && gone != nil:
		f.Discard()
		return gone
	case !whole || broken != nil:
		f.Discard()
	default:
		broken = t.finish(f, rec, times)
	}
	if broken != nil {
		t.fail("%s: %s", at, errnoText(broken))
		return gone
	}
	if gone != nil {
		return gone
	}
	return t.ok()
}

// takeBytes writes what the client sends to f. After a write that failed the
// rest is read all the same: the client doesn't listen before the end. broken
// is the file's error, err the connection's.
func (t *transfer) takeBytes(f file, size int64) (broken, err error) {
	for off := int64(0); off < size; {
		n, err := t.r.Read(t.buf[:min(int64(len(t.buf)), size-off)])
		if n > 0 && broken == nil {
			_, broken = f.WriteAt(t.ctx, t.buf[:n], off)
			t.tally.took(n)
		}
		off += int64(n)
		if err != nil && off < size {
			return broken, fmt.Errorf("scp: %w", noEOF(err))
		}
	}
	return broken, nil
}

// finish gives the file its attributes and commits it.
func (t *transfer) finish(f file, rec record, times filestore.Attr) error {
	a := times
	if t.preserve {
		a.Set |= filestore.AttrMode
		a.Mode = rec.mode
	}
	if a.Set != 0 {
		if err := f.SetAttr(t.ctx, a); err != nil {
			f.Discard()
			return err
		}
	}
	return f.Close(t.ctx)
}
