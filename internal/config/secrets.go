package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// readSecrets lists what the file of the secrets says. It may be absent; who
// else can read it must not. Its errors repeat nothing of it but names of keys.
func readSecrets(basedir string, name Path) (loaded, error) {
	file, err := name.in(basedir)
	if err != nil {
		return loaded{}, err
	}
	path := string(file)
	text, err := readText(path)
	if err != nil || text == "" {
		return loaded{}, err
	}
	if readableByOthers(path) {
		return loaded{}, kind.Errorf(kind.Denied, "%s can be read or changed by others: run chmod 600 on it", path)
	}
	all, syntax, err := readTOML(path, text)
	if syntax {
		return loaded{}, fmt.Errorf("%s: this is no TOML; do the values stand in quotes?", path)
	}
	if err != nil {
		return loaded{}, err
	}
	var l loaded
	for _, s := range all {
		switch {
		case s.key == "":
		case s.section == "metastore" && s.key == "password":
			l.options = append(l.options, s)
		case s.section == blockstoreSection:
			l.blockstore = append(l.blockstore, s)
		default:
			return loaded{}, fmt.Errorf("%s: [%.40s] %.40s doesn't belong here: only secrets of [blockstore] and the password of [metastore] do", s.from, s.section, s.key)
		}
	}
	return l, nil
}

// readableByOthers tells whether the group or everybody can read or change a
// file. One that can't be asked about isn't there.
func readableByOthers(path string) bool {
	st, err := os.Stat(filepath.Clean(path))
	return err == nil && st.Mode().Perm()&0o077 != 0
}

// holdsSecrets tells whether tahoe.cfg itself has a secret.
func holdsSecrets(file loaded) bool {
	password := slices.ContainsFunc(file.options, func(s setting) bool {
		if s.section != "metastore" {
			return false
		}
		text, _ := s.value.(string)
		d, err := ParseDatabase(text)
		return s.key == "password" || s.key == "db" && err == nil && d.Password() != ""
	})
	return password || slices.ContainsFunc(file.blockstore, func(s setting) bool {
		_, key, err := nodeOf(s)
		text, _ := s.value.(string)
		if d, dbErr := ParseDatabase(text); key == "url" && dbErr == nil && d.Password() != "" {
			return true
		}
		return err == nil && isSecretField(key)
	})
}

func isSecretField(name string) bool {
	return slices.ContainsFunc(blockstore.Forms(), func(f blockstore.Form) bool {
		field, ok := f.Field(name)
		return ok && field.Secret
	})
}
