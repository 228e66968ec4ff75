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

// want says how resolve treats the last component.
type want uint8

const (
	wantEntry  want = iota // what stands there, a symlink included
	wantTarget             // symlinks followed, mutable files opened
	wantDir                // symlinks followed, directories and mutable files opened
	wantSelf               // directories and mutable files opened, a symlink not followed
)

// maxWalks bounds how often a path is walked again because a directory on it
// was changed meanwhile.
const maxWalks = 8

// errStale is walk's answer where a commit of this node has changed the directory
// in which a name was missing.
var errStale = errors.New("the directory has changed")

// resolve walks p from the tree's root. A last component that isn't there is
// no error; anything else missing is. With a shared metastore it revalidates
// every slot that it used by one query, unless it read one alone and just now, and
// walks again if one changed.
func (t *Tree) resolve(ctx context.Context, p Path, w want) (place, error) {
	if err := checkPath(p); err != nil {
		return place{}, err
	}
	t.used.touch()
	return t.walking(ctx, w, func(ctx context.Context, wk *walk) (place, error) { return wk.run(ctx, p) })
}

// walking makes attempts at a walk until what it used is current.
func (t *Tree) walking(ctx context.Context, w want, run func(context.Context, *walk) (place, error)) (place, error) {
	for try := 1; ; try++ {
		wk := walk{t: t, want: w, final: try >= maxWalks}
		pl, err := run(ctx, &wk)
		if err == errStale {
			continue
		}
		pl.links = wk.links
		if t.fs.slots.authoritative || len(wk.used) == 0 || len(wk.used) == 1 && wk.fresh {
			return pl, err
		}
		same, verr := wk.revalidate(ctx)
		if verr != nil {
			return place{}, verr
		}
		if same || try >= maxWalks {
			return pl, err
		}
	}
}

func checkPath(p Path) error {
	for _, name := range p {
		if err := checkName(name); err != nil {
			return err
		}
	}
	return nil
}

func checkName(name string) error {
	name = strings.TrimSuffix(name, hiddenMark)
	if len(name) > MaxName {
		return fmt.Errorf("a name of %d bytes: %w", len(name), kind.NameInvalid)
	}
	if strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("a name with \"/\" or NUL in it: %w", kind.NameInvalid)
	}
	return nil
}

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
		case e == nil && strings.HasSuffix(name, hiddenMark):
			return place{}, fmt.Errorf("a hidden entry: %w", kind.NotExist)
		case e == nil:
			file, current := w.t.fs.coming(cur, name)
			if !current && !w.final {
				return place{}, errStale
			}
			if !last && file != nil {
				return place{}, fmt.Errorf("a path through a file: %w", kind.NotDir)
			}
			if !last {
				return place{}, fmt.Errorf("a directory of the path: %w", kind.NotExist)
			}
			return place{dir: cur, name: name, file: file}, nil
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

// getter is what a directory's version and a working copy of it have in common.
type getter interface {
	Get(ctx context.Context, sortKey string) (*dirtree.Entry, error)
}

// lookup finds a name in a directory: a directory of that name first, else
// anything else of that name (of a Hidden component only that); nil if there is
// neither (formats 4).
func lookup(ctx context.Context, d getter, name string) (*dirtree.Entry, error) {
	if bare, hidden := strings.CutSuffix(name, hiddenMark); hidden {
		return get(ctx, d, bare)
	}
	e, err := get(ctx, d, name+"/")
	if e != nil || err != nil {
		return e, err
	}
	return get(ctx, d, name)
}

// get is d.Get with nil for what isn't there.
func get(ctx context.Context, d getter, sortKey string) (*dirtree.Entry, error) {
	e, err := d.Get(ctx, sortKey)
	switch {
	case err == nil:
		return e, nil
	case errors.Is(err, kind.NotExist):
		return nil, nil
	}
	return nil, fmt.Errorf("look up a name: %w", err)
}

// Straight reports whether p leads to what it names, or to where that would be,
// without a symbolic link on the way or at its end. Two straight paths of which
// neither begins with the other lead to different places.
func (t *Tree) Straight(ctx context.Context, p Path) (bool, error) {
	pl, err := t.resolve(ctx, p, wantEntry)
	if err != nil {
		return false, wrap("resolve", err)
	}
	return pl.links == 0 && (pl.entry == nil || pl.entry.Kind != dirtree.Symlink), nil
}
