package filestore

import (
	"context"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

func (l *objectLister) page() ObjectList {
	p := ObjectList{Items: l.items, Truncated: l.more}
	if n := len(l.items); l.more && n > 0 {
		last := &l.items[n-1]
		if p.Next = last.Prefix; p.Next == "" {
			p.Next = last.Object.Key
		}
	} else if l.more {
		p.Next = l.at // nothing stands between that and the directory
	}
	return p
}

// describe tells what a listing shows of an object. Attributes that make no sense
// must not hide the other keys: it is shown without them.
func (l *objectLister) describe(ctx context.Context, e *dirtree.Entry, key string) (Object, error) {
	in := e
	if e.Kind == dirtree.MutableFile {
		v, err := l.slot(ctx, e.Dir)
		if err != nil {
			return Object{}, err
		}
		if in, err = v.contents(ctx); err != nil {
			return Object{}, err
		}
	}
	o, err := l.t.fs.object(ctx, key, e, in, l.types...)
	if kind.Of(err) == kind.Corrupt {
		o, err = l.t.fs.object(ctx, key, e, in)
	}
	return o, err
}

// object adds an object, or the common prefix that it is shown by.
func (l *objectLister) object(ctx context.Context, e *dirtree.Entry, key string) error {
	if !isObject(e) {
		return nil
	}
	if p, rolled := l.o.common(key); rolled {
		return l.prefix(p)
	}
	if l.full() {
		return errListed
	}
	o, err := l.describe(ctx, e, key)
	if err != nil {
		return err
	}
	l.items = append(l.items, ListItem{Object: o})
	l.from = key + "\x00"
	return nil
}

// prefix adds a common prefix.
func (l *objectLister) prefix(p string) error {
	if l.full() {
		return errListed
	}
	l.items = append(l.items, ListItem{Prefix: p})
	l.from = following(p)
	return nil
}

// full reports whether the page is, when there is something more to show.
func (l *objectLister) full() bool {
	l.more = len(l.items) >= l.o.Max
	return l.more
}
