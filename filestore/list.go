package filestore

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// List yields the entries of the directory at p, in the order of their sort
// keys (bytewise, a directory's name taken with a "/" at its end): one version
// of the directory as it was committed, and the files that are being created
// in it on this node. An error ends the sequence.
func (t *Tree) List(ctx context.Context, p Path) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		done := t.fs.open.reading()
		defer done()
		l := listing{t: t, yield: yield}
		if err := l.begin(ctx, p); err != nil {
			yield(Info{}, wrap("list", err))
			return
		}
		l.run(ctx)
	}
}

// begin finds the directory and the files that are open in it, both as of one
// moment: what is committed in between must not be missed in both.
func (l *listing) begin(ctx context.Context, p Path) error {
	for try := 1; ; try++ {
		pl, err := l.t.resolve(ctx, p, wantDir)
		switch {
		case err != nil:
			return err
		case !pl.exists():
			return kind.NotExist
		case pl.node == nil && pl.entry != nil && pl.entry.Kind == dirtree.Foreign && pl.entry.Foreign.Read.IsDir():
			return foreignErr(pl.entry)
		case pl.node == nil:
			return kind.NotDir
		}
		l.dir = pl.node
		if l.t.fs.openIn(l) || try == maxOpens {
			return nil
		}
	}
}

// openIn notes what is open in l's directory, and reports whether the version
// at hand is still the current one, as far as this node knows.
func (fs *FS) openIn(l *listing) bool {
	r := fs.open
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.dir.v == nil {
		return true
	}
	l.open, l.files = r.in(l.dir.id())
	cur := fs.slots.cached(l.dir.v.read)
	return cur == nil || cur.rec.Hash == l.dir.v.rec.Hash
}

// listBatch is how many entries are looked at together, so that the slots of
// the directories among them are read by one query.
const listBatch = 256

// listing is one run of List.
type listing struct {
	t       *Tree
	dir     *node
	yield   func(Info, error) bool
	open    map[FileID]*openFile
	pending []string // names, ascending
	files   map[string]*openFile
}

func (l *listing) run(ctx context.Context) {
	for name := range l.files {
		l.pending = append(l.pending, name)
	}
	slices.Sort(l.pending)
	batch := make([]*dirtree.Entry, 0, listBatch)
	for e, err := range l.dir.view().Scan(ctx, "") {
		if err != nil {
			if l.flush(ctx, batch) {
				l.yield(Info{}, wrap("list", err))
			}
			return
		}
		if batch = append(batch, e); len(batch) == listBatch {
			if !l.flush(ctx, batch) {
				return
			}
			batch = batch[:0]
		}
	}
	if l.flush(ctx, batch) {
		l.created("", true)
	}
}

// flush yields a batch of entries, and between them the files being created.
func (l *listing) flush(ctx context.Context, batch []*dirtree.Entry) bool {
	slots, err := l.t.slotsOf(ctx, batch)
	if err != nil {
		l.yield(Info{}, wrap("list", err))
		return false
	}
	for i, e := range batch {
		if !l.created(e.SortKey(), false) {
			return false
		}
		info := entryInfo(e, l.dir.readOnly(e))
		f := l.open[e.FileID]
		if e.Kind == dirtree.MutableFile {
			f = nil
			if slots[i] != nil { // else the entry's key isn't the file's
				f = l.t.fs.open.file(mutableKey(e))
			}
		}
		switch {
		case slots[i] == nil:
		case e.Kind == dirtree.Directory:
			fromSlot(&info, slots[i], l.dir.id())
		default:
			fromContents(&info, slots[i])
		}
		if f != nil {
			f.overlay(&info)
		}
		if info.Hidden, err = l.hidden(ctx, e, batch[i+1:]); err != nil {
			l.yield(Info{}, wrap("list", err))
			return false
		}
		if !l.yield(info, nil) {
			return false
		}
	}
	return true
}

// hidden reports whether a directory has the name of e, which is none. Entries
// come in the order of their keys, so that the next one nearly always tells.
func (l *listing) hidden(ctx context.Context, e *dirtree.Entry, next []*dirtree.Entry) (bool, error) {
	if e.Kind.IsDir() {
		return false, nil
	}
	key := e.Name + "/"
	if len(next) > 0 && next[0].SortKey() >= key {
		return next[0].SortKey() == key, nil
	}
	dir, err := get(ctx, l.dir.view(), key)
	return dir != nil, err
}

// created yields the files being created whose names come before key, or all
// that are left. Of one that has been committed since only the entry is shown.
func (l *listing) created(key string, rest bool) bool {
	for len(l.pending) > 0 && (rest || strings.Compare(l.pending[0], key) <= 0) {
		name := l.pending[0]
		l.pending = l.pending[1:]
		if name == key && !rest {
			continue
		}
		if !l.yield(pendingInfo(name, l.files[name]), nil) {
			return false
		}
	}
	return true
}

// slotsOf returns for each entry that links a directory or a mutable file its
// current version, nil for others and for one that can't be read: its place in
// a listing stays.
func (t *Tree) slotsOf(ctx context.Context, batch []*dirtree.Entry) ([]*version, error) {
	out := make([]*version, len(batch))
	var reads []caps.SlotRead
	var at []int
	for i, e := range batch {
		if e.Kind != dirtree.Directory && e.Kind != dirtree.MutableFile || e.Check() != nil {
			continue
		}
		if t.fs.slots.authoritative {
			if out[i] = t.fs.slots.cached(e.Dir); out[i] != nil {
				continue
			}
		}
		reads, at = append(reads, e.Dir), append(at, i)
	}
	if len(reads) == 0 {
		return out, nil
	}
	got, err := t.fs.slots.loadAll(ctx, reads)
	if err != nil {
		return nil, err
	}
	for j, g := range got {
		out[at[j]] = g.v
	}
	return out, nil
}
