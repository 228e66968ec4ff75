package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// Status tells how the node and its parts are.
type Status struct {
	JSON    bool
	Clients bool // list them
}

func (*Status) name() string { return "status" }

// statusTime bounds how long the parts may take to tell.
const statusTime = 30 * time.Second

func (o *Status) run(ctx context.Context, n *node.Node, s control.Streams) error {
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	st := n.Status(ctx, o.Clients)
	bad := faultsOf(st)
	if o.JSON {
		e := json.NewEncoder(s.Out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(st); err != nil {
			return err
		}
	} else if err := printNode(s.Out, n, st); err != nil {
		return err
	}
	if len(bad) > 0 {
		return kind.Errorf(kind.Unavailable, "not as it should be: %s", strings.Join(bad, ", "))
	}
	return nil
}

// faultsOf names the parts that want a look.
func faultsOf(st node.Status) (bad []string) {
	for _, fault := range st.Accounts.Faults {
		bad = append(bad, fault+" (what was read before stays in force)")
	}
	if st.Metastore.State != "ok" {
		bad = append(bad, "the database is "+st.Metastore.State)
	}
	if st.Blocks.State != blockstore.StateOK {
		bad = append(bad, "the blockstore is "+string(st.Blocks.State))
	}
	if st.Audit != nil && st.Audit.Failing {
		bad = append(bad, "audit records can't be written")
	}
	if c := st.Collection; c != nil && c.Damaged > 0 {
		bad = append(bad, "the last collection met damage: run truckee check")
	}
	return bad
}

// printNode prints a status for a person.
func printNode(out io.Writer, n *node.Node, st node.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, Printable(fmt.Sprintf(format, args...)))
	}
	row("node", "%s", strings.TrimSpace(st.BaseDir+" "+st.Node))
	row("program", "truckee %s", st.Program)
	switch {
	case st.Since == nil:
		row("serving", "no")
	default:
		row("serving", "since %s (%v)", st.Since.Format(time.DateTime), time.Since(*st.Since).Round(time.Second))
	}
	row("ready", "%s", yesNo(st.Ready))
	row("accounts", "%d", st.Accounts.Count)
	for _, f := range st.Frontends {
		for _, l := range f.Listeners {
			row(f.Name, "on %s", strings.TrimSpace(l.Address+" "+l.About))
		}
		row(f.Name, "%d sessions, %d logging in, %d requests", f.Sessions, f.LoggingIn, f.Requests)
	}
	row("database", "%s: %s, %d blocks of %s in its index", st.Metastore.Where, st.Metastore.State, st.Metastore.Blocks, size(st.Metastore.Bytes))
	row("files", "%d open, %s unsaved in memory, %s in the spool", st.Files.Open, size(st.Files.DraftBytes), size(st.Files.SpoolBytes))
	row("collection", "%s", collectionText(st.Collection, n.Config.GC.Enabled))
	row("audit", "%s", auditText(st.Audit))
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if _, err := printBlockstore(out, n, st.Blocks, false); err != nil {
		return err
	}
	return printClients(out, st.Frontends)
}

func printClients(out io.Writer, frontends []node.FrontendStatus) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := true
	for _, f := range frontends {
		for _, c := range f.Clients {
			if head {
				fmt.Fprint(w, "\nclient\tsession\taccount\tfrom\tsince\trequests\topen files\n")
				head = false
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", f.Name, c.Session, Printable(c.Account), c.Remote, c.Since.Format(time.DateTime), c.Requests, c.Files)
		}
	}
	return w.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func collectionText(c *node.CollectionStatus, enabled bool) string {
	switch {
	case c == nil && enabled:
		return "none yet by this process"
	case c == nil:
		return "by hand only, none by this process"
	}
	text := fmt.Sprintf("began %s, took %.1f s; %d blocks of %s given back, %d of %s wait", c.Began.Format(time.DateTime), c.Seconds, c.Deleted, size(c.DeletedBytes), c.Waiting, size(c.WaitingBytes))
	for _, part := range []struct {
		count int64
		what  string
	}{{c.Held, "held by damage"}, {c.Denied, "that may not be deleted"}, {c.Undone, "that a part of the blockstore still has"}, {int64(c.Damaged), "damaged parts met"}} {
		if part.count > 0 {
			text += fmt.Sprintf(", %d %s", part.count, part.what)
		}
	}
	return text
}

func auditText(a *node.AuditStatus) string {
	if a == nil {
		return "none"
	}
	text := fmt.Sprintf("%d records", a.Records)
	if a.File != "" {
		text += " to " + a.File
	}
	if a.Lost > 0 {
		text += fmt.Sprintf(", %d lost", a.Lost)
	}
	if a.Failing {
		text += "; they can't be written now"
		if a.Required {
			text += ", and are required: nothing is served"
		}
	}
	return text
}

// size shows a number of bytes to a person.
func size(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1023.95 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", v, units[unit])
}
