package blockstore

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/mask"
)

// Format shows nothing.
func (Fields) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("fields(…)")) }

// LogValue shows nothing.
func (Fields) LogValue() slog.Value { return slog.StringValue("fields(…)") }

// MarshalJSON refuses: a configuration doesn't travel.
func (Fields) MarshalJSON() ([]byte, error) {
	return nil, kind.Errorf(kind.Unsupported, "fields of a blockstore are not for JSON")
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
