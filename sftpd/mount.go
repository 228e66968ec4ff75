package sftpd

import (
	"context"

	"github.com/truckee-fs/truckee/filestore"
)

// mounted is a *filestore.Tree as a session sees it.
type mounted struct{ *filestore.Tree }

// Open keeps a nil *filestore.File from becoming a file that is not nil.
func (m mounted) Open(ctx context.Context, p filestore.Path, o filestore.OpenOptions) (file, error) {
	f, err := m.Tree.Open(ctx, p, o)
	if err != nil {
		return nil, err
	}
	return f, nil
}
