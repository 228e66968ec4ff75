package command

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// BlockstoreTest has the blockstore do everything once, on a block of its own.
type BlockstoreTest struct{}

func (*BlockstoreTest) name() string { return "blockstore.test" }

func (*BlockstoreTest) run(ctx context.Context, n *node.Node, s control.Streams) error {
	return PrintProbe(s.Out, n.Config.Blockstore.Tree.String(), storecheck.Probe(ctx, n.Blocks))
}

// PrintProbe prints what a store did of what it was asked. The error says what
// can't be done with it.
func PrintProbe(out io.Writer, where string, r storecheck.Report) error {
	fmt.Fprintf(out, "%s\n", where)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, v := range r.Verbs {
		result := "ok"
		if v.Err != nil {
			result = v.Err.Error()
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", v.Name, v.Took.Round(10*time.Microsecond), Printable(result))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !r.Left.IsZero() {
		fmt.Fprintf(out, "a block of this test is left: %v\n", r.Left)
	}
	switch {
	case !r.Readable():
		return kind.Errorf(kind.Denied, "files can't be read from this blockstore")
	case !r.Writable():
		return kind.Errorf(kind.Denied, "files can be read from this blockstore, and not be written to it")
	case !r.Can("list"):
		return kind.Errorf(kind.Denied, "files can be read and written, but the blocks can't be listed: give the credentials the right to")
	case !r.Collectable():
		fmt.Fprintln(out, "files can be read and written; nothing can be deleted, so that collection only reports (append-only)")
	default:
		fmt.Fprintln(out, "files can be read and written, and space can be given back")
	}
	return nil
}

// BlockstoreStatus tells how the blockstore and its nodes are.
type BlockstoreStatus struct {
	Count bool // list everything, to tell what each holds and lacks
}

func (*BlockstoreStatus) name() string { return "blockstore.status" }

func (o *BlockstoreStatus) run(ctx context.Context, n *node.Node, s control.Streams) error {
	st := blockstore.StatusOf(ctx, n.Blocks, blockstore.StatusOptions{Count: o.Count})
	bad, err := printBlockstore(s.Out, n, st, o.Count)
	if err != nil {
		return err
	}
	if bad > 0 {
		return kind.Errorf(kind.Unavailable, "%d of its parts are not as they should be", bad)
	}
	return nil
}

// printBlockstore prints a table of the blockstore and its nodes, and tells how
// many are not as they should be.
func printBlockstore(out io.Writer, n *node.Node, st blockstore.Status, count bool) (int, error) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "node\tblockstore\tstate\towed\tlatency")
	if count {
		fmt.Fprint(w, "\tblocks\tbytes\tlacks")
	}
	fmt.Fprintln(w)
	bad := printStatus(w, st, "", n.Config.Blockstore.Tree, count)
	if err := w.Flush(); err != nil {
		return 0, err
	}
	for _, line := range bad {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return 0, err
		}
	}
	return len(bad), nil
}

