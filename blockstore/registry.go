package blockstore

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Env is what a driver is opened in.
type Env struct {
	// Name is that of the node in the tree of the configuration: "" for the
	// whole, "0" for its first node, "1.0" for the first node of its second.
	Name string

	Log  *slog.Logger // with the name, if there is one
	base *slog.Logger // without

	// InArray: it is a node of a RAID, which knows by a record whether it is the one
	// that was there before.
	InArray bool

	// Open opens the node of that index, for compositions.
	Open func(ctx context.Context, i int) (Store, error)
}

// Opener opens the store that c describes. c is complete, and of the driver
// that the opener is registered for.
type Opener func(ctx context.Context, c Config, env Env) (Store, error)

// Registry holds the openers by driver. Who starts a program fills it; nothing
// registers itself.
type Registry map[string]Opener

// Open opens what c describes. Errors name the node; they are of kind Invalid
// or Unsupported if c is at fault, and the driver's otherwise.
func (r Registry) Open(ctx context.Context, c Config, log *slog.Logger) (Store, error) {
	c, err := c.Complete()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return r.open(ctx, c, Env{Log: log, base: log})
}

// Node is the name of the node of that index, and a log with that.
func (e Env) Node(i int) (name string, log *slog.Logger) {
	name = strings.TrimPrefix(e.Name+"."+strconv.Itoa(i), ".")
	return name, e.base.With("blockstore", name)
}

func (r Registry) open(ctx context.Context, c Config, env Env) (Store, error) {
	open, ok := r[c.Driver]
	if !ok {
		return nil, kind.Errorf(kind.Unsupported, "this program has no blockstores of kind %s", c.Driver)
	}
	env.Open = func(ctx context.Context, i int) (Store, error) {
		if i < 0 || i >= len(c.Nodes) {
			return nil, kind.Errorf(kind.Invalid, "blockstore %s has no node %d", c.Driver, i)
		}
		child := Env{base: env.base, InArray: env.InArray || strings.HasPrefix(c.Driver, "raid")}
		child.Name, child.Log = env.Node(i)
		return r.open(ctx, c.Nodes[i], child)
	}
	s, err := open(ctx, c, env)
	if err != nil && env.Name != "" {
		err = fmt.Errorf("blockstore %s: %w", env.Name, err)
	}
	return s, err
}
