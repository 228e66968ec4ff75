package command

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// EnterRoots sees that the root of every account is in the root table, from which
// collection marks: an account that was added by hand may never have logged in.
func EnterRoots(ctx context.Context, n *node.Node) error {
	for _, a := range n.Accounts.Accounts() {
		if !n.CanOpen(a.Root) || a.Root.Form() == caps.FormFrozen {
			continue // a frozen root has no place in the table: a link keeps it
		}
		if _, err := n.Mount(ctx, accounts.Account{Name: a.Name, Root: a.Root}); err != nil {
			return fmt.Errorf("nothing was collected, because a root can't be opened: %w", err)
		}
	}
	return nil
}

// Collect gives back the space of what nothing leads to any more.
type Collect struct {
	DryRun bool
	Yes    bool          // also if more than a tenth would be deleted
	Adopt  bool          // also from a blockstore that another metastore has marked
	Grace  time.Duration // 0: as configured
}

func (*Collect) name() string { return "gc" }

func (o *Collect) run(ctx context.Context, n *node.Node, s control.Streams) error {
	c := n.CollectOptions()
	c.DryRun, c.Yes, c.Adopt, c.Pace = o.DryRun, o.Yes, o.Adopt, 0
	if o.Grace != 0 {
		c.Grace = o.Grace
	}
	if err := EnterRoots(ctx, n); err != nil {
		return err
	}
	r, err := n.FS.Collect(ctx, c)
	if err != nil {
		return err
	}
	printCollection(s.Out, r, c.Grace)
	if len(r.Damage) > 0 {
		printDamage(s.Out, r.Damage, 0)
		return ErrDamage
	}
	if r.NeedsYes {
		return kind.Errorf(kind.Denied, "more than a tenth of what is stored would be deleted; nothing was: look at gc --dry-run, then run gc --yes")
	}
	return nil
}

// printCollection prints where every block that the index has is counted.
func printCollection(out io.Writer, r filestore.CollectReport, grace time.Duration) {
	would := ""
	if r.DryRun {
		would = " would be"
	}
	fmt.Fprintf(out, "%d blocks with %d bytes are reachable\n", r.Reachable, r.ReachableBytes)
	fmt.Fprintf(out, "%d blocks with %d bytes%s deleted\n", r.Deleted, r.DeletedBytes, would)
	fmt.Fprintf(out, "%d blocks with %d bytes are unreachable and wait for their grace time (%s)\n", r.Waiting, r.WaitingBytes, grace)
	for _, part := range []struct {
		blocks, bytes int64
		what          string
	}{
		{r.Drafts, r.DraftBytes, "belong to uploads under way"},
		{r.Held, r.HeldBytes, "are kept because of damage under their root"},
		{r.Denied, r.DeniedBytes, "could go, but the credentials don't allow to delete them"},
		{r.Undone, r.UndoneBytes, "are being deleted: a part of the blockstore doesn't answer, and the next run goes on"},
	} {
		if part.blocks > 0 {
			fmt.Fprintf(out, "%d blocks with %d bytes %s\n", part.blocks, part.bytes, part.what)
		}
	}
	fmt.Fprintf(out, "%d old directory nodes with %d bytes and %d old slot records%s dropped\n", r.Nodes, r.NodeBytes, r.LogRows, would)
	if r.Foreign != "" {
		fmt.Fprintf(out, "nothing would be collected: %s\n", r.Foreign)
	}
}