// printStatus prints a store and all below it, and returns what is wrong.
func printStatus(w io.Writer, st blockstore.Status, name string, tree blockstore.Config, count bool) (bad []string) {
	c := nodeAt(tree, name)
	shown := name
	if shown == "" {
		shown = "all"
	}
	where := c.Driver
	if len(c.Nodes) == 0 {
		where = c.String()
	}
	latency := "-"
	if st.Latency > 0 {
		latency = st.Latency.Round(10 * time.Microsecond).String()
	}
	state := string(st.State)
	if st.Slow && st.State == blockstore.StateOK {
		state = "slow"
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s", shown, where, state, st.Owed, latency)
	if count {
		if st.Count != nil {
			fmt.Fprintf(w, "\t%d\t%d\t%d", st.Count.Blocks, st.Count.Bytes, st.Count.Lacks)
		} else {
			fmt.Fprint(w, "\t?\t?\t?")
		}
	}
	fmt.Fprintln(w)
	if st.State != blockstore.StateOK || st.Detail != "" {
		line := fmt.Sprintf("%s: %s", shown, st.State)
		if st.Detail != "" {
			line += ": " + Printable(st.Detail)
		}
		if st.State != blockstore.StateOK {
			bad = append(bad, line)
		} else {
			fmt.Fprintf(w, "  %s\n", Printable(st.Detail))
		}
	}
	for i, m := range st.Members {
		below := m.Name
		if below == "" {
			below = fmt.Sprint(i)
		}
		if name != "" && !strings.HasPrefix(below, name+".") {
			below = name + "." + below
		}
		bad = append(bad, printStatus(w, m, below, tree, count)...)
	}
	return bad
}

// nodeAt finds the configuration of a member by its whole name, "0.1". What a
// cache is before is what it tells of.
func nodeAt(tree blockstore.Config, name string) blockstore.Config {
	c := tree
	for part := range strings.SplitSeq(name, ".") {
		i, err := strconv.Atoi(part)
		if name != "" && (err != nil || i >= len(c.Nodes)) {
			return blockstore.Config{}
		}
		if name != "" {
			c = c.Nodes[i]
		}
	}
	for c.Driver == "cached" && len(c.Nodes) == 1 {
		c = c.Nodes[0]
	}
	return c
}

// BlockstoreScrub reads every block on every node and repairs what redundancy
// allows.
type BlockstoreScrub struct {
	Rate config.Size // bytes a second; 0: as fast as it goes
}

func (*BlockstoreScrub) name() string { return "blockstore.scrub" }

func (o *BlockstoreScrub) run(ctx context.Context, n *node.Node, s control.Streams) error {
	begin := time.Now()
	opts := blockstore.ScrubOptions{Rate: int64(o.Rate), Progress: progress(s.Err, "scrubbed")}
	totals, err := blockstore.Scrub(ctx, n.Blocks, blockstore.CheckID, opts, printFinding(s.Out))
	fmt.Fprintf(s.Out, "%d blocks with %d bytes read in %s, %d faults, %d of them repaired\n",
		totals.Blocks, totals.Bytes, time.Since(begin).Round(time.Millisecond), totals.Faults, totals.Mended)
	return maintained(s.Out, totals, err)
}

// BlockstoreRebuild fills a node that was replaced.
type BlockstoreRebuild struct {
	Member string
	Rate   config.Size
}

func (*BlockstoreRebuild) name() string { return "blockstore.rebuild" }

func (o *BlockstoreRebuild) run(ctx context.Context, n *node.Node, s control.Streams) error {
	begin := time.Now()
	opts := blockstore.RebuildOptions{Rate: int64(o.Rate), Progress: progress(s.Err, "rebuilt")}
	report := printFinding(s.Out)
	totals, err := blockstore.Rebuild(ctx, n.Blocks, o.Member, opts, func(f blockstore.Finding) {
		if !f.Mended {
			report(f)
		}
	})
	switch kind.Of(err) {
	case kind.Unsupported:
		return kind.Errorf(kind.Unsupported, "this blockstore, %s, has no nodes to rebuild", n.Config.Blockstore.Tree)
	case kind.NotExist:
		return fmt.Errorf("%.40q is none of the nodes; `truckee blockstore status` lists them: %w", o.Member, err)
	}
	fmt.Fprintf(s.Out, "%d blocks with %d bytes looked at in %s, %d put in their place\n",
		totals.Blocks, totals.Bytes, time.Since(begin).Round(time.Millisecond), totals.Mended)
	return maintained(s.Out, totals, err)
}

// maintained makes an outcome of what a scrub or a rebuild did.
func maintained(out io.Writer, t blockstore.Totals, err error) error {
	if err != nil {
		return err
	}
	if t.Lost > 0 {
		fmt.Fprintf(out, "%d blocks are beyond repair; `truckee check` names the files\n", t.Lost)
	}
	if t.Faults > t.Mended {
		return ErrDamage
	}
	return nil
}

func printFinding(out io.Writer) func(blockstore.Finding) {
	return func(f blockstore.Finding) { fmt.Fprintln(out, Printable(f.String())) }
}

// progressEvery is how often a long command tells how far it is.
const progressEvery = 10 * time.Second

func progress(out io.Writer, what string) func(blockstore.Totals) {
	last := time.Now()
	return func(t blockstore.Totals) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			fmt.Fprintf(out, "%s %d blocks, %d bytes, %d faults so far\n", what, t.Blocks, t.Bytes, t.Faults)
		}
	}
}
