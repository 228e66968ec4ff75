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

// revealed is the text of a capability, for the commands that exist to print it.
func revealed(c caps.Cap) string { return c.Reveal() }

// parseCap reads a capability that a command was given. Unknown forms are an
// error: nothing can be done with them.
func parseCap(text Secret) (caps.Cap, error) {
	trimmed := strings.TrimSpace(string(text))
	if trimmed == "" {
		return nil, kind.Errorf(kind.Invalid, "there is no capability")
	}
	c, err := caps.Parse(trimmed)
	if err != nil {
		return nil, err
	}
	if _, unknown := c.(caps.Unknown); unknown {
		return nil, kind.Errorf(kind.Invalid, "not a capability of a kind that this version knows")
	}
	return c, nil
}

// ShowCap describes a capability without its secrets.
func ShowCap(text Secret) (string, error) {
	c, err := parseCap(text)
	if err != nil {
		return "", err
	}
	what := "file"
	if c.IsDir() {
		what = "directory"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "authority      %s\nobject         %s\nform           %s\n", c.Authority(), what, c.Form())
	if !c.Index().IsZero() {
		fmt.Fprintf(&b, "storage index  %s\n", c.Index())
	}
	return b.String(), nil
}

// WeakenCap returns the text of the capability of that authority that follows
// from the one given. Denied if it doesn't allow so much itself.
func WeakenCap(text Secret, to caps.Authority) (string, error) {
	c, err := parseCap(text)
	if err != nil {
		return "", err
	}
	if c.Authority() < to {
		return "", kind.Errorf(kind.Denied, "this is a %s capability; a %s capability doesn't follow from it", c.Authority(), to)
	}
	weak, ok := caps.AtMost(c, to)
	if !ok {
		return "", kind.Errorf(kind.Unsupported, "a %s capability doesn't exist for this object", to)
	}
	return revealed(weak), nil
}

// CapNew makes a new, empty directory that nothing links, and prints its write
// capability.
type CapNew struct{}

func (*CapNew) name() string { return "cap.new" }

func (*CapNew) run(ctx context.Context, n *node.Node, s control.Streams) error {
	c, err := n.FS.CreateRoot(ctx, "cli")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, revealed(c))
	return err
}

// CapOf prints the capability of a path.
type CapOf struct {
	Target
	Authority caps.Authority
}

func (*CapOf) name() string { return "cap.of" }

func (o *CapOf) run(ctx context.Context, n *node.Node, s control.Streams) error {
	tree, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	c, err := tree.CapOf(ctx, o.path(), o.Authority)
	if err != nil {
		return o.fault(err)
	}
	_, err = fmt.Fprintln(s.Out, revealed(c))
	return err
}
