package blockstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/nearest"
)

// Config is a blockstore as it is configured: a driver with its fields, and the
// nodes that a composition is made of. Every verb of fmt, and slog, show it
// without its secrets.
type Config struct {
	Driver string
	Fields Fields
	Nodes  []Config // by index
}

// Fields are values by the names of the driver's Form. Printed, they show
// nothing: only their Config knows which are secret.
type Fields map[string]string

// Form is that of the driver.
func (c Config) Form() (Form, error) {
	f, ok := FormOf(c.Driver)
	switch {
	case !ok:
		return Form{}, unknownDriver(c.Driver)
	case f.Later:
		return Form{}, kind.Errorf(kind.Unsupported, "blockstores of kind %s are not built yet; built are: %s", f.Driver, known())
	}
	return f, nil
}

func unknownDriver(name string) error {
	var names []string
	for _, f := range forms {
		names = append(append(names, f.Driver), f.Words...)
	}
	if near, ok := nearest.Word(strings.ToLower(name), names); ok && name != "" {
		return kind.Errorf(kind.Invalid, "no kind of blockstore is called %.40q; did you mean %s?", name, near)
	}
	return kind.Errorf(kind.Invalid, "this is no blockstore; known are: %s", known())
}

// Complete checks the configuration and all below it, and gives values their
// one form. Errors are of kind Invalid, or Unsupported for a driver that isn't
// built yet; they name the node by its index, the field, and no value that
// could be a secret.
func (c Config) Complete() (Config, error) {
	done, err := c.complete("")
	if err == nil {
		err = done.placesDiffer()
	}
	if err != nil {
		return Config{}, err
	}
	return done, nil
}

func (c Config) complete(name string) (Config, error) {
	at := func(err error) error {
		if name == "" {
			return err
		}
		return fmt.Errorf("node %s: %w", name, err)
	}
	f, err := c.Form()
	if err != nil {
		return Config{}, at(err)
	}
	done := Config{Driver: f.Driver, Fields: Fields{}}
	for key, value := range c.Fields {
		field, value, err := f.Check(key, value)
		if err != nil {
			return Config{}, at(err)
		}
		if value == "" {
			continue
		}
		if _, twice := done.Fields[field.Name]; twice {
			return Config{}, at(kind.Errorf(kind.Invalid, "%s and %s are the same; give one of them", field.Name, field.Alias))
		}
		done.Fields[field.Name] = value
	}
	for _, field := range f.Fields {
		if field.Required && done.Fields[field.Name] == "" {
			return Config{}, at(kind.Errorf(kind.Invalid, "%s of a blockstore of kind %s is missing", field.Name, f.Driver))
		}
	}
	switch n := len(c.Nodes); {
	case f.MinNodes == 0 && n > 0:
		return Config{}, at(kind.Errorf(kind.Invalid, "a blockstore of kind %s has no nodes", f.Driver))
	case n < f.MinNodes && f.MaxNodes == 1:
		return Config{}, at(kind.Errorf(kind.Invalid, "%s needs one node, 0", f.Driver))
	case n < f.MinNodes:
		return Config{}, at(kind.Errorf(kind.Invalid, "%s needs at least %d nodes, and has %d", strings.ToUpper(f.Driver), f.MinNodes, n))
	case f.MaxNodes > 0 && n > f.MaxNodes:
		return Config{}, at(kind.Errorf(kind.Invalid, "%s has %d nodes at most, not %d", f.Driver, f.MaxNodes, n))
	}
	for i, node := range c.Nodes {
		child, err := node.complete(strings.TrimPrefix(name+"."+strconv.Itoa(i), "."))
		if err != nil {
			return Config{}, err
		}
		done.Nodes = append(done.Nodes, child)
	}
	return done, nil
}

// NeedsDatabase reports whether it, or a node of it, keeps its blocks in the
// database of the metastore (POSTGRESQL, without an address).
func (c Config) NeedsDatabase() bool {
	return c.Driver == "postgresql" && c.Fields["url"] == "" || slices.ContainsFunc(c.Nodes, Config.NeedsDatabase)
}

// Forgets reports whether it, or a node of it, keeps its blocks in memory.
func (c Config) Forgets() bool {
	return c.Driver == "memory" || slices.ContainsFunc(c.Nodes, Config.Forgets)
}
