package blockstore

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/mask"
	"github.com/truckee-fs/truckee/internal/nearest"
)

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
