package command

import (
	"context"

	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/node"
)

// Diminish makes the link to a directory or mutable file one that only reads.
type Diminish struct{ Target }

func (*Diminish) name() string { return "fs.diminish" }

func (o *Diminish) run(ctx context.Context, n *node.Node, _ control.Streams) error {
	tree, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	if err := tree.Diminish(ctx, o.path()); err != nil {
		return o.fault(err)
	}
	return nil
}
