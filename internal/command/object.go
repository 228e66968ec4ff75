package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// CapLink links what a capability names below a path.
type CapLink struct {
	Target
	To Secret // see parseCapLink
}

func (*CapLink) name() string { return "cap.link" }

func (o *CapLink) run(ctx context.Context, n *node.Node, _ control.Streams) error {
	link, err := parseCapLink(o.To)
	if err != nil {
		return err
	}
	tree, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	if err := tree.LinkCap(ctx, o.path(), link); err != nil {
		return o.fault(err)
	}
	return nil
}

// parseCapLink reads the one line of a capability; or two, of one of the future:
// the write capability and the read capability that belongs to it, which nobody
// can compute.
func parseCapLink(text Secret) (caps.Link, error) {
	lines := strings.Fields(string(text))
	switch len(lines) {
	case 0:
		return caps.Link{}, kind.Errorf(kind.Invalid, "there is no capability")
	case 1:
		return caps.ParseLink(lines[0], "", false)
	case 2:
		return caps.ParseLink(lines[0], lines[1], false)
	}
	return caps.Link{}, kind.Errorf(kind.Invalid, "more than one capability, or than a write and its read capability")
}

// CapFreeze makes a frozen copy of a directory, links it, and prints its
// capability.
type CapFreeze struct {
	Target
	To Target
}

func (*CapFreeze) name() string { return "cap.freeze" }

func (o *CapFreeze) run(ctx context.Context, n *node.Node, s control.Streams) error {
	from, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	into, err := o.To.mount(ctx, n)
	if err != nil {
		return err
	}
	if _, err := into.Lstat(ctx, o.To.path()); err == nil {
		return o.To.fault(kind.Exist)
	}
	c, err := from.Freeze(ctx, o.path(), into, o.To.path())
	if err != nil {
		return o.fault(err)
	}
	_, err = fmt.Fprintln(s.Out, revealed(c))
	return err
}
