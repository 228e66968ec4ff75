package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/mask"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/metastore/postgres"
)

func dbCopy() *subcommand {
	var to string
	return &subcommand{
		name: "db copy", args: "--to DATABASE", opensNode: true,
		short: "Move a stopped node to another database.",
		long: `
DATABASE is written as for --db, and must be empty; - reads it from standard input, so
that its password isn't seen in the list of processes. Everything is copied, and
tahoe.cfg names the new one from then on. The old one is left as it is. All gateways
that share the database must be stopped.`,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.StringVar(&to, "to", "", "the `DATABASE` to move to")
		},
		run: func(ctx context.Context, inv *invocation) error {
			if to == "" {
				return usagef("where to is missing: --to sqlite:<file>, --to postgresql://<user>:<password>@<host>/<database>, or --to - to read it from standard input")
			}
			if to == "-" {
				text, err := readSecret(inv.stdin, "standard input")
				if err != nil {
					return err
				}
				to = strings.TrimSpace(text)
			}
			return copyDatabase(ctx, inv, to)
		},
	}
}

func copyDatabase(ctx context.Context, inv *invocation, text string) error {
	to, err := config.ParseDatabase(text)
	if err != nil {
		return usagef("--to: %w", err)
	}
	dir, err := inv.baseDir()
	if err != nil {
		return err
	}
	if to, err = to.In(dir); err != nil {
		return usageError{err}
	}
	set, lock, err := inv.lockNode(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	from := set.options.Config.Metastore.DB
	switch {
	case to.SamePlace(from):
		return usagef("the database is there already: %s", from)
	case to.Engine == config.EngineMemory:
		return usagef("a database in memory would be gone at once")
	}
	if err := node.CopyDatabase(ctx, set.options, to); err != nil {
		return mask.Error(err, to.Password())
	}
	then := "remove it when all is well"
	if holdsBlocks(from, set.options.Config.Blockstore.Tree) {
		then = "keep it, the blocks are there"
	}
	_, err = fmt.Fprintf(inv.stdout, "copied; from its next start the node uses %s. %s is left as it is: %s\n", to, from.Place(), then)
	return err
}

// holdsBlocks reports whether a blockstore names that database.
func holdsBlocks(db config.Database, c blockstore.Config) bool {
	if c.Driver == "postgresql" {
		named, err := config.ParseDatabase(c.Fields["url"])
		return err == nil && db.SamePlace(named)
	}
	return slices.ContainsFunc(c.Nodes, func(node blockstore.Config) bool { return holdsBlocks(db, node) })
}

func migrateCommand() *subcommand {
	var dryRun bool
	return &subcommand{
		name: "migrate", args: "[--db DATABASE] [--dry-run]", opensNode: true,
		short: "Bring a PostgreSQL database up to this program's schema.",
		long: `
After an upgrade, with the gateways stopped; make a backup before. SQLite databases are
brought up to date by the start. Of several that run at once one works and the others wait.`,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.BoolVar(&dryRun, "dry-run", false, "only list what would be done")
		},
		run: func(ctx context.Context, inv *invocation) error {
			set, err := inv.setting()
			if err != nil {
				return err
			}
			c := set.options.Config.Metastore
			if c.DB.Engine != config.EnginePostgres {
				_, err := fmt.Fprintf(inv.stdout, "%s needs no migration: it is brought up to date when it is opened\n", c.DB)
				return err
			}
			return migrate(ctx, inv, set, dryRun)
		},
	}
}

// migrate prints a line for each step.
func migrate(ctx context.Context, inv *invocation, set setting, dryRun bool) error {
	c := set.options.Config.Metastore
	var steps []postgres.Migration
	err := node.RetryDatabase(ctx, c, set.options.Log, func() (err error) {
		steps, err = postgres.Migrate(ctx, postgresOptions(c, set.options.Log), dryRun)
		return err
	})
	for _, s := range steps {
		mark, what := "✔", "applied"
		switch {
		case s.Now:
		case !s.Applied.IsZero():
			what = "already applied"
		default:
			mark, what = "-", "not applied"
		}
		fmt.Fprintf(inv.stdout, "%s %s %s\n", mark, s.Name, what)
	}
	if kind.Of(err) == kind.Unavailable {
		return fmt.Errorf("nothing is known to be changed: %w", err)
	}
	return err
}
