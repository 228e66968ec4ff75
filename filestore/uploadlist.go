package filestore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Parts lists the parts of an unfinished upload whose numbers come after the given
// one, ascending, at most limit of them, and tells whether there are more.
func (b *Bucket) Parts(ctx context.Context, key, id string, after, limit int) (parts []PartInfo, more bool, err error) {
	parts, more, err = b.listParts(ctx, key, id, after, limit)
	return parts, more, wrap("list parts", err)
}

func (b *Bucket) listParts(ctx context.Context, key, id string, after, limit int) ([]PartInfo, bool, error) {
	done := b.fs.open.reading()
	defer done()
	u, err := b.upload(ctx, key, id)
	if err != nil {
		return nil, false, err
	}
	if after >= MaxParts {
		return nil, false, nil
	}
	last := ""
	if after > 0 {
		if last, err = partName(after); err != nil {
			return nil, false, err
		}
	}
	var parts []PartInfo
	for e, err := range u.v.dir.Scan(ctx, last) {
		switch {
		case err != nil:
			return nil, false, fmt.Errorf("read an upload: %w", err)
		case len(parts) >= limit:
			return parts, true, nil
		}
		info, err := b.fs.partInfo(ctx, e)
		if err != nil {
			return nil, false, err
		}
		parts = append(parts, info)
	}
	return parts, false, nil
}

// ListUploadsOptions say which unfinished uploads are listed: those whose keys begin
// with Prefix and come after After; with UploadAfter those of the key After, too,
// that come after that id. With Delimiter, keys that hold it after the prefix are
// given as what they have up to it, once; of one that is given as After everything
// is skipped. Max is the most items, no more than 1000; zero: 1000.
type ListUploadsOptions struct {
	Prefix, Delimiter  string
	After, UploadAfter string
	Max                int
}

// UploadItem is an unfinished upload, or a Prefix that keys of some have in common.
type UploadItem struct {
	Prefix string
	Upload UploadInfo
}

// UploadList is a page of a list. If it is Truncated, Next and NextUpload are After
// and UploadAfter for the next one.
type UploadList struct {
	Items            []UploadItem
	Truncated        bool
	Next, NextUpload string
}

// maxUploadPage is the longest page.
const maxUploadPage = 1000

// Uploads lists unfinished uploads by their keys, those of one key by the time of
// their initiation.
func (b *Bucket) Uploads(ctx context.Context, o ListUploadsOptions) (UploadList, error) {
	l, err := b.listUploads(ctx, o)
	return l, wrap("list uploads", err)
}

func (b *Bucket) listUploads(ctx context.Context, o ListUploadsOptions) (UploadList, error) {
	done := b.fs.open.reading()
	defer done()
	if o.Max <= 0 || o.Max > maxUploadPage {
		o.Max = maxUploadPage
	}
	v, err := b.fs.latest(ctx, b.uploadsTree().read)
	if err != nil {
		return UploadList{}, err
	}
	l := uploadLister{fs: b.fs, v: v, o: o}
	return l.page(ctx)
}

// uploadLister makes one page.
type uploadLister struct {
	fs   *FS
	v    *version
	o    ListUploadsOptions
	out  UploadList
	skip string // a common prefix that was given
}

func (l *uploadLister) page(ctx context.Context) (UploadList, error) {
	if c := l.common(l.o.After); c != "" && c == l.o.After && l.o.UploadAfter == "" {
		l.skip = c
	}
	at, _ := uploadFront(max(l.o.Prefix, l.o.After))
	for {
		if front, whole := uploadFront(l.skip); l.skip != "" && whole {
			at = max(at, after(front))
		}
		group, err := l.group(ctx, at)
		if err != nil || len(group) == 0 {
			return l.out, err
		}
		at = group[len(group)-1].e.SortKey() + "\x00"
		slices.SortFunc(group, func(a, b listedUpload) int {
			if c := strings.Compare(a.info.Key, b.info.Key); c != 0 {
				return c
			}
			return strings.Compare(a.info.ID, b.info.ID)
		})
		for i := range group {
			if more := l.take(&group[i].info); !more {
				return l.out, nil
			}
		}
	}
}

type listedUpload struct {
	e    *dirtree.Entry
	info UploadInfo
}

// uploadGroup is how many uploads are read together.
const uploadGroup = 64

// group reads uploads from a name on, all those together that may not lie by their
// keys.
func (l *uploadLister) group(ctx context.Context, at string) ([]listedUpload, error) {
	var group []listedUpload
	for e, err := range l.v.dir.ScanFrom(ctx, at) {
		if err != nil {
			return nil, fmt.Errorf("read uploads: %w", err)
		}
		if len(group) >= uploadGroup {
			front, is := crowded(e.Name)
			if before, _ := crowded(group[len(group)-1].e.Name); !is || before != front {
				break
			}
		}
		info, err := l.fs.uploadInfo(ctx, e)
		if err == nil {
			info.Meta, err = l.fs.uploadMeta(ctx, e)
		}
		switch {
		case err == nil:
		case kind.Of(err) != kind.Corrupt:
			return nil, err
		case info.Key == "":
			continue // nothing tells whose it is: it expires
		default:
			info.Meta = ObjectMeta{} // it is shown without, so that it can be aborted
		}
		group = append(group, listedUpload{e, info})
	}
	return group, nil
}

// take adds an upload to the page, if it belongs there, and tells whether there may
// be more.
func (l *uploadLister) take(u *UploadInfo) (more bool) {
	switch {
	case !strings.HasPrefix(u.Key, l.o.Prefix):
		return u.Key < l.o.Prefix
	case l.skip != "" && strings.HasPrefix(u.Key, l.skip), u.Key < l.o.After,
		u.Key == l.o.After && (l.o.UploadAfter == "" || u.ID <= l.o.UploadAfter):
		return true
	case len(l.out.Items) == l.o.Max:
		l.out.Truncated = true
		return false
	}
	if l.skip = l.common(u.Key); l.skip != "" {
		l.out.Items = append(l.out.Items, UploadItem{Prefix: l.skip})
		l.out.Next, l.out.NextUpload = l.skip, ""
		return true
	}
	l.out.Items = append(l.out.Items, UploadItem{Upload: *u})
	l.out.Next, l.out.NextUpload = u.Key, u.ID
	return true
}

// common is what a key has up to the delimiter after the prefix, with that; empty if
// there is none.
func (l *uploadLister) common(key string) string {
	rest, ok := strings.CutPrefix(key, l.o.Prefix)
	if !ok || l.o.Delimiter == "" {
		return ""
	}
	before, _, found := strings.Cut(rest, l.o.Delimiter)
	if !found {
		return ""
	}
	return l.o.Prefix + before + l.o.Delimiter
}
