package filestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
)

// errListed ends a listing that is complete, or whose page is full.
var errListed = errors.New("listed")

// objectLister is one listing under way.
type objectLister struct {
	t     *Tree
	o     ListOptions
	from  string // the least key that is still wanted
	types []dirtree.AttrType
	way   []slotID // the directories that are being listed, each in the one before

	items []ListItem
	more  bool

	visits *int   // directories that have been gone into for the page
	at     string // where the page has ended for too many of them
}

// maxVisits is how many directories are gone into for a page. Where links make one
// tree stand in another many times over, empty ones can be met without end, and
// nothing shows; a page that is short, or has nothing, lets the client decide.
const maxVisits = 10_000

// visit notes that the directory of a key is gone into. errListed: not any more.
func (l *objectLister) visit(key string) error {
	if l.visits == nil {
		l.visits = new(int)
	}
	if *l.visits++; *l.visits > maxVisits {
		l.more, l.at = true, strings.TrimSuffix(key, "/")
		return errListed
	}
	return nil
}

func (l *objectLister) all(ctx context.Context) error {
	v, err := l.slot(ctx, l.t.read)
	if err != nil {
		return err
	}
	return l.directory(ctx, v, "")
}

// slots are versions of directories that were read together.
type slots map[slotID]*version

// slotAmong is slot of one that may have been read already.
func (l *objectLister) slotAmong(ctx context.Context, r caps.SlotRead, at slots) (*version, error) {
	if v, ok := at[slotID(r.ID())]; ok && v.read.ReadKey().Equal(r.ReadKey()) {
		return v, nil
	}
	return l.slot(ctx, r)
}

// slot is the current version of a directory.
func (l *objectLister) slot(ctx context.Context, r caps.SlotRead) (*version, error) {
	if l.t.fs.slots.authoritative {
		v, _, err := l.t.fs.slots.get(ctx, r)
		return v, err
	}
	return l.t.fs.slots.load(ctx, r)
}

const (
	listAhead = 128 // entries of a directory that are taken together
	listBelow = 16  // slots of directories that are read before they are listed
	listSkip  = 32  // entries passed over before their end is looked for
)

// directory lists what is in a directory whose keys begin with base.
func (l *objectLister) directory(ctx context.Context, v *version, base string) error {
	if v.state.Tombstone {
		return nil
	}
	return l.entries(ctx, v.dir, base)
}

func (l *objectLister) entries(ctx context.Context, d *dirtree.Dir, base string) error {
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
		again, err := l.scan(ctx, d, base, seek)
		if err != nil || !again {
			return err
		}
	}
}

// scan lists entries from a sort key on. It reports whether the scan should begin
// anew where l.from is by then.
func (l *objectLister) scan(ctx context.Context, d *dirtree.Dir, base, seek string) (again bool, err error) {
	skipped := 0
	batch := make([]*dirtree.Entry, 0, min(listAhead, l.o.Max-len(l.items)+1))
	flush := func() error {
		at, err := l.prepare(ctx, base, batch)
		if err != nil {
			return err
		}
		for _, e := range batch {
			passed, err := l.entry(ctx, e, base+e.SortKey(), at)
			if err != nil {
				return err
			}
			if skipped++; !passed {
				skipped = 0
			}
		}
		batch = batch[:0]
		return nil
	}
	for e, err := range d.ScanFrom(ctx, seek) {
		if err != nil {
			if ferr := flush(); ferr != nil {
				return false, ferr
			}
			return false, fmt.Errorf("read a directory: %w", err)
		}
		if batch = append(batch, e); len(batch) < cap(batch) {
			continue
		}
		if err := flush(); err != nil {
			return false, err
		}
		if skipped >= listSkip {
			return true, nil
		}
	}
	return false, flush()
}

