package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/nearest"
)

// blockstoreSection is the section whose keys are those of blockstore.Forms,
// beside the few of the table. [blockstore.0] is the first node of a
// composition, [blockstore.0.1] the second node of that.
const blockstoreSection = "blockstore"

// DefaultBlocks is the directory of the blocks if tahoe.cfg names no other.
const DefaultBlocks = "blocks"

// treeNode is one [blockstore…] table.
type treeNode struct {
	name     string // "", "0", "0.1"
	from     string // where it is first named
	driver   *setting
	settings []setting // key is the field's name
	secrets  []setting // from the file of the secrets
}

// tree collects the tables by name.
type tree struct {
	basedir string
	nodes   map[string]*treeNode
}

// readTree makes a blockstore of the settings of tahoe.cfg and of the file of
// the secrets. Without any, it is the default.
func readTree(basedir string, settings, secrets []setting) (blockstore.Config, error) {
	t := tree{basedir, map[string]*treeNode{}}
	for _, s := range settings {
		name, key, err := nodeOf(s)
		if err != nil {
			return blockstore.Config{}, err
		}
		n := t.node(name, s.from)
		s.key = key
		if key == "driver" {
			n.driver = &s
		} else {
			n.settings = append(n.settings, s)
		}
	}
	for _, s := range secrets {
		name, key, err := nodeOf(s)
		if err != nil {
			return blockstore.Config{}, err
		}
		n, ok := t.nodes[name]
		if !ok && name != "" {
			return blockstore.Config{}, fmt.Errorf("%s: tahoe.cfg has no [%s]", s.from, section(name))
		} else if !ok {
			n = t.node("", s.from)
		}
		s.key = key
		n.secrets = append(n.secrets, s)
	}
	c, err := t.build("")
	if err != nil {
		return blockstore.Config{}, err
	}
	done, err := c.Complete()
	if err != nil {
		return blockstore.Config{}, fmt.Errorf("%s: [%s]: %w", t.from(), blockstoreSection, err)
	}
	return done, nil
}

// from is where the tables begin.
func (t *tree) from() string {
	switch n := t.nodes[""]; {
	case n == nil:
		return FileName
	case n.driver != nil:
		return n.driver.from
	default:
		return n.from
	}
}

func (t *tree) node(name, from string) *treeNode {
	if t.nodes[name] == nil {
		t.nodes[name] = &treeNode{name: name, from: from}
	}
	return t.nodes[name]
}

// nodeOf splits a key into the node that it belongs to and the field's name.
func nodeOf(s setting) (node, key string, err error) {
	parts := strings.Split(s.key, ".")
	n := 0
	for n < len(parts) && isIndex(parts[n]) {
		n++
	}
	if n != len(parts)-1 {
		return "", "", fmt.Errorf("%s: unknown key %.40s in [%s]", s.from, s.key, blockstoreSection)
	}
	return strings.Join(parts[:n], "."), parts[n], nil
}

func isIndex(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == text
}

func section(node string) string {
	return strings.TrimSuffix(blockstoreSection+"."+node, ".")
}

