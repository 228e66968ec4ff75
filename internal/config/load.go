package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/nearest"
)

// FileName is the name of the configuration file in BASEDIR.
const FileName = "tahoe.cfg"

// maxFile bounds tahoe.cfg, in bytes.
const maxFile = 1 << 20

// BaseDirEnv names the variable that says where BASEDIR is.
const BaseDirEnv = "TRUCKEE_BASEDIR"

// Sources are what a Config is read from.
type Sources struct {
	BaseDir string            // absolute; its tahoe.cfg may be absent
	Environ []string          // as os.Environ gives it
	Flags   map[string]string // by the flag's name
}

// Load reads the configuration. Warnings are for the log. Errors are of kind
// Invalid and name the place: file and line, variable or flag.
func Load(src Sources) (c Config, warnings []string, err error) {
	table := options(&c)
	for _, o := range table {
		if o.Default == "" {
			continue
		}
		if err := o.setText(o.Default); err != nil {
			return Config{}, nil, fmt.Errorf("default of %s: %w", o.Name(), err)
		}
	}
	file, warnings, err := readFile(filepath.Join(src.BaseDir, FileName), table)
	if err != nil {
		return Config{}, nil, invalid(err)
	}
	env, err := readEnviron(src.Environ, table)
	if err != nil {
		return Config{}, nil, invalid(err)
	}
	flags, err := readFlags(src.Flags, table)
	if err != nil {
		return Config{}, nil, invalid(err)
	}
	for _, s := range slices.Concat(file, env, flags) {
		if err := apply(table, s); err != nil {
			return Config{}, nil, invalid(err)
		}
	}
	if err := c.finish(src.BaseDir); err != nil {
		return Config{}, nil, invalid(err)
	}
	return c, warnings, nil
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
func readFile(path string, table []Option) (ours []setting, warnings []string, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if len(b) > maxFile {
		return nil, nil, fmt.Errorf("%s: larger than %d KiB", path, maxFile>>10)
	}
	text := strings.TrimPrefix(string(b), "\ufeff")
	all, syntax, err := readTOML(path, text)
	if syntax {
		if all, err = asINI(path, text, err); err == nil {
			warnings = append(warnings, path+" is in the form of Tahoe-LAFS (INI); it is read as such")
		}
	}
	if err != nil {
		return nil, nil, err
	}
	for _, s := range all {
		switch {
		case known(table, s.section, "") && s.key == "":
		case known(table, s.section, s.key):
			ours = append(ours, s)
		case s.key == "" && isTahoe(s.section, ""):
		case isTahoe(s.section, s.key):
			warnings = append(warnings, fmt.Sprintf("%s: [%s] %s of Tahoe-LAFS means nothing here and is ignored", s.from, s.section, s.key))
		default:
			return nil, nil, unknownKey(table, s)
		}
	}
	return ours, warnings, nil
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

// readEnviron lists the settings of the environment.
func readEnviron(environ []string, table []Option) ([]setting, error) {
	names := []string{BaseDirEnv}
	for _, o := range table {
		names = append(names, o.Env)
	}
	var all []setting
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "TRUCKEE_") || name == BaseDirEnv {
			continue
		}
		i := slices.IndexFunc(table, func(o Option) bool { return o.Env == name })
		if i < 0 {
			if near, ok := nearest.Word(name, names); ok {
				return nil, fmt.Errorf("unknown environment variable %.60s; did you mean %s?", name, near)
			}
			return nil, fmt.Errorf("unknown environment variable %.60s", name)
		}
		all = append(all, setting{section: table[i].Section, key: table[i].Key, value: value, from: name})
	}
	return all, nil
}

// readFlags lists the settings of the command line.
func readFlags(flags map[string]string, table []Option) ([]setting, error) {
	var all []setting
	for _, o := range table {
		if value, ok := flags[o.Flag]; ok {
			all = append(all, setting{section: o.Section, key: o.Key, value: value, from: "--" + o.Flag})
		}
	}
	if len(all) != len(flags) {
		return nil, fmt.Errorf("config: a flag that is no option: %w", kind.Other)
	}
	return all, nil
}

// finish checks what concerns several keys, and makes paths absolute.
func (c *Config) finish(basedir string) error {
	if c.SFTPD.AccountsURL != "" {
		return errors.New("sftpd.accounts.url: account servers are not supported yet; use accounts.file")
	}
	if len(c.SFTPD.HostKeys) > 0 && c.SFTPD.HostPrivkeyFile != "" {
		return errors.New("sftpd.host_keys and sftpd.host_privkey_file are both set; use one of them")
	}
	if c.SFTPD.HostPubkeyFile != "" && c.SFTPD.HostPrivkeyFile == "" {
		return errors.New("sftpd.host_pubkey_file is set without host_privkey_file")
	}
	if n := c.Filestore.ChunkSize; n&(n-1) != 0 {
		return fmt.Errorf("filestore.chunk_size: %s is no power of two", n)
	}
	paths := []*Path{
		&c.SFTPD.HostPrivkeyFile, &c.SFTPD.HostPubkeyFile, &c.SFTPD.AccountsFile,
		&c.Blockstore.Dir, &c.Metastore.File, &c.Filestore.SpoolDir,
	}
	for i := range c.SFTPD.HostKeys {
		paths = append(paths, &c.SFTPD.HostKeys[i])
	}
	for _, p := range paths {
		abs, err := p.in(basedir)
		if err != nil {
			return err
		}
		*p = abs
	}
	return nil
}
