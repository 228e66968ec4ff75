package command

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/metastore/dump"
)

// BackupReplaced is told when a backup's file has been put in the place of an older
// one's: it says that the older one is held still, or releases it. Whether a copy of
// the older file is kept elsewhere only the operator knows.
type BackupReplaced struct {
	Made    time.Time // of the older one, as its file says (BackupMade)
	Release bool
}

func (*BackupReplaced) name() string { return "backup.replaced" }

func (o *BackupReplaced) run(ctx context.Context, n *node.Node, s control.Streams) error {
	all, err := holds(ctx, n.Meta)
	if err != nil {
		return err
	}
	for _, h := range all {
		if !h.made.Equal(o.Made) {
			continue
		}
		made := h.made.UTC().Format(time.RFC3339)
		if !o.Release {
			_, err = fmt.Fprintf(s.Err, "backup %s of %s, whose file this one replaced, is held still: if no copy of it is kept, `truckee backup release %s`, and --replace next time\n", h.id, made, h.id)
			return err
		}
		if err := n.Meta.Collector().Unpin(ctx, h.seq); err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.Err, "backup %s of %s, whose file this one replaced, is released\n", h.id, made)
		return err
	}
	return nil
}

// BackupMade tells when the backup in a file was made; false if there is none.
func BackupMade(path string) (made time.Time, ok bool) {
	// What a link leads to isn't replaced.
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return time.Time{}, false
	}
	f, err := os.Open(path)
	if err != nil {
		return time.Time{}, false
	}
	defer f.Close()
	r, err := dump.NewReader(f)
	if err != nil {
		return time.Time{}, false
	}
	return r.About.Created, true
}
