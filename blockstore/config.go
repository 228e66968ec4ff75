package blockstore

import (
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/mask"
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

// Format shows nothing.
func (Fields) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("fields(…)")) }

// LogValue shows nothing.
func (Fields) LogValue() slog.Value { return slog.StringValue("fields(…)") }

// MarshalJSON refuses: a configuration doesn't travel.
func (Fields) MarshalJSON() ([]byte, error) {
	return nil, kind.Errorf(kind.Unsupported, "fields of a blockstore are not for JSON")
}

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

// placesDiffer refuses a composition with one store at two places: it would find
// its blocks there twice, and lose both at once.
func (c Config) placesDiffer() error {
	type leaf struct {
		name string
		at   Config
	}
	var leaves []leaf
	var gather func(name string, c Config)
	gather = func(name string, c Config) {
		for i, node := range c.Nodes {
			gather(strings.TrimPrefix(name+"."+strconv.Itoa(i), "."), node)
		}
		if len(c.Nodes) == 0 && c.Driver != "memory" {
			leaves = append(leaves, leaf{name, c})
		}
	}
	gather("", c)
	for i, l := range leaves {
		for _, other := range leaves[:i] {
			if l.at.SamePlace(other.at) && parameters(l.at) == parameters(other.at) {
				return kind.Errorf(kind.Invalid, "nodes %s and %s are the same store", other.name, l.name)
			}
		}
	}
	return nil
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

// Check finds a field by its name or alias, and gives the value its one form.
// Errors, of kind Invalid, name the field and what it must look like, or the
// nearest field; they don't repeat the value.
func (f Form) Check(name, value string) (Field, string, error) {
	field, ok := f.Field(name)
	if !ok {
		return Field{}, "", f.unknownField(name)
	}
	if value == "" {
		return field, "", nil
	}
	value, err := field.normal(value)
	if err != nil {
		return Field{}, "", kind.Errorf(kind.Invalid, "%s: %w", field.Name, err)
	}
	return field, value, nil
}

func (f Form) unknownField(name string) error {
	var names []string
	for _, field := range f.Fields {
		names = append(names, field.Name)
	}
	if near, ok := nearest.Word(name, names); ok {
		return kind.Errorf(kind.Invalid, "a blockstore of kind %s has no %.40q; did you mean %s?", f.Driver, name, near)
	}
	if len(names) == 0 {
		return kind.Errorf(kind.Invalid, "a blockstore of kind %s has no %.40q, nor any other field", f.Driver, name)
	}
	return kind.Errorf(kind.Invalid, "a blockstore of kind %s has no %.40q; it has %s", f.Driver, name, strings.Join(names, ", "))
}

// normal checks a value and gives it its one form. Errors don't repeat it.
func (f Field) normal(value string) (string, error) {
	if strings.ContainsRune(value, 0) {
		return "", fmt.Errorf("it has a zero byte")
	}
	if len(f.Words) > 0 && !slices.Contains(f.Words, value) {
		return "", fmt.Errorf("it is one of %s", strings.Join(f.Words, ", "))
	}
	switch f.Type {
	case TypeBool:
		if value != "true" && value != "false" {
			return "", fmt.Errorf("it is true or false")
		}
	case TypeNumber:
		if n, err := strconv.ParseUint(value, 10, 31); err != nil || n == 0 {
			return "", fmt.Errorf("it is a whole number above zero")
		}
	case TypeDuration:
		if d, err := time.ParseDuration(value); err != nil || d <= 0 {
			return "", fmt.Errorf(`it is a time with its unit, as "30s"`)
		}
	case TypeSize:
		if !isSize(value) {
			return "", fmt.Errorf(`it is a size, as "64MiB"`)
		}
	case TypeURL:
		return normalURL(value)
	case TypeDatabase:
		if u, err := url.Parse(value); err != nil || u.Scheme != "postgresql" && u.Scheme != "postgres" {
			return "", fmt.Errorf("it is postgresql://<user>:<password>@<host>/<database>, odd characters of a password written as %%XX")
		}
		if mask.Ambiguous(value) {
			return "", fmt.Errorf("@, /, ? and # in the user or password of a database's address are written %%40, %%2F, %%3F and %%23")
		}
	}
	return value, nil
}

// isSize checks a number of bytes with its unit, as tahoe.cfg has them everywhere.
func isSize(value string) bool {
	digits := strings.TrimRight(value, "KMGTiB k")
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 53)
	if err != nil || n == 0 {
		return false
	}
	unit := strings.TrimSpace(value[len(digits):])
	return slices.Contains([]string{"", "B", "KiB", "MiB", "GiB", "TiB", "kB", "MB", "GB", "TB"}, unit)
}

