package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/mask"
)

// Engine is a kind of metastore.
type Engine string

// The engines.
const (
	EngineSQLite   Engine = "sqlite"
	EnginePostgres Engine = "postgresql"
	EngineMemory   Engine = "memory"
)

// Database says where the metastore is: sqlite:<file>, postgresql://… or MOCKED.
// Printed, it shows no password.
type Database struct {
	Engine Engine
	File   Path // of sqlite

	address *string // behind a pointer, and only Address gives it
}

const databaseForm = "it is sqlite:<file>, postgresql://<user>:<password>@<host>/<database>, or MOCKED"

// ParseDatabase reads the value of --db. Errors don't repeat it.
func ParseDatabase(text string) (Database, error) {
	lower := strings.ToLower(text)
	scheme, rest, _ := strings.Cut(text, ":")
	switch {
	case lower == "mocked", lower == "memory":
		return Database{Engine: EngineMemory}, nil
	case strings.EqualFold(scheme, "sqlite"):
		// sqlite:///abs/file, sqlite:/abs/file, sqlite:file
		file := strings.TrimPrefix(rest, "//")
		if file == "" {
			return Database{}, errors.New("the file after sqlite: is missing; " + databaseForm)
		}
		return Database{Engine: EngineSQLite, File: Path(file)}, nil
	case strings.EqualFold(scheme, "postgresql"), strings.EqualFold(scheme, "postgres"):
		address := "postgresql:" + rest
		u, err := url.Parse(address)
		if err != nil || !strings.HasPrefix(rest, "//") {
			return Database{}, errors.New("the address of the database is no URL (odd characters of a password are written as %XX); " + databaseForm)
		}
		if mask.Ambiguous(address) {
			return Database{}, errors.New("@, /, ? and # in the user or password of a database's address are written %40, %2F, %3F and %23; " + databaseForm)
		}
		if u.Fragment != "" {
			return Database{}, errors.New("# in the address of a database is written %23; " + databaseForm)
		}
		return Database{Engine: EnginePostgres, address: &address}, nil
	}
	return Database{}, errors.New("no such kind of database; " + databaseForm)
}

// Address is the address of a PostgreSQL database, with its password.
func (d Database) Address() string {
	if d.address == nil {
		return ""
	}
	return *d.address
}

// Password is the one in the address; empty if there is none.
func (d Database) Password() string {
	u, err := url.Parse(d.Address())
	if err != nil {
		return ""
	}
	if password, ok := u.User.Password(); ok {
		return password
	}
	return u.Query().Get("password")
}

// WithPassword is the database with a password in its address; empty takes it
// out. Nothing changes for other engines.
func (d Database) WithPassword(password string) Database {
	u, err := url.Parse(d.Address())
	if err != nil || d.Engine != EnginePostgres {
		return d
	}
	q := u.Query()
	if q.Has("password") {
		q.Del("password")
		u.RawQuery = q.Encode()
	}
	switch name := u.User.Username(); {
	case password != "":
		// In the query where no user is named: userinfo would need one.
		if name == "" {
			q.Set("password", password)
			u.RawQuery = q.Encode()
		} else {
			u.User = url.UserPassword(name, password)
		}
	case u.User != nil:
		u.User = url.User(name)
	}
	address := u.String()
	d.address = &address
	return d
}

// String shows the database as --db takes it, without its password.
func (d Database) String() string {
	switch d.Engine {
	case EngineMemory:
		return "MOCKED"
	case EnginePostgres:
		return mask.URL(d.Address())
	}
	return "sqlite:" + string(d.File)
}

// In is the database with its file taken from basedir, if it is relative.
func (d Database) In(basedir string) (Database, error) {
	var err error
	d.File, err = d.File.in(basedir)
	return d, err
}

// Place is where the database lies, for a sentence: the file, or the address
// without its password.
func (d Database) Place() string {
	if d.Engine == EngineSQLite {
		return string(d.File)
	}
	return d.String()
}

// SamePlace reports whether both are the same database, whoever logs in to it.
func (d Database) SamePlace(o Database) bool {
	return d.Engine == o.Engine && d.File == o.File &&
		blockstore.DatabasePlace(d.Address()) == blockstore.DatabasePlace(o.Address())
}

// Format prints the same for every verb.
func (d Database) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(d.String())) }

// LogValue shows the database without its password.
func (d Database) LogValue() slog.Value { return slog.StringValue(d.String()) }

// Secret is text that must not be shown.
type Secret string

// Format prints every verb without the text.
func (Secret) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("secret(…)")) }

// LogValue keeps the text out of logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("secret(…)") }

// MarshalJSON keeps the text out of JSON.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"secret(…)"`), nil }
