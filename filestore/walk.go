package filestore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// maxLinks is how many symbolic links one path may lead through.
const maxLinks = 40

// errStale is walk's answer where a commit of this node has changed the directory
// in which a name was missing.
var errStale = errors.New("the directory has changed")

// walk is one attempt at a path.
type walk struct {
	t     *Tree
	want  want
	used  []*version
	fresh bool // the last of them doesn't come from the cache
	final bool // what is stale counts
	links int
}

func (w *walk) root(ctx context.Context) (*node, error) {
	if r := w.t.root; r != nil {
		return &node{frozen: w.t.fs.frozen(r.Frozen)}, nil
	}
	return w.open(ctx, nil, nil, w.t.read, w.t.write)
}

func (w *walk) open(ctx context.Context, parent *node, e *dirtree.Entry, r caps.SlotRead, wr *caps.SlotWrite) (*node, error) {
	v, err := w.slot(ctx, r)
	if err != nil {
		return nil, err
	}
	if v.state.Tombstone {
		return nil, fmt.Errorf("the directory was removed: %w", kind.NotExist)
	}
	n := &node{v: v, write: wr, parent: parent, entry: e}
	if w.t.fs.buckets.at(v.rec.ID) != nil {
		n.bucket = v.rec.ID
	} else if parent != nil {
		n.bucket = parent.bucket
	}
	return n, nil
}

// slot is the version of a slot at hand, or else the current one.
func (w *walk) slot(ctx context.Context, r caps.SlotRead) (*version, error) {
	v, fresh, err := w.t.fs.slots.get(ctx, r)
	if err != nil {
		return nil, err
	}
	w.used, w.fresh = append(w.used, v), fresh
	return v, nil
}

// openChild opens the directory that e, an entry of parent, links.
func (w *walk) openChild(ctx context.Context, parent *node, e *dirtree.Entry) (*node, error) {
	if e.Kind == dirtree.FrozenDir {
		return &node{frozen: w.t.fs.frozen(e.Frozen), parent: parent, entry: e}, nil
	}
	var wr *caps.SlotWrite
	if parent.write != nil {
		wr = e.DirWrite
	}
	return w.open(ctx, parent, e, e.Dir, wr)
}

// file is the walk in a tree whose root is a file.
func (w *walk) file(ctx context.Context, p Path) (place, error) {
	if len(p) > 0 {
		return place{}, fmt.Errorf("a path through a file: %w", kind.NotDir)
	}
	return w.leaf(ctx, place{entry: w.t.root})
}

// leaf completes the place of what is no directory.
func (w *walk) leaf(ctx context.Context, pl place) (place, error) {
	if pl.entry.Kind != dirtree.MutableFile || w.want == wantEntry {
		return pl, nil
	}
	var err error
	pl.slot, err = w.slot(ctx, pl.entry.Dir)
	return pl, err
}

// run walks p, component by component; a symbolic link puts those of its target
// before what is left.
func (w *walk) run(ctx context.Context, p Path) (place, error) {
	if w.t.root != nil && !w.t.root.Kind.IsDir() {
		return w.file(ctx, p)
	}
	cur, err := w.root(ctx)
	if err != nil {
		return place{}, err
	}
	rest, literal := []string(p), len(p)
	for len(rest) > 0 {
		name, isLiteral := rest[0], len(rest) <= literal
		rest = rest[1:]
		if !isLiteral && name == ".." {
			if cur.parent != nil {
				cur = cur.parent
			}
			continue
		}
		e, err := lookup(ctx, cur.view(), name)
		if err != nil {
			return place{}, err
		}
		last := len(rest) == 0
		switch {
		case e == nil:
			return w.missing(cur, name, last)
		case e.Kind.IsDir():
			if last && (w.want == wantEntry || w.want == wantTarget) {
				return place{dir: cur, name: name, entry: e}, nil
			}
			if cur, err = w.openChild(ctx, cur, e); err != nil {
				return place{}, err
			}
		case e.Kind == dirtree.Symlink && !(last && (w.want == wantEntry || w.want == wantSelf)):
			if w.links++; w.links > maxLinks {
				return place{}, fmt.Errorf("more than %d symbolic links: %w", maxLinks, kind.Loop)
			}
			if strings.HasPrefix(string(e.Data), "/") {
				for cur.parent != nil {
					cur = cur.parent
				}
			}
			literal = min(literal, len(rest))
			rest = append(linkParts(string(e.Data)), rest...)
		case last:
			return w.leaf(ctx, place{dir: cur, name: name, entry: e})
		case e.Kind == dirtree.Foreign && e.Foreign.Read.IsDir():
			return place{}, foreignErr(e)
		default:
			return place{}, fmt.Errorf("a path through a file: %w", kind.NotDir)
		}
	}
	if cur.parent == nil {
		return place{node: cur}, nil
	}
	return place{dir: cur.parent, name: cur.entry.Name, entry: cur.entry, node: cur}, nil
}

// missing completes the place of a name that isn't in dir: of the last component,
// where something may come to stand.
func (w *walk) missing(dir *node, name string, last bool) (place, error) {
	if strings.HasSuffix(name, hiddenMark) {
		return place{}, fmt.Errorf("a hidden entry: %w", kind.NotExist)
	}
	file, current := w.t.fs.coming(dir, name)
	switch {
	case !current && !w.final:
		return place{}, errStale
	case !last && file != nil:
		return place{}, fmt.Errorf("a path through a file: %w", kind.NotDir)
	case !last:
		return place{}, fmt.Errorf("a directory of the path: %w", kind.NotExist)
	}
	return place{dir: dir, name: name, file: file}, nil
}

// coming returns the file that is being created under a name of a directory, or
// nil, and then whether the version at hand is still the current one, as far as this
// node knows: else the file may have become an entry since the name was looked up.
func (fs *FS) coming(dir *node, name string) (f *openFile, current bool) {
	r := fs.open
	r.mu.Lock() // commits publish under it
	defer r.mu.Unlock()
	if d := r.dirs[dir.id()]; d != nil && d.pending[name] != nil {
		return d.pending[name], true
	}
	if dir.v == nil {
		return nil, true
	}
	cur := fs.slots.cached(dir.v.read)
	return nil, cur == nil || cur.rec.Hash == dir.v.rec.Hash
}

// linkParts cuts a symbolic link's target into its components, without the
// empty ones and the dots.
func linkParts(target string) []string {
	var parts []string
	for part := range strings.SplitSeq(target, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return parts
}

// revalidate asks for the current records of the slots, and reports whether they
// all are the ones that were used.
func (w *walk) revalidate(ctx context.Context) (bool, error) {
	reads := make([]caps.SlotRead, len(w.used))
	for i, v := range w.used {
		reads[i] = v.read
	}
	now, err := w.t.fs.slots.loadAll(ctx, reads)
	if err != nil {
		return false, err
	}
	for i, v := range w.used {
		if now[i].err != nil {
			return false, now[i].err
		}
		if now[i].v.rec.Hash != v.rec.Hash {
			return false, nil
		}
	}
	return true, nil
}
