package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/nearest"
)

// invocation is one run of a subcommand.
type invocation struct {
	env
	command *subcommand
	flags   *flag.FlagSet
	words   []string

	basedir     string
	config      map[string]string // the configuration's flags that were given
	blockstores []string          // of -b
}

func newInvocation(c *subcommand, e env) *invocation {
	inv := &invocation{env: e, command: c, config: map[string]string{}}
	inv.flags = flag.NewFlagSet(c.name, flag.ContinueOnError)
	inv.flags.SetOutput(io.Discard)
	if c.opensNode {
		inv.flags.StringVar(&inv.basedir, "basedir", "", "the node's folder `DIR`; else $"+config.BaseDirEnv+", else ~/.truckee")
		config.RegisterFlags(inv.flags, inv.config, &inv.blockstores)
	}
	if c.setFlags != nil {
		c.setFlags(inv.flags, inv)
	}
	return inv
}

// parse sets the flags among args, which may stand before, between and after
// the other words, and returns those. After "--" all is words.
func parse(fs *flag.FlagSet, args []string) (words []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			return append(words, args...), nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			words = append(words, arg)
			continue
		}
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if name == "h" || name == "help" {
			return nil, flag.ErrHelp
		}
		f := fs.Lookup(name)
		if f == nil {
			return nil, unknownFlag(fs, name)
		}
		if !given {
			if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
				value = "true"
			} else if len(args) == 0 {
				return nil, usagef("flag --%s needs a value", name)
			} else {
				value, args = args[0], args[1:]
			}
		}
		if err := fs.Set(name, value); err != nil {
			return nil, usagef("flag --%s: %.60q makes no sense", name, value)
		}
	}
	return words, nil
}

func unknownFlag(fs *flag.FlagSet, name string) error {
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near, ok := nearest.Word(name, names); ok {
		return usagef("unknown flag --%.40s; did you mean --%s?", name, near)
	}
	return usagef("unknown flag --%.40s; `truckee help %s` lists them", name, fs.Name())
}

// baseDir is the node's folder, absolute.
func (inv *invocation) baseDir() (string, error) {
	dir := inv.basedir
	if dir == "" {
		dir = os.Getenv(config.BaseDirEnv)
	}
	if dir != "" {
		return filepath.Abs(dir)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usagef("there is no home directory (%v): say where the node's folder is by --basedir or $%s", err, config.BaseDirEnv)
	}
	return filepath.Join(home, ".truckee"), nil
}
