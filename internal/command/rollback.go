package command

import (
	"context"
	"fmt"
	"io"

	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// AcceptRollback shows which directories the database has in an older state than
// this node has seen, and with Yes accepts that.
type AcceptRollback struct{ Yes bool }

func (*AcceptRollback) name() string { return "accept-rollback" }

func (o *AcceptRollback) run(ctx context.Context, n *node.Node, s control.Streams) error {
	found, err := n.FS.Rollbacks(ctx)
	if err != nil {
		return err
	}
	missing := 0
	for _, r := range found {
		switch {
		case r.Unreadable:
			fmt.Fprintf(s.Out, "directory %x: its record is damaged\n", r.Slot)
			missing++
		case r.Found.Version == 0:
			missing++ // made after the backup
		default:
			fmt.Fprintf(s.Out, "directory %x: version %d is there, %d was seen\n", r.Slot, r.Found.Version, r.Seen.Version)
		}
	}
	older := len(found) - missing
	fmt.Fprintf(s.Out, "%d directories are older than this node has seen them, %d are missing or damaged\n", older, missing)
	if older == 0 {
		return nil
	}
	if !o.Yes {
		return kind.Errorf(kind.Denied, "nothing was accepted: if the database was restored from a backup on purpose, run accept-rollback --yes; else find out who has set it back")
	}
	accepted, err := n.FS.AcceptRollback(ctx, found)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "accepted %d: what was changed in them since is given up\n", accepted)
	return adopt(ctx, n, s.Out)
}

// adopt has the blockstore be this database's from now on, also if collections
// went on after the backup that it was restored from.
func adopt(ctx context.Context, n *node.Node, out io.Writer) error {
	err := n.FS.Adopt(ctx)
	if kind.Of(err) == kind.Denied {
		_, err = fmt.Fprintln(out, "the blockstore can't be marked as this database's: the credentials don't allow it, and nothing will be collected")
	}
	return err
}
