package filestore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// maxLinks is how many symbolic links one path may lead through.
const maxLinks = 40

// node is a directory that a path leads through, in one version of it.
type node struct {
	v      *version
	write  *caps.SlotWrite // nil: this tree may only read it
	parent *node           // nil: the tree's root
	entry  *dirtree.Entry  // in parent; nil: the tree's root
}

func (n *node) id() metastore.SlotID { return n.v.rec.ID }

// view is the directory under the authority at hand: with the write key, so
// that entries come with their children's write capabilities.
func (n *node) view() *dirtree.Dir {
	if n.write == nil {
		return n.v.dir
	}
	return n.v.writable(*n.write)
}

// noWrite reports whether the directory's own mode refuses changes inside it.
func (n *node) noWrite() bool { return n.entry != nil && n.entry.Mode&ownerWrite == 0 }

// ownerWrite is the permission bit that stands for no-write when cleared.
const ownerWrite = 0o200

// mayChange tells whether names may be made or taken away in n.
func (n *node) mayChange() error {
	if n.write == nil {
		return fmt.Errorf("the capability at hand is read-only: %w", kind.ReadOnly)
	}
	if n.noWrite() {
		return fmt.Errorf("the directory is no-write: %w", kind.ReadOnly)
	}
	return nil
}

// place is where a path led: a name in a directory, and what is there.
type place struct {
	dir   *node          // nil: the tree's root itself
	name  string         // the last component, after symbolic links
	entry *dirtree.Entry // nil: nothing committed is there
	file  *openFile      // a file that is being created there
	node  *node          // the directory itself, if it was asked for and is one
	links int            // symbolic links that the path led through
}

func (pl *place) exists() bool { return pl.dir == nil || pl.entry != nil || pl.file != nil }

// want says how resolve treats the last component.
type want uint8

const (
	wantEntry  want = iota // what stands there, a symlink included
	wantTarget             // symlinks followed
	wantDir                // symlinks followed, directories opened
	wantSelf               // a directory opened, a symlink not followed
)

// maxWalks bounds how often a path is walked again because a directory on it
// was changed by another gateway meanwhile.
const maxWalks = 8

// resolve walks p from the tree's root. A last component that isn't there is
// no error; anything else missing is. With a shared metastore it revalidates
// every slot that it used by one query, unless it read one alone and just now, and
// walks again if one changed.
func (t *Tree) resolve(ctx context.Context, p Path, w want) (place, error) {
	if err := checkPath(p); err != nil {
		return place{}, err
	}
	for try := 1; ; try++ {
		wk := walk{t: t, want: w}
		pl, err := wk.run(ctx, p)
		pl.links = wk.links
		if t.fs.slots.authoritative || len(wk.used) == 1 && wk.fresh {
			return pl, err
		}
		same, verr := wk.revalidate(ctx)
		if verr != nil {
			return place{}, verr
		}
		if same || try == maxWalks {
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
	used  []*node
	fresh bool // the last of them doesn't come from the cache
	links int
}

func (w *walk) root(ctx context.Context) (*node, error) {
	return w.open(ctx, nil, nil, w.t.read, w.t.write)
}

func (w *walk) open(ctx context.Context, parent *node, e *dirtree.Entry, r caps.SlotRead, wr *caps.SlotWrite) (*node, error) {
	v, fresh, err := w.t.fs.slots.get(ctx, r)
	if err != nil {
		return nil, err
	}
	n := &node{v: v, write: wr, parent: parent, entry: e}
	w.used, w.fresh = append(w.used, n), fresh
	if v.state.Tombstone {
		return nil, fmt.Errorf("the directory was removed: %w", kind.NotExist)
	}
	return n, nil
}

// openChild opens the directory that e, an entry of parent, links.
func (w *walk) openChild(ctx context.Context, parent *node, e *dirtree.Entry) (*node, error) {
	if e.Kind != dirtree.Directory {
		return nil, fmt.Errorf("a directory of this form can't be opened yet: %w", kind.Unsupported)
	}
	var wr *caps.SlotWrite
	if parent.write != nil {
		wr = e.DirWrite
	}
	return w.open(ctx, parent, e, e.Dir, wr)
}

func (w *walk) run(ctx context.Context, p Path) (place, error) {
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
			file := w.t.fs.open.pending(cur.id(), name)
			if !last && file != nil {
				return place{}, fmt.Errorf("a path through a file: %w", kind.NotDir)
			}
			if !last {
				return place{}, fmt.Errorf("a directory of the path: %w", kind.NotExist)
			}
			return place{dir: cur, name: name, file: file}, nil
		case e.Kind.IsDir():
			if last && (w.want == wantEntry || w.want == wantTarget || e.Kind != dirtree.Directory) {
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
			return place{dir: cur, name: name, entry: e}, nil
		default:
			return place{}, fmt.Errorf("a path through a file: %w", kind.NotDir)
		}
	}
	if cur.parent == nil {
		return place{node: cur}, nil
	}
	return place{dir: cur.parent, name: cur.entry.Name, entry: cur.entry, node: cur}, nil
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
	for i, n := range w.used {
		reads[i] = n.v.read
	}
	now, err := w.t.fs.slots.loadAll(ctx, reads)
	if err != nil {
		return false, err
	}
	for i, n := range w.used {
		if now[i].err != nil {
			return false, now[i].err
		}
		if now[i].v.rec.Hash != n.v.rec.Hash {
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