// children are the indices that stand below a node, ascending.
func (t *tree) children(name string) []int {
	var all []int
	for other := range t.nodes {
		rest := other
		if name != "" {
			var below bool
			if rest, below = strings.CutPrefix(other, name+"."); !below {
				continue
			}
		}
		first, _, _ := strings.Cut(rest, ".")
		if i, err := strconv.Atoi(first); err == nil && !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	return all
}

func (t *tree) build(name string) (blockstore.Config, error) {
	n := t.nodes[name]
	if n == nil {
		n = &treeNode{name: name, from: FileName}
	}
	children := t.children(name)
	form, err := n.form(len(children))
	if err != nil {
		return blockstore.Config{}, err
	}
	c := blockstore.Config{Driver: form.Driver, Fields: blockstore.Fields{}}
	for _, s := range n.settings {
		if err := t.set(form, c.Fields, s); err != nil {
			return blockstore.Config{}, fmt.Errorf("%s: [%s]: %w", s.from, section(name), err)
		}
	}
	for _, s := range n.secrets {
		field, ok := form.Field(s.key)
		if _, twice := c.Fields[field.Name]; !ok || !field.Secret || twice {
			return blockstore.Config{}, fmt.Errorf("%s: [%s]: only secrets that tahoe.cfg leaves open stand here, and %.40s is none", s.from, section(name), s.key)
		}
		if err := t.set(form, c.Fields, s); err != nil {
			return blockstore.Config{}, fmt.Errorf("%s: [%s]: %w", s.from, section(name), err)
		}
	}
	if name == "" && form.Driver == "local" && c.Fields["dir"] == "" {
		c.Fields["dir"] = DefaultBlocks
	}
	for at, i := range children {
		if at != i {
			return blockstore.Config{}, fmt.Errorf("%s: [%s] is missing: nodes are 0, 1, 2 and so on", n.from, section(strings.TrimPrefix(name+"."+strconv.Itoa(at), ".")))
		}
		child, err := t.build(strings.TrimPrefix(name+"."+strconv.Itoa(i), "."))
		if err != nil {
			return blockstore.Config{}, err
		}
		c.Nodes = append(c.Nodes, child)
	}
	if err := t.absolute(form, c.Fields); err != nil {
		return blockstore.Config{}, err
	}
	return c, nil
}

// form finds the driver.
func (n *treeNode) form(children int) (blockstore.Form, error) {
	c := blockstore.Config{Driver: "local"}
	from := n.from
	switch {
	case n.driver != nil:
		text, ok := n.driver.value.(string)
		if !ok {
			return blockstore.Form{}, fmt.Errorf("%s: [%s]: driver is text, in quotes", n.driver.from, section(n.name))
		}
		c.Driver, from = text, n.driver.from
	case children > 0 || n.name != "":
		return blockstore.Form{}, fmt.Errorf("%s: [%s] has no driver", n.from, section(n.name))
	}
	f, err := c.Form()
	if err != nil {
		return blockstore.Form{}, fmt.Errorf("%s: [%s]: driver: %w", from, section(n.name), err)
	}
	return f, nil
}

// set checks one setting and puts it among the fields.
func (t *tree) set(f blockstore.Form, fields blockstore.Fields, s setting) error {
	value, err := scalar(s.value)
	if err != nil {
		return fmt.Errorf("%.40s: %w", s.key, err)
	}
	name := s.key
	if base, ok := strings.CutSuffix(s.key, "_file"); ok {
		if field, known := f.Field(base); known && field.Secret {
			name = base
			if value, err = t.secretFile(value); err != nil {
				return fmt.Errorf("%.40s: %w", s.key, err)
			}
		}
	}
	field, value, err := f.Check(name, value)
	if err != nil {
		if _, ok := f.Field(name); !ok {
			return unknownIn(f, s.key, err)
		}
		return err
	}
	if _, twice := fields[field.Name]; twice {
		return fmt.Errorf("%s is given twice", field.Name)
	}
	if value != "" {
		fields[field.Name] = value
	}
	return nil
}

// unknownIn names the nearest of all that may stand in a table; those that only
// tahoe.cfg knows, too.
func unknownIn(f blockstore.Form, key string, plain error) error {
	names := []string{"driver"}
	for _, field := range f.Fields {
		names = append(names, field.Name)
		if field.Secret {
			names = append(names, field.Name+"_file")
		}
	}
	for _, o := range Options() {
		if o.Section == blockstoreSection {
			names = append(names, o.Key)
		}
	}
	if near, ok := nearest.Word(key, names); ok {
		return fmt.Errorf("unknown key %.40s; did you mean %s?", key, near)
	}
	return plain
}

// scalar is a value of TOML as text.
func scalar(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	}
	return "", errors.New("it is text, in quotes")
}

// absolute takes relative file names from BASEDIR.
func (t *tree) absolute(f blockstore.Form, fields blockstore.Fields) error {
	for _, field := range f.Fields {
		value := fields[field.Name]
		if field.Type != blockstore.TypePath || value == "" {
			continue
		}
		path, err := Path(value).in(t.basedir)
		if err != nil {
			return err
		}
		fields[field.Name] = string(path)
	}
	return nil
}

// absoluteTree is absolute for a whole tree.
func absoluteTree(basedir string, c blockstore.Config) error {
	t := tree{basedir: basedir}
	f, err := c.Form()
	if err == nil {
		err = t.absolute(f, c.Fields)
	}
	for _, n := range c.Nodes {
		if err == nil {
			err = absoluteTree(basedir, n)
		}
	}
	return err
}

// merge gives the kept tree the logins of the one given, which names the same place.
func merge(kept, given blockstore.Config) blockstore.Config {
	c := blockstore.Config{Driver: kept.Driver, Fields: blockstore.Fields{}}
	for name, value := range kept.Fields {
		c.Fields[name] = value
	}
	for name, value := range given.Fields {
		c.Fields[name] = value
	}
	for i := range kept.Nodes {
		c.Nodes = append(c.Nodes, merge(kept.Nodes[i], given.Nodes[i]))
	}
	return c
}
