package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/nearest"
)

// FileName is the name of the configuration file in BASEDIR.
const FileName = "tahoe.cfg"

// maxFile bounds tahoe.cfg, in bytes.
const maxFile = 1 << 20

// Names of variables that aren't keys: where BASEDIR is, more of the command
// line, and the blockstores, as -b takes them, with white space between.
const (
	BaseDirEnv    = "TRUCKEE_BASEDIR"
	CmdArgsEnv    = "TRUCKEE_CMD_ARGS"
	BlockstoreEnv = "TRUCKEE_BLOCKSTORE"
)

// Sources are what a Config is read from.
type Sources struct {
	BaseDir     string            // absolute; its tahoe.cfg may be absent
	Environ     []string          // as os.Environ gives it
	Flags       map[string]string // by the flag's name
	Blockstores []string          // of -b
}

// Load reads the configuration. Warnings are for the log. Errors are of kind
// Invalid and name the place: file and line, variable or flag.
func Load(src Sources) (c Config, warnings []string, err error) {
	if c, warnings, err = load(src); err != nil {
		return Config{}, nil, invalid(err)
	}
	return c, warnings, nil
}

func load(src Sources) (c Config, warnings []string, err error) {
	table := options(&c)
	for _, o := range table {
		if o.Default == "" {
			continue
		}
		if err := o.setText(o.Default); err != nil {
			return Config{}, nil, fmt.Errorf("default of %s: %w", o.Name(), err)
		}
	}
	path := filepath.Join(src.BaseDir, FileName)
	file, warnings, err := readFile(path, table)
	if err != nil {
		return Config{}, nil, err
	}
	if err := applyAll(table, file.options); err != nil {
		return Config{}, nil, err
	}
	secrets, err := readSecrets(src.BaseDir, c.Node.SecretsFile)
	if err != nil {
		return Config{}, nil, err
	}
	if err := applyAll(table, secrets.options); err != nil {
		return Config{}, nil, err
	}
	if c.Blockstore.Kept, err = readTree(src.BaseDir, file.blockstore, secrets.blockstore); err != nil {
		return Config{}, nil, err
	}
	c.Blockstore.Stated = len(file.blockstore) > 0
	c.Metastore.Kept, c.Metastore.Stated = c.Metastore.DB, file.has("metastore", "db")
	c.Metastore.KeptPassword = c.Metastore.Password != "" || c.Metastore.PasswordFile != ""
	if holdsSecrets(file) && readableByOthers(path) {
		warnings = append(warnings, path+" holds secrets and others can read it: run chmod 600 on it, or move them to "+string(c.Node.SecretsFile))
	}
	env, blockstores, err := readEnviron(src.Environ, table)
	if err != nil {
		return Config{}, nil, err
	}
	flags, err := readFlags(src.Flags, table)
	if err != nil {
		return Config{}, nil, err
	}
	given := loaded{options: slices.Concat(env, flags)}
	if err := applyAll(table, given.options); err != nil {
		return Config{}, nil, err
	}
	c.Metastore.Given = given.has("metastore", "db")
	c.S3.Stated = file.has("s3", "listen") || given.has("s3", "listen")
	return c, warnings, c.finish(src, blockstores)
}

// loaded are the settings of one source.
type loaded struct {
	options    []setting
	blockstore []setting // the keys of [blockstore] that are in no table of ours
}

func (l loaded) has(section, key string) bool {
	return slices.ContainsFunc(l.options, func(s setting) bool { return s.section == section && s.key == key })
}

func applyAll(table []Option, all []setting) error {
	for _, s := range all {
		if err := apply(table, s); err != nil {
			return err
		}
	}
	return nil
}

func invalid(err error) error { return kind.Errorf(kind.Invalid, "%w", err) }

func apply(table []Option, s setting) error {
	for _, o := range table {
		if o.Section == s.section && o.Key == s.key {
			if err := o.set(s.value); err != nil {
				return fmt.Errorf("%s: %s: %w", s.from, o.Name(), err)
			}
			return nil
		}
	}
	return fmt.Errorf("%s: unknown key %.40s.%.40s", s.from, s.section, s.key)
}

