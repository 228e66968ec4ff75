package filestore

import (
	"context"

	"github.com/truckee-fs/truckee/filestore/dirtree"
)

// FS is the filestore that the tree is of.
func (t *Tree) FS() *FS { return t.fs }

// Recode decodes the value of an attribute of an object and encodes what it says;
// nil if that is nothing.
func (fs *FS) Recode(ctx context.Context, t uint16, value []byte) ([]byte, error) {
	at := dirtree.AttrType(t)
	e := &dirtree.Entry{Kind: dirtree.EmptyFile, Attrs: []dirtree.Attr{{Type: at, Value: value}}}
	var parts []Part
	m, err := fs.metaOf(ctx, e, at)
	if err == nil && at == dirtree.AttrParts {
		parts, err = fs.partsOf(ctx, e)
	}
	if err == nil && at == dirtree.AttrLock {
		_, err = decodeLock(value)
	}
	if err != nil {
		return nil, err
	}
	attrs, err := m.encode(parts)
	if err != nil || len(attrs) == 0 {
		return nil, err
	}
	return attrs[0].Value, nil
}
