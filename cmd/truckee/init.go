package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
)

func initCommand() *subcommand {
	var join, passphraseFile string
	var blocksLost bool
	return &subcommand{
		name: "init", args: "[--basedir DIR] [-b BLOCKSTORE]... [--db DATABASE] [--join FILE | --blocks-lost]", opensNode: true,
		short: "Create the node as serve does, without serving.",
		long: `
-b and --db are kept in tahoe.cfg, their secrets in private/storage.secrets. On a node
that is there already it makes those of its own host keys that are missing. With --join
it makes another gateway on the stores of the one that wrote FILE (truckee join-bundle).
A node doesn't start with an empty directory of blocks, since its disk may not be
mounted. With --blocks-lost it begins anew there; "truckee check" then names the files
that are damaged.`,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.StringVar(&join, "join", "", "take keys and configuration from the bundle in `FILE`, - for standard input")
			passphraseFlag(fs, &passphraseFile)
			fs.BoolVar(&blocksLost, "blocks-lost", false, "begin anew in a directory of blocks that is empty")
		},
		run: func(ctx context.Context, inv *invocation) error {
			if join != "" {
				if blocksLost {
					return usagef("--blocks-lost is for a node that is there")
				}
				if err := inv.join(ctx, join, passphraseFile); err != nil {
					return err
				}
			} else if passphraseFile != "" {
				return usagef("--passphrase-file is for --join")
			}
			return initialise(ctx, inv, blocksLost)
		},
	}
}

func initialise(ctx context.Context, inv *invocation, blocksLost bool) error {
	set, err := inv.setting()
	if err != nil {
		return err
	}
	set.options.BlocksLost = blocksLost
	n, lock, err := openForServing(ctx, set, "init")
	if err != nil {
		return err
	}
	defer lock.Release()
	if n.First != nil {
		sftp, s3 := addressesOf(set.options.Config)
		err = welcome(inv.env, n, sftp, s3)
	} else if err = n.MakeHostKeys(); err == nil {
		fmt.Fprintf(inv.stdout, "the node in %s is there already\n", n.BaseDir)
	}
	return errors.Join(err, n.Close())
}