// readFile lists the settings of tahoe.cfg that are ours.
func readFile(path string, table []Option) (ours loaded, warnings []string, err error) {
	text, err := readText(path)
	if err != nil || text == "" {
		return loaded{}, nil, err
	}
	all, syntax, err := readTOML(path, text)
	if syntax {
		if all, err = asINI(path, text, err); err == nil {
			warnings = append(warnings, path+" is in the form of Tahoe-LAFS (INI); it is read as such")
		}
	}
	if err != nil {
		return loaded{}, nil, err
	}
	for _, s := range all {
		switch {
		case known(table, s.section, "") && s.key == "":
		case known(table, s.section, s.key):
			ours.options = append(ours.options, s)
		case s.section == blockstoreSection:
			ours.blockstore = append(ours.blockstore, s)
		case s.key == "" && isTahoe(s.section, ""):
		case isTahoe(s.section, s.key):
			warnings = append(warnings, fmt.Sprintf("%s: [%s] %s of Tahoe-LAFS means nothing here and is ignored", s.from, s.section, s.key))
		default:
			return loaded{}, nil, unknownKey(table, s)
		}
	}
	return ours, warnings, nil
}

// readText reads a file of the configuration; one that is absent is empty.
func readText(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if len(b) > maxFile {
		return "", fmt.Errorf("%s: larger than %d KiB", path, maxFile>>10)
	}
	return strings.TrimPrefix(string(b), "\ufeff"), nil
}

// asINI reads a file that TOML refused with notTOML.
func asINI(path, text string, notTOML error) ([]setting, error) {
	all, err := readINI(path, text)
	if err == nil {
		err = checkTahoe(all)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (and as a tahoe.cfg of Tahoe-LAFS: %w)", notTOML, err)
	}
	return all, nil
}

// known reports whether the key is ours; with an empty key, the section.
func known(table []Option, section, key string) bool {
	return slices.ContainsFunc(table, func(o Option) bool { return o.Section == section && (o.Key == key || key == "") })
}

// unknownKey names the nearest key of the section, or else the nearest section.
func unknownKey(table []Option, s setting) error {
	var keys, sections []string
	for _, o := range table {
		sections = append(sections, o.Section)
		if o.Section == s.section {
			keys = append(keys, o.Key)
		}
	}
	if keys == nil {
		if near, ok := nearest.Word(s.section, sections); ok {
			return fmt.Errorf("%s: unknown section [%.40s]; did you mean [%s]?", s.from, s.section, near)
		}
		return fmt.Errorf("%s: unknown section [%.40s]", s.from, s.section)
	}
	if near, ok := nearest.Word(s.key, keys); ok {
		return fmt.Errorf("%s: unknown key %.40s in [%s]; did you mean %s?", s.from, s.key, s.section, near)
	}
	return fmt.Errorf("%s: unknown key %.40s in [%s]", s.from, s.key, s.section)
}

// readEnviron lists the settings of the environment, and the blockstores.
func readEnviron(environ []string, table []Option) (all []setting, blockstores []string, err error) {
	names := []string{BaseDirEnv, CmdArgsEnv, BlockstoreEnv}
	for _, o := range table {
		if o.Env != "" {
			names = append(names, o.Env)
		}
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "TRUCKEE_") || name == BaseDirEnv || name == CmdArgsEnv {
			continue
		}
		if name == BlockstoreEnv {
			blockstores = blockstore.SplitList(value)
			continue
		}
		i := slices.IndexFunc(table, func(o Option) bool { return o.Env == name })
		if i < 0 {
			if near, ok := nearest.Word(name, names); ok {
				return nil, nil, fmt.Errorf("unknown environment variable %.60s; did you mean %s?", name, near)
			}
			return nil, nil, fmt.Errorf("unknown environment variable %.60s", name)
		}
		all = append(all, setting{section: table[i].Section, key: table[i].Key, value: value, from: name})
	}
	return all, blockstores, nil
}

// readFlags lists the settings of the command line.
func readFlags(flags map[string]string, table []Option) ([]setting, error) {
	var all []setting
	for _, o := range table {
		if value, ok := flags[o.Flag]; ok && o.Flag != "" {
			all = append(all, setting{section: o.Section, key: o.Key, value: value, from: "--" + o.Flag})
		}
	}
	if len(all) != len(flags) {
		return nil, fmt.Errorf("config: a flag that is no option: %w", kind.Other)
	}
	return all, nil
}
