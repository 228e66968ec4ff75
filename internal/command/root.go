package command

import (
	"context"
	"encoding/hex"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// RootList lists the directories from which collection marks.
type RootList struct{}

func (*RootList) name() string { return "root.list" }

func (*RootList) run(ctx context.Context, n *node.Node, s control.Streams) error {
	roots, err := n.FS.Roots(ctx)
	if err != nil {
		return err
	}
	names := accountRoots(n)
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, r := range roots {
		state := map[filestore.RootState]string{filestore.RootLive: "live", filestore.RootRemoved: "removed", filestore.RootMissing: "MISSING"}[r.State]
		name := "-"
		if n, ok := names[r.ID]; ok {
			name = "account " + Printable(n)
		}
		fmt.Fprintf(w, "%x\t%s\t%s\tsource %s\tused %s\t%d files\t%d bytes\n", r.ID, state, name, Printable(r.Source), r.Seen.UTC().Format(time.RFC3339), r.Files, r.Bytes)
	}
	return w.Flush()
}

// accountRoots are the accounts' names by the slots of their roots.
func accountRoots(n *node.Node) map[[32]byte]string {
	names := map[[32]byte]string{}
	for _, a := range n.Accounts.Accounts() {
		v, ok := caps.AtMost(a.Root, caps.AuthorityVerify)
		if !ok {
			continue
		}
		if verify, ok := v.(caps.Verify); ok {
			if slot, ok := verify.SlotVerify(); ok {
				names[slot.ID()] = a.Name
			}
		}
	}
	return names
}

// RootForget takes roots out of the root table, so that what only they lead to
// is collected.
type RootForget struct {
	IDs []string // hex, as RootList shows them
}

func (*RootForget) name() string { return "root.forget" }

func (o *RootForget) run(ctx context.Context, n *node.Node, s control.Streams) error {
	names := accountRoots(n)
	ids := make([][32]byte, len(o.IDs))
	for i, text := range o.IDs {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != len(ids[i]) {
			return kind.Errorf(kind.Invalid, "%.80q is no root; `truckee root list` lists them", text)
		}
		ids[i] = [32]byte(b)
		if name, ok := names[ids[i]]; ok {
			return kind.Errorf(kind.Denied, "%.16s… is the root of the account %q: remove the account first", text, name)
		}
	}
	for i, id := range ids {
		if err := n.FS.ForgetRoot(ctx, id); err != nil {
			return fmt.Errorf("%.16s…: %w", o.IDs[i], err)
		}
		fmt.Fprintf(s.Out, "%s is forgotten: what nothing else leads to will be collected after the grace time\n", o.IDs[i])
	}
	return nil
}
