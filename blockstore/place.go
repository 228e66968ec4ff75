package blockstore

import (
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
)

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
