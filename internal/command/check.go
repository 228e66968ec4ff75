package command

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/control"
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
	opts := filestore.CheckOptions{Deep: o.Deep, Recount: o.Deep}
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
	for _, c := range r.Recounts {
		fmt.Fprintf(s.Out, "charged to root %x, counted anew: %d files with %d bytes (before: %d with %d)\n", c.Root[:8], c.Files, c.Bytes, c.WasFiles, c.WasBytes)
	}
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
