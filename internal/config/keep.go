package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Keep writes to tahoe.cfg in basedir where -b and --db said that the stores are,
// as far as it doesn't say so itself, and their secrets to the file of the
// secrets (0600). It is idempotent, and completes what a crash left.
func Keep(basedir string, c Config) error {
	now, _, err := Load(Sources{BaseDir: basedir})
	if err != nil {
		return err
	}
	c.Blockstore.Stated, c.Blockstore.Kept = now.Blockstore.Stated, now.Blockstore.Kept
	c.Metastore.Stated, c.Metastore.Kept, c.Metastore.KeptPassword = now.Metastore.Stated, now.Metastore.Kept, now.Metastore.KeptPassword
	place, secrets := newTables(), newTables()
	if c.Blockstore.Given {
		if !c.Blockstore.Stated && !c.Blockstore.Tree.SamePlace(c.Blockstore.Kept) {
			if err := keepTree(basedir, c.Blockstore.Tree, place, blockstoreSection); err != nil {
				return err
			}
		}
		if err := keepSecrets(c.Blockstore.Tree, c.Blockstore.Kept, secrets, blockstoreSection); err != nil {
			return err
		}
	}
	if c.Metastore.Given {
		keepDatabase(basedir, c.Metastore, place, secrets)
	}
	path := filepath.Join(basedir, FileName)
	if err := addTo(path, place, 0); err != nil {
		return err
	}
	if err := addTo(string(c.Node.SecretsFile), secrets, 0o600); err != nil {
		return err
	}
	if len(place.order)+len(secrets.order) == 0 {
		return nil
	}
	// What can't be read back as it was meant must not be found out by the next start.
	again, _, err := Load(Sources{BaseDir: basedir})
	if err != nil {
		return fmt.Errorf("after adding to %s: %w", path, err)
	}
	if c.Blockstore.Given && !again.Blockstore.Tree.SamePlace(c.Blockstore.Tree) || c.Metastore.Given && !again.Metastore.DB.SamePlace(c.Metastore.DB) {
		return byHand(path)
	}
	return nil
}

// KeepDatabase has tahoe.cfg in basedir say that the database is db, in place of
// what it says.
func KeepDatabase(basedir string, c Config, db Database) error {
	place, secrets := newTables(), newTables()
	var err error
	if db.File, err = db.File.in(basedir); err != nil {
		return err
	}
	keepDatabase(basedir, Metastore{DB: db, Given: true}, place, secrets)
	drop := func(section, key string) bool {
		return section == "metastore" && (key == "db" || key == "password" || key == "password_file")
	}
	if err := rewrite(basedir, c, drop, place, secrets); err != nil {
		return err
	}
	again, _, err := Load(Sources{BaseDir: basedir})
	if err == nil && !again.Metastore.DB.SamePlace(db) {
		err = byHand(filepath.Join(basedir, FileName))
	}
	return err
}

// KeepBlockstore has tahoe.cfg in basedir say that the blocks are in tree, in
// place of what it says.
func KeepBlockstore(basedir string, c Config, tree blockstore.Config) error {
	place, secrets := newTables(), newTables()
	if err := keepTree(basedir, tree, place, blockstoreSection); err != nil {
		return err
	}
	if err := keepSecrets(tree, blockstore.Config{}, secrets, blockstoreSection); err != nil {
		return err
	}
	table := Options()
	drop := func(section, key string) bool {
		return section == blockstoreSection && !known(table, section, key) || strings.HasPrefix(section, blockstoreSection+".")
	}
	if err := rewrite(basedir, c, drop, place, secrets); err != nil {
		return err
	}
	again, _, err := Load(Sources{BaseDir: basedir})
	if err == nil && !again.Blockstore.Tree.SamePlace(tree) {
		err = byHand(filepath.Join(basedir, FileName))
	}
	return err
}

func byHand(path string) error {
	return kind.Errorf(kind.Invalid, "%s can't be changed by itself (it must be TOML, and [blockstore] and [metastore] sections of their own): write into it by hand", path)
}

// keepTree writes a blockstore without its secrets.
func keepTree(basedir string, c blockstore.Config, t *tables, section string) error {
	f, err := c.Form()
	if err != nil {
		return err
	}
	t.add(section, "driver", quote(c.Driver))
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		field, _ := f.Field(name)
		value := c.Fields[name]
		switch {
		case field.Secret:
			continue
		case field.Type == blockstore.TypePath:
			value = relative(basedir, value)
		case field.Type == blockstore.TypeDatabase:
			d, err := ParseDatabase(value)
			if err != nil {
				return err
			}
			value = d.WithPassword("").Address()
		}
		if !utf8.ValidString(value) {
			return kind.Errorf(kind.Invalid, "%s holds bytes that are no text, and can't be kept in %s", name, FileName)
		}
		t.add(section, name, quote(value))
	}
	for i, n := range c.Nodes {
		if err := keepTree(basedir, n, t, section+"."+strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

// keepSecrets writes those secrets that kept lacks.
func keepSecrets(c, kept blockstore.Config, t *tables, section string) error {
	f, _ := blockstore.FormOf(c.Driver)
	for _, field := range f.Fields {
		if value := c.Fields[field.Name]; field.Secret && value != "" && kept.Fields[field.Name] == "" {
			if !utf8.ValidString(value) {
				return kind.Errorf(kind.Invalid, "%s holds bytes that are no text, and can't be kept: put it into a file, and name that by %s_file in %s", field.Name, field.Name, FileName)
			}
			t.add(section, field.Name, quote(value))
		}
		if d, err := ParseDatabase(c.Fields[field.Name]); field.Type == blockstore.TypeDatabase && err == nil && d.Password() != "" && c.Fields["password"] == "" && kept.Secrets() == nil {
			t.add(section, "password", quote(d.Password()))
		}
	}
	for i, n := range c.Nodes {
		var k blockstore.Config
		if i < len(kept.Nodes) {
			k = kept.Nodes[i]
		}
		if err := keepSecrets(n, k, t, section+"."+strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

func keepDatabase(basedir string, m Metastore, place, secrets *tables) {
	const section = "metastore"
	if !m.Stated && !m.DB.SamePlace(m.Kept) {
		text := m.DB.WithPassword("").Address()
		switch m.DB.Engine {
		case EngineMemory:
			text = "MOCKED"
		case EngineSQLite:
			text = "sqlite:" + relative(basedir, string(m.DB.File))
		}
		place.add(section, "db", quote(text))
		if m.PasswordFile != "" {
			place.add(section, "password_file", quote(relative(basedir, string(m.PasswordFile))))
		}
	}
	if password := m.DB.Password(); password != "" && m.PasswordFile == "" && m.Kept.Password() == "" && !m.KeptPassword {
		secrets.add(section, "password", quote(password))
	}
}

// relative shortens what lies in basedir, so that the folder can be moved.
func relative(basedir, path string) string {
	if rest, ok := strings.CutPrefix(path, basedir+string(filepath.Separator)); ok {
		return rest
	}
	return path
}