// normalURL adds https:// where there is no scheme (as Parsec does).
func normalURL(value string) (string, error) {
	if !strings.Contains(value, "://") {
		value = "https://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("it is a host, host:port or http(s) address")
	}
	if u.User != nil {
		return "", fmt.Errorf("user and password don't belong into the address; they have fields of their own")
	}
	return value, nil
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

// parameters are those of a database's address: they may name another schema.
func parameters(c Config) string {
	_, params, _ := strings.Cut(c.Fields["url"], "?")
	return params
}

// SamePlace reports whether both name the same store, whatever their logins.
func (c Config) SamePlace(o Config) bool {
	if c.Driver != o.Driver || len(c.Nodes) != len(o.Nodes) {
		return false
	}
	f, _ := FormOf(c.Driver)
	for _, field := range f.Fields {
		if !field.Login && field.place(c.Fields[field.Name]) != field.place(o.Fields[field.Name]) {
			return false
		}
	}
	return slices.EqualFunc(c.Nodes, o.Nodes, Config.SamePlace)
}

// place is what of a value says where, without who.
func (f Field) place(value string) string {
	switch {
	case f.Type == TypeDatabase:
		return DatabasePlace(value) + " " + searchPath(value)
	case f.Type == TypePath && value != "":
		return filepath.Clean(value)
	}
	return value
}

// searchPath is what an address says of the schema in which the tables are.
func searchPath(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Query().Get("search_path") + " " + u.Query().Get("options")
}

// DatabasePlace is the host, port and name of a database, without what its
// address says of the user and the connection.
func DatabasePlace(address string) string {
	u, err := url.Parse(address)
	if err != nil || address == "" {
		return address
	}
	host, port, name := u.Hostname(), u.Port(), strings.TrimPrefix(u.Path, "/")
	q := u.Query()
	for param, v := range map[string]*string{"host": &host, "port": &port, "dbname": &name} {
		if given := q.Get(param); given != "" {
			*v = given
		}
	}
	if port == "" {
		port = "5432"
	}
	return host + ":" + port + "/" + name
}

// String shows the configuration as a string, secrets hidden. A composition
// shows its nodes in brackets.
func (c Config) String() string {
	f, ok := FormOf(c.Driver)
	switch {
	case !ok:
		return "blockstore(…)"
	case f.MinNodes > 0:
		nodes := make([]string, len(c.Nodes))
		for i, n := range c.Nodes {
			nodes[i] = n.String()
		}
		return f.Driver + "[" + strings.Join(nodes, " ") + "]"
	case c.Fields["url"] != "":
		return c.Show("url")
	}
	parts := []string{f.Words[0]}
	for _, name := range f.Args {
		parts = append(parts, escape(c.Show(name)))
	}
	return strings.Join(parts, ":")
}

// Show gives the value of a field as it may be shown.
func (c Config) Show(name string) string {
	value := c.Fields[name]
	f, _ := FormOf(c.Driver)
	switch field, ok := f.Field(name); {
	case value == "":
		return ""
	case !ok || field.Secret:
		return mask.Hidden
	case field.Type == TypeDatabase, field.Type == TypeURL:
		return mask.URL(value)
	}
	return value
}

// Secrets are the values that must not be shown, of all nodes; for mask.Error.
func (c Config) Secrets() []string {
	var all []string
	f, _ := FormOf(c.Driver)
	for _, field := range f.Fields {
		value := c.Fields[field.Name]
		if value == "" {
			continue
		}
		if field.Secret {
			all = append(all, value)
		}
		if u, err := url.Parse(value); field.Type == TypeDatabase && err == nil && u.User != nil {
			if password, ok := u.User.Password(); ok {
				all = append(all, password)
			}
		}
	}
	for _, n := range c.Nodes {
		all = append(all, n.Secrets()...)
	}
	return all
}

// Format prints the same for every verb.
func (c Config) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(c.String())) }

// LogValue shows the configuration without its secrets.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
