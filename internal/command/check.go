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

// Check verifies everything that the accounts and the other roots lead to, or
// that one capability does.
type Check struct {
	Deep bool   // reads every block
	Cap  Secret // of any authority: only what it leads to
}

func (*Check) name() string { return "check" }

func (o *Check) run(ctx context.Context, n *node.Node, s control.Streams) error {
	opts := filestore.CheckOptions{Deep: o.Deep}
	if err := o.trees(n, s, &opts); err != nil {
		return err
	}
	start := time.Now()
	r, err := n.FS.Check(ctx, opts)
	if err != nil {
		return err
	}
	depth := "asked for; check --deep reads them"
	if o.Deep {
		depth = "read"
	}
	fmt.Fprintf(s.Out, "%d directories, %d files, %d blocks with %d bytes (%s), in %s\n",
		r.Directories, r.Files, r.Blocks, r.Bytes, depth, time.Since(start).Round(time.Millisecond))
	if r.Whole() {
		_, err := fmt.Fprintln(s.Out, "everything is whole")
		return err
	}
	printDamage(s.Out, r.Damage, r.MoreDamage)
	return ErrDamage
}

// trees says what is to be checked.
func (o *Check) trees(n *node.Node, s control.Streams, opts *filestore.CheckOptions) error {
	if o.Cap != "" {
		c, err := parseCap(o.Cap)
		opts.Only, opts.Trees = true, []filestore.NamedTree{{Cap: c}}
		return err
	}
	for _, a := range n.Accounts.Accounts() {
		if !n.CanOpen(a.Root) {
			fmt.Fprintf(s.Err, "account %q: its root is of a form that this version can't open; it isn't checked\n", a.Name)
			continue
		}
		opts.Trees = append(opts.Trees, filestore.NamedTree{Name: a.Name, Cap: a.Root})
	}
	return nil
}

func printDamage(out io.Writer, damage []filestore.Damage, more int) {
	for _, d := range damage {
		fmt.Fprintf(out, "DAMAGE %s: %s\n", Printable(d.Path), d.What)
	}
	if more > 0 {
		fmt.Fprintf(out, "and %d more\n", more)
	}
	fmt.Fprintf(out, "%d damaged or missing\n", len(damage)+more)
}

// enterRoots sees that the root of every account is in the root table, from which
// collection marks: an account that was added by hand may never have logged in.
func enterRoots(ctx context.Context, n *node.Node) error {
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
	Grace  time.Duration // 0: the default
}

func (*Collect) name() string { return "gc" }

func (o *Collect) run(ctx context.Context, n *node.Node, s control.Streams) error {
	grace := o.Grace
	if grace == 0 {
		grace = filestore.DefaultGrace
	}
	if err := enterRoots(ctx, n); err != nil {
		return err
	}
	r, err := n.FS.Collect(ctx, filestore.CollectOptions{DryRun: o.DryRun, Yes: o.Yes, Grace: grace})
	if err != nil {
		return err
	}
	would := ""
	if o.DryRun {
		would = " would be"
	}
	fmt.Fprintf(s.Out, "%d blocks are reachable\n", r.Reachable)
	fmt.Fprintf(s.Out, "%d blocks with %d bytes%s deleted\n", r.Deleted, r.DeletedBytes, would)
	fmt.Fprintf(s.Out, "%d blocks with %d bytes are unreachable and wait for their grace time (%s)\n", r.Waiting, r.WaitingBytes, grace)
	fmt.Fprintf(s.Out, "%d old directory nodes with %d bytes and %d old slot records%s dropped\n", r.Nodes, r.NodeBytes, r.LogRows, would)
	if len(r.Damage) > 0 {
		fmt.Fprintf(s.Out, "%d blocks are kept because of damage under their root\n", r.Held)
		printDamage(s.Out, r.Damage, 0)
		return ErrDamage
	}
	if r.NeedsYes {
		return kind.Errorf(kind.Denied, "more than a tenth of what is stored would be deleted; nothing was: look at gc --dry-run, then run gc --yes")
	}
	return nil
}