// prepare reads the slots of directories in a batch by one query: of all that are
// shown by a common prefix, to tell whether there is anything in them, and of some
// that are to be listed.
func (l *objectLister) prepare(ctx context.Context, base string, batch []*dirtree.Entry) (slots, error) {
	var reads []caps.SlotRead
	below := 0
	for _, e := range batch {
		key := base + e.SortKey()
		if e.Kind != dirtree.Directory || l.passed(key) || e.Check() != nil {
			continue
		}
		if _, rolled := l.o.common(key); !rolled {
			if below++; below > listBelow {
				continue
			}
		}
		if !l.t.fs.slots.authoritative || l.t.fs.slots.cached(e.Dir) == nil {
			reads = append(reads, e.Dir)
		}
	}
	if len(reads) < 2 {
		return nil, nil
	}
	got, err := l.t.fs.slots.loadAll(ctx, reads)
	if err != nil {
		return nil, err
	}
	at := make(slots, len(got))
	for i, g := range got {
		if g.err == nil {
			at[slotID(reads[i].ID())] = g.v
		}
	}
	return at, nil
}

// passed reports whether all keys that begin with key lie before what is wanted.
func (l *objectLister) passed(key string) bool {
	return l.from > key && !strings.HasPrefix(l.from, key)
}

// wants reports whether an entry with that key is to be listed, or a directory gone
// into whose keys begin with it; errListed when nothing that follows is.
func (l *objectLister) wants(key string, dir bool) (bool, error) {
	switch {
	case len(key) > MaxKey:
		return false, nil // SFTP's paths may be longer
	case dir && l.passed(key), !dir && key < l.from:
		return false, nil
	case strings.HasPrefix(key, l.o.Prefix), dir && strings.HasPrefix(l.o.Prefix, key):
		return true, nil
	case key > l.o.Prefix:
		return false, errListed
	}
	return false, nil
}

// entry lists one entry, and reports whether it was passed over.
func (l *objectLister) entry(ctx context.Context, e *dirtree.Entry, key string, at slots) (passed bool, err error) {
	dir := e.Kind.IsDir()
	if wanted, err := l.wants(key, dir); !wanted {
		return err == nil, err
	}
	if !dir {
		return false, l.object(ctx, e, key)
	}
	if err := e.Check(); err != nil {
		return false, fmt.Errorf("read a directory: %w", err)
	}
	p, rolled := l.o.common(key)
	if !rolled {
		return false, l.child(ctx, e, key, at)
	}
	any, err := l.holds(ctx, e, key, at)
	if err != nil || !any {
		return false, err
	}
	return false, l.prefix(p)
}

// child lists a directory below.
func (l *objectLister) child(ctx context.Context, e *dirtree.Entry, key string, at slots) error {
	if err := l.visit(key); err != nil {
		return err
	}
	if e.Kind == dirtree.FrozenDir {
		return l.entries(ctx, l.t.fs.frozen(e.Frozen).dir, key)
	}
	if slices.Contains(l.way, slotID(e.Dir.ID())) {
		return nil // some client has linked it below itself
	}
	v, err := l.slotAmong(ctx, e.Dir, at)
	if err != nil {
		return err
	}
	l.way = append(l.way, v.rec.ID)
	defer func() { l.way = l.way[:len(l.way)-1] }()
	return l.directory(ctx, v, key)
}

// holds reports whether a directory has an object in it that is wanted. Mostly its
// record tells.
func (l *objectLister) holds(ctx context.Context, e *dirtree.Entry, key string, at slots) (bool, error) {
	if e.Kind == dirtree.Directory && l.from <= key {
		v, err := l.slotAmong(ctx, e.Dir, at)
		switch {
		case err != nil:
			return false, err
		case v.state.Tombstone || v.state.Root.IsZero():
			return false, nil
		case v.state.Bytes > 0:
			return true, nil
		}
	}
	first := objectLister{t: l.t, o: ListOptions{Prefix: key, Max: 1}, from: max(l.from, key), way: slices.Clone(l.way), visits: l.visits}
	err := first.child(ctx, e, key, at)
	l.visits = first.visits
	if err != nil && !errors.Is(err, errListed) {
		return false, err
	}
	return len(first.items) > 0 || first.more, nil // where it can't be told, it is shown
}
