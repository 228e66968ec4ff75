package filestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/filestore/dirtree"
)

// VersionListOptions are ListOptions; a page goes on within the versions of the key
// After, behind VersionAfter, unless that is the zero id.
type VersionListOptions struct {
	ListOptions
	VersionAfter VersionID
}

// VersionList is a page of versions: of each key the newest first, delete markers
// among them. If it is Truncated, it goes on after Next and NextVersion.
type VersionList struct {
	ObjectList
	NextVersion VersionID
}

// ListVersions lists a page of all versions in the bucket, as ListObjects lists
// what is current. The versions of a bucket that was never versioned are null.
func (b *Bucket) ListVersions(ctx context.Context, o VersionListOptions) (VersionList, error) {
	if o.Max <= 0 {
		return VersionList{}, nil
	}
	t := b.Tree()
	t.used.touch()
	done := t.fs.open.reading()
	defer done()
	l := versionLister{objectLister: objectLister{t: t, o: o.ListOptions, from: o.first(), types: ofListing[:]}}
	if o.Meta {
		l.types = ofMeta[:]
	}
	if _, rolled := o.common(o.After); !o.VersionAfter.IsLatest() && !rolled && o.After >= o.Prefix {
		l.from, l.resume, l.after = o.After, o.After, &o.VersionAfter
	}
	err := l.all(ctx)
	if err != nil && !errors.Is(err, errListed) {
		return VersionList{}, wrap("list versions", err)
	}
	p := VersionList{ObjectList: l.page()}
	if n := len(l.items); p.Truncated && n > 0 {
		p.NextVersion = l.items[n-1].Object.Version
	}
	return p, nil
}

// versionLister is one listing of versions under way.
type versionLister struct {
	objectLister
	resume string     // the key within whose versions the page begins
	after  *VersionID // behind which of them; nil: no more

	// Of the key at hand.
	key      string
	begun    bool           // something of it was met
	null     *dirtree.Entry // its null version, if that isn't current and still to come
	history  *dirtree.Dir
	historic bool // null was looked for
}

func (l *versionLister) all(ctx context.Context) error {
	v, err := l.slot(ctx, l.t.read)
	if err != nil {
		return err
	}
	return l.directory(ctx, v, "")
}

// directory lists what is in a directory, or hidden in it, whose keys begin with
// base.
func (l *versionLister) directory(ctx context.Context, v *version, base string) error {
	if v.state.Tombstone {
		return nil
	}
	l.way = append(l.way, v.rec.ID)
	defer func() { l.way = l.way[:len(l.way)-1] }()
	return l.trees(ctx, v.dir, v.history(), base)
}

// trees lists a directory by its two trees.
func (l *versionLister) trees(ctx context.Context, tree, history *dirtree.Dir, base string) error {
	for {
		seek := ""
		if l.from > base {
			var below bool
			if seek, below = strings.CutPrefix(l.from, base); !below {
				return nil
			}
		}
		if i := strings.IndexByte(seek, '/'); i >= 0 {
			seek = seek[:i+1]
		}
		past := seek
		if l.after != nil && base+seek == l.resume && !strings.HasSuffix(seek, "/") {
			var err error
			if past, err = l.behind(ctx, tree, history, seek); err != nil {
				return err
			}
		}
		again, err := l.scan(ctx, tree, history, base, seek, past)
		if err != nil || !again {
			return err
		}
	}
}

// behind finds where the history tree goes on behind the version at which the page
// before has ended. If that was a null version that is gone, it is not known where
// that stood, and the key's versions come from the newest on.
func (l *versionLister) behind(ctx context.Context, tree, history *dirtree.Dir, name string) (string, error) {
	if !l.after.Null {
		return l.after.historyKey(name) + "\x00", nil
	}
	e, err := get(ctx, tree, name)
	if err != nil {
		return "", err
	}
	if !isObject(e) || !versionOf(e).Null {
		if e, err = get(ctx, history, nullVersion.historyKey(name)); err != nil {
			return "", err
		}
	}
	if e == nil {
		l.after = nil
		return name, nil
	}
	at := versionOf(e)
	l.after = &at
	return dirtree.HistoryKey(name, at.V, at.I) + "\x00", nil
}

