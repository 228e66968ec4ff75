package filestore

import (
	"context"
	"errors"
	"strings"
)

// ListOptions say what a listing shows: keys that begin with Prefix and come after
// After, in byte order, Max at most. With a Delimiter, keys that have it after the
// prefix are shown by what they have in common up to there, once; if After is such
// a common prefix, everything below it is passed over.
type ListOptions struct {
	Prefix, Delimiter, After string

	Max  int
	Meta bool // all of ObjectMeta, not only what ETag and Checksums need
}

// ListItem is a common prefix, or an object.
type ListItem struct {
	Prefix string
	Object Object
}

// ObjectList is a page of a listing. If it is Truncated, it goes on after Next. Then
// it may have fewer items than asked for, or none: a page has its bounds.
type ObjectList struct {
	Items     []ListItem
	Truncated bool
	Next      string
}

// ListObjects lists a page of the bucket's objects. What it costs follows from the
// page, not from what the bucket holds beside it. Each directory is shown as of one
// moment; what was there before the first page of a listing and after the last is
// in it, exactly once.
func (b *Bucket) ListObjects(ctx context.Context, o ListOptions) (ObjectList, error) {
	if o.Max <= 0 {
		return ObjectList{}, nil
	}
	t := b.Tree()
	t.used.touch()
	done := t.fs.open.reading()
	defer done()
	l := objectLister{t: t, o: o, from: o.first(), types: ofListing[:]}
	if o.Meta {
		l.types = ofMeta[:]
	}
	err := l.all(ctx)
	if err != nil && !errors.Is(err, errListed) {
		return ObjectList{}, wrap("list objects", err)
	}
	return l.page(), nil
}

// first is the least key that the options let through.
func (o *ListOptions) first() string {
	if o.After == "" {
		return o.Prefix
	}
	if p, ok := o.common(o.After); ok && p == o.After {
		return max(o.Prefix, following(o.After))
	}
	return max(o.Prefix, o.After+"\x00")
}

// common is the common prefix that keys are shown by which begin with key.
func (o *ListOptions) common(key string) (string, bool) {
	if o.Delimiter == "" || !strings.HasPrefix(key, o.Prefix) {
		return "", false
	}
	i := strings.Index(key[len(o.Prefix):], o.Delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(o.Prefix)+i+len(o.Delimiter)], true
}

// following is the least string above all that begin with p.
func following(p string) string {
	b := []byte(p)
	for n := len(b); n > 0; n-- {
		if b[n-1] < 0xff {
			b[n-1]++
			return string(b[:n])
		}
	}
	return strings.Repeat("\xff", MaxKey+1)
}
