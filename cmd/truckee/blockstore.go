package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/command"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/node"
)

const blockstoreWords = `A BLOCKSTORE is written as for -b; several are nodes of one RAID. Those that hold
secrets are better read from standard input, a line each ("-"): other users of the
machine can see command lines.`

func blockstoreExplain() *subcommand {
	return &subcommand{
		name: "blockstore explain", args: "[BLOCKSTORE... | -]", most: 1 << 16, opensNode: true,
		short: "Show how a blockstore is understood, secrets hidden.",
		long:  blockstoreWords + "\nWithout any: the one that the node uses.",
		run: func(_ context.Context, inv *invocation) error {
			set, err := inv.setting()
			if err != nil {
				return err
			}
			tree := set.options.Config.Blockstore.Tree
			if len(inv.words) > 0 {
				if tree, err = inv.parseBlockstores(set.layout.BaseDir); err != nil {
					return err
				}
			}
			return explain(inv.stdout, tree)
		},
	}
}

// blockstoreWords are the blockstores that a command names, or standard input does.
func (inv *invocation) blockstoreWords() ([]string, error) {
	if len(inv.words) != 1 || inv.words[0] != "-" {
		return inv.words, nil
	}
	text, err := readSecret(inv.stdin, "standard input")
	return blockstore.SplitList(text), err
}

// parseBlockstores reads them as -b.
func (inv *invocation) parseBlockstores(basedir string) (blockstore.Config, error) {
	texts, err := inv.blockstoreWords()
	if err != nil {
		return blockstore.Config{}, err
	}
	tree, err := config.ParseBlockstores(basedir, texts)
	if err != nil {
		return blockstore.Config{}, usageError{err}
	}
	return tree, nil
}

// explain prints a tree of blockstores.
func explain(out io.Writer, tree blockstore.Config) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	explainNode(w, "", tree)
	return w.Flush()
}

func explainNode(w io.Writer, name string, c blockstore.Config) {
	f, _ := blockstore.FormOf(c.Driver)
	if name != "" {
		fmt.Fprintf(w, "\nnode\t%s\n", name)
	}
	fmt.Fprintf(w, "driver\t%s\n", c.Driver)
	for _, field := range f.Fields {
		switch shown := c.Show(field.Name); {
		case shown != "":
			fmt.Fprintf(w, "%s\t%s\n", field.Name, command.Printable(shown))
		case field.Default != "":
			fmt.Fprintf(w, "%s\t%s (default)\n", field.Name, field.Default)
		}
	}
	for i, node := range c.Nodes {
		explainNode(w, strings.TrimPrefix(fmt.Sprintf("%s.%d", name, i), "."), node)
	}
}

func blockstoreTest() *subcommand {
	return &subcommand{
		name: "blockstore test", args: "[BLOCKSTORE... | -]", most: 1 << 16, opensNode: true,
		short: "Try what a blockstore's credentials allow.",
		long:  "It puts, reads, lists and deletes a block of its own. Without any words it tests the\nblockstore that the node uses; with them another one, which it opens for it.\n\n" + blockstoreWords,
		run: func(ctx context.Context, inv *invocation) error {
			if len(inv.words) == 0 {
				return inv.do(ctx, &command.BlockstoreTest{})
			}
			set, err := inv.setting()
			if err != nil {
				return err
			}
			tree, err := inv.parseBlockstores(set.layout.BaseDir)
			if err != nil {
				return err
			}
			return testBlockstore(ctx, inv, set.options, tree)
		},
	}
}

func testBlockstore(ctx context.Context, inv *invocation, o node.Options, tree blockstore.Config) (err error) {
	f, err := tree.Form()
	if err != nil {
		return err
	}
	if f.MinNodes > 0 {
		// Opened, its nodes would become an array.
		var all error
		for _, n := range tree.Nodes {
			all = errors.Join(all, testBlockstore(ctx, inv, o, n))
		}
		return all
	}
	c := o.Config
	c.Blockstore.Tree = tree
	s, err := o.Drivers.Blocks(ctx, c, node.BlocksEnv{Log: o.Log, Empty: true})
	if err != nil {
		return fmt.Errorf("%s can't be used: %w", tree, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return command.PrintProbe(inv.stdout, tree.String(), storecheck.Probe(ctx, s))
}

func blockstoreStatus() *subcommand {
	op := &command.BlockstoreStatus{}
	return &subcommand{
		name: "blockstore status", args: "[--count]", opensNode: true,
		short: "Show how the blockstore and its nodes are.",
		long:  "What each answers, lacks and is owed. Exit status 1 if one is not as it should be.",
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.BoolVar(&op.Count, "count", false, "list everything, to count what each node holds and lacks")
		},
		run: func(ctx context.Context, inv *invocation) error { return inv.do(ctx, op) },
	}
}

func blockstoreScrub() *subcommand {
	op := &command.BlockstoreScrub{}
	return &subcommand{
		name: "blockstore scrub", args: "[--rate SIZE]", opensNode: true,
		short: "Read every block on every node, and repair what redundancy allows.",
		long:  "It runs beside clients. Exit status 3 if something is left that it could not repair.",
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.Var(sizeValue{&op.Rate}, "rate", "read at most `SIZE` a second, for instance 50MiB")
		},
		run: func(ctx context.Context, inv *invocation) error { return inv.do(ctx, op) },
	}
}

func blockstoreRebuild() *subcommand {
	op := &command.BlockstoreRebuild{}
	return &subcommand{
		name: "blockstore rebuild", args: "NODE [--rate SIZE]", least: 1, most: 1, opensNode: true,
		short: "Fill a node of a RAID that was replaced.",
		long:  "NODE is its number, as in -b and as status shows it; 1.0 is the first node of node 1.\nIt runs beside clients, and goes on where it was when it is run again.",
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.Var(sizeValue{&op.Rate}, "rate", "copy at most `SIZE` a second, for instance 50MiB")
		},
		run: func(ctx context.Context, inv *invocation) error {
			op.Member = inv.words[0]
			return inv.do(ctx, op)
		},
	}
}

func blockstoreCopy() *subcommand {
	op := &command.BlockstoreCopy{}
	return &subcommand{
		name: "blockstore copy", args: "BLOCKSTORE... | - [--rate SIZE] [--switch]", least: 1, most: 1 << 16, opensNode: true,
		short: "Copy all blocks to another blockstore, to move there.",
		long: `
It copies what is missing there, and can be run beside clients as often as you like.
Then stop the node (all of them, if several share the blocks) and run it once more
with --switch: tahoe.cfg names the other blockstore from then on. The old one is left
as it is.

` + blockstoreWords,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.Var(sizeValue{&op.Rate}, "rate", "copy at most `SIZE` a second, for instance 50MiB")
			fs.BoolVar(&op.Switch, "switch", false, "have the stopped node use the other one from now on")
		},
		run: func(ctx context.Context, inv *invocation) error {
			set, err := inv.setting()
			if err != nil {
				return err
			}
			texts, err := inv.blockstoreWords()
			if err != nil {
				return err
			}
			// Mistakes are the command line's, wherever the work is done.
			if _, err := config.ParseBlockstores(set.layout.BaseDir, texts); err != nil {
				return usageError{err}
			}
			for _, t := range texts {
				op.To = append(op.To, command.Secret(t))
			}
			return inv.do(ctx, op)
		},
	}
}

// sizeValue is a flag of bytes.
type sizeValue struct{ size *config.Size }

func (v sizeValue) Set(text string) (err error) {
	*v.size, err = config.ParseSize(text)
	return err
}

func (v sizeValue) String() string { return "" }
