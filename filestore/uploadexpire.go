package filestore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// ExpireUploads aborts the unfinished uploads of all buckets of which no part was put
// since a time, and forgets completions that are no longer remembered. It returns
// how many uploads it has aborted, also beside an error.
func (fs *FS) ExpireUploads(ctx context.Context, before time.Time) (int, error) {
	buckets, err := fs.buckets.list(ctx, nil, "", "", 0)
	if err != nil {
		return 0, wrap("expire uploads", err)
	}
	aborted := 0
	var failed error
	for _, s := range buckets {
		n, err := fs.bucket(s, MountOptions{}).expireUploads(ctx, before)
		aborted += n
		if err != nil && !errors.Is(err, kind.NotExist) {
			failed = errors.Join(failed, fmt.Errorf("bucket: %w", err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return aborted, wrap("expire uploads", failed)
}

func (b *Bucket) expireUploads(ctx context.Context, before time.Time) (int, error) {
	done := b.fs.open.reading()
	defer done()
	t := b.uploadsTree()
	v, err := b.fs.latest(ctx, t.read)
	if err != nil {
		return 0, err
	}
	aborted := 0
	var damaged error
	var forgotten []string
	for e, err := range v.writable(*t.write).Scan(ctx, "") {
		switch {
		case err != nil:
			return aborted, fmt.Errorf("read uploads: %w", err)
		case strings.HasPrefix(e.Name, finishedMark):
			if b.fs.now().Sub(time.Unix(0, e.Mtime)) < rememberUploads {
				continue
			}
			if forgotten = append(forgotten, e.Name); len(forgotten) == forgetAtOnce {
				if err := t.forgetUploads(ctx, forgotten); err != nil {
					return aborted, err
				}
				forgotten = nil
			}
		case time.Unix(0, e.Mtime).Before(before):
			is, err := b.expireUpload(ctx, e, before)
			switch {
			case kind.Of(err) == kind.Corrupt:
				damaged = err // it must not keep the others
			case err != nil:
				return aborted, err
			case is:
				aborted++
			}
		}
	}
	if err := t.forgetUploads(ctx, forgotten); err != nil {
		return aborted, err
	}
	return aborted, damaged
}

// expireUpload aborts an upload, if no part was put since.
func (b *Bucket) expireUpload(ctx context.Context, e *dirtree.Entry, before time.Time) (bool, error) {
	u, err := b.uploadAt(ctx, b.uploadsTree(), e)
	if err == nil && !time.Unix(0, u.v.state.Mtime).Before(before) {
		return false, nil
	}
	if err == nil {
		err = u.abort(ctx)
	}
	if errors.Is(err, kind.NotExist) {
		return false, nil // by somebody else
	}
	return err == nil, err
}

// forgetAtOnce is how many completions are forgotten by one commit.
const forgetAtOnce = 500

func (t *Tree) forgetUploads(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	return t.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		w, err := b.dir(ctx, *t.write)
		if err != nil {
			return err
		}
		files := b.op.files
		for _, name := range names {
			e, err := get(ctx, w, name)
			if err != nil {
				return err
			}
			if e == nil {
				continue
			}
			if err := w.take(ctx, e); err != nil {
				return err
			}
		}
		b.op.files = files
		return nil
	}})
}