// scan lists both trees from a sort key on, and from one of the history. It reports
// whether the scan should begin anew where l.from is by then.
func (l *versionLister) scan(ctx context.Context, tree, history *dirtree.Dir, base, seek, past string) (again bool, err error) {
	skipped := 0
	l.history = history
	for m, err := range merged(tree.ScanFrom(ctx, seek), history.ScanFrom(ctx, past)) {
		if err != nil {
			return false, fmt.Errorf("read a directory: %w", err)
		}
		passed, err := l.entry(ctx, m, base+m.sortKey)
		if err != nil {
			return false, err
		}
		l.history = history // a directory below had its own
		if skipped++; !passed {
			skipped = 0
		}
		if skipped >= listSkip {
			return true, nil
		}
	}
	return false, nil
}

// entry lists one entry, and reports whether it was passed over.
func (l *versionLister) entry(ctx context.Context, e mergedEntry, key string) (passed bool, err error) {
	dir := e.Kind.IsDir()
	if wanted, err := l.wants(key, dir); !wanted {
		return err == nil, err
	}
	if dir {
		return false, l.child(ctx, e.Entry, key)
	}
	if !isObject(e.Entry) {
		return false, nil
	}
	if p, rolled := l.o.common(key); rolled {
		return false, l.prefix(p)
	}
	return false, l.version(ctx, e, key)
}

// child lists a directory below. What is in it may be shown by a common prefix:
// then the first version in it is all that is looked for.
func (l *versionLister) child(ctx context.Context, e *dirtree.Entry, key string) error {
	if err := l.visit(key); err != nil {
		return err
	}
	if err := e.Check(); err != nil {
		return fmt.Errorf("read a directory: %w", err)
	}
	if e.Kind == dirtree.FrozenDir {
		d := l.t.fs.frozen(e.Frozen).dir
		return l.trees(ctx, d, dirtree.OpenHistory(dirtree.Keys{Read: l.t.read}, dirtree.Root{}, l.t.fs.source, nil), key)
	}
	if slices.Contains(l.way, slotID(e.Dir.ID())) {
		return nil // some client has linked it below itself
	}
	v, err := l.slot(ctx, e.Dir)
	if err != nil {
		return err
	}
	return l.directory(ctx, v, key)
}

// version lists one version of a key; the null version among those of the history
// comes where it was made, not where it stands.
func (l *versionLister) version(ctx context.Context, e mergedEntry, key string) error {
	if l.key != key || !l.begun {
		l.key, l.begun, l.null, l.historic = key, true, nil, false
		l.from = key
		if l.resume != key {
			l.after = nil
		}
		if !e.past {
			return l.show(ctx, e.Entry, key, true)
		}
		return l.pastVersion(ctx, e, key, true)
	}
	return l.pastVersion(ctx, e, key, false)
}

func (l *versionLister) pastVersion(ctx context.Context, e mergedEntry, key string, first bool) error {
	if !l.historic {
		var err error
		if l.null, err = get(ctx, l.history, nullVersion.historyKey(e.sortKey)); err != nil {
			return err
		}
		l.historic = true
	}
	v := versionOf(e.Entry)
	null := l.null
	switch {
	case v.Null && null == nil:
		return nil // it has come
	case v.Null, null != nil && !versionOf(null).before(v):
		l.null = nil
		if err := l.show(ctx, null, key, first && isMarker(null)); err != nil || v.Null {
			return err
		}
		first = false
	}
	return l.show(ctx, e.Entry, key, first && isMarker(e.Entry))
}

// show adds a version to the page, unless an earlier one has shown it.
func (l *versionLister) show(ctx context.Context, e *dirtree.Entry, key string, latest bool) error {
	if l.after != nil {
		if !versionOf(e).before(*l.after) {
			return nil
		}
		latest = false
	}
	if l.full() {
		return errListed
	}
	o, err := l.describe(ctx, e, key)
	if err != nil {
		return err
	}
	o.Key, o.Version, o.Latest, o.DeleteMarker = key, versionOf(e), latest, isMarker(e)
	l.items = append(l.items, ListItem{Object: o})
	return nil
}

// prefix adds a common prefix.
func (l *versionLister) prefix(p string) error {
	l.begun = false
	return l.objectLister.prefix(p)
}
