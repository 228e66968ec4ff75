package filestore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

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
