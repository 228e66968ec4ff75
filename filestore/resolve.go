package filestore

import (
	"context"
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

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
