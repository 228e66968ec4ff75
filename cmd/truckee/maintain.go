package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/truckee-fs/truckee/internal/command"
)

func checkCommand() *subcommand {
	op := &command.Check{}
	var capFile string
	return &subcommand{
		name: "check", args: "[--deep] [--cap-file FILE]", opensNode: true,
		short: "Verify everything that the accounts lead to.",
		long:  "Signatures, directories, file trees and the presence of every block; exit status 3 if\nsomething is damaged or missing.",
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.BoolVar(&op.Deep, "deep", false, "read every block, and set the counters of quotas right")
			fs.StringVar(&capFile, "cap-file", "", "only what the capability in `FILE` (- for standard input) leads to; a verify\n                           capability is enough")
		},
		run: func(ctx context.Context, inv *invocation) error {
			if capFile != "" {
				var err error
				if op.Cap, err = inv.secretFile(capFile); err != nil {
					return err
				}
				if op.Cap == "" {
					return usagef("%s holds no capability", capFile)
				}
			}
			return inv.do(ctx, op)
		},
	}
}

func gcCommand() *subcommand {
	op := &command.Collect{}
	return &subcommand{
		name: "gc", args: "[--dry-run] [--yes] [--adopt-store] [--grace TIME]", opensNode: true,
		short: "Give back the space of what nothing leads to any more.",
		long:  "A block is deleted by the second run that doesn't reach it, a grace time after the\nfirst. Damage under a root keeps what belongs to it. A serving node collects by itself.",
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.BoolVar(&op.DryRun, "dry-run", false, "only say what would be done")
			fs.BoolVar(&op.Yes, "yes", false, "delete even if it is more than a tenth of all")
			fs.DurationVar(&op.Grace, "grace", 0, "the grace `TIME`, for instance 24h; gc.grace of tahoe.cfg if not given")
			fs.BoolVar(&op.Adopt, "adopt-store", false, "take the blockstore over from another database, which is gone")
		},
		run: func(ctx context.Context, inv *invocation) error {
			if op.Grace < 0 {
				return usagef("--grace is a time above 0")
			}
			return inv.do(ctx, op)
		},
	}
}

func rootList() *subcommand {
	return &subcommand{
		name: "root list", opensNode: true, short: "List the roots, from which collection marks.",
		long: "What no root leads to is collected. Every root that was ever made or mounted is one.",
		run:  func(ctx context.Context, inv *invocation) error { return inv.do(ctx, &command.RootList{}) },
	}
}

func rootForget() *subcommand {
	return &subcommand{
		name: "root forget", args: "ID...", least: 1, most: 1 << 16, opensNode: true,
		short: "Forget a root, so that what only it leads to is collected.",
		long: `
For instance after an account was removed. ID is as ` + "`truckee root list`" + ` shows it. Its
capability opens the directory until the grace time is over, and using it makes it a root again.`,
		run: func(ctx context.Context, inv *invocation) error {
			return inv.do(ctx, &command.RootForget{IDs: inv.words})
		},
	}
}

func acceptRollbackCommand() *subcommand {
	op := &command.AcceptRollback{}
	return &subcommand{
		name: "accept-rollback", args: "[--yes]", opensNode: true,
		short: "Accept a database that was restored from a backup.",
		long:  "A node refuses directories that are older than it has seen them. After a restore this\nshows which, and with --yes takes them as they are; on every node that has seen newer\nones. What was changed after the backup is given up.",
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.BoolVar(&op.Yes, "yes", false, "accept them")
		},
		run: func(ctx context.Context, inv *invocation) error { return inv.do(ctx, op) },
	}
}

func versionCommand() *subcommand {
	return &subcommand{
		name: "version", short: "Print the version.",
		run: func(_ context.Context, inv *invocation) error {
			_, err := fmt.Fprintf(inv.stdout, "truckee %s, %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// version is the module's version, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:min(12, len(s.Value))]) {
			v += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}

func helpCommand() *subcommand {
	return &subcommand{
		name: "help", args: "[COMMAND]", most: 2, short: "Say how a command is used.",
		run: func(_ context.Context, inv *invocation) error {
			if len(inv.words) == 0 {
				_, err := io.WriteString(inv.stdout, overview())
				return err
			}
			name := strings.Join(inv.words, " ")
			found := false
			for _, c := range commands() {
				if c.name == name || strings.HasPrefix(c.name, name+" ") {
					if found {
						fmt.Fprintln(inv.stdout)
					}
					fmt.Fprint(inv.stdout, c.usage())
					found = true
				}
			}
			if !found {
				_, _, err := find(inv.words)
				return err
			}
			return nil
		},
	}
}

// overview lists the commands.
func overview() string {
	var b strings.Builder
	b.WriteString("Truckee is a storage gateway: SFTP in front, encrypted blocks that only a capability\nopens behind.\n\n  truckee serve     is all that it takes to begin\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-16s %s\n", c.name, c.short)
	}
	b.WriteString(`
All of them work beside a running node. Capabilities and passwords are read from
files, standard input or the terminal, never from the command line.

Exit status: 0 done; 1 failed, and standard error says why; 2 the command line or
the configuration makes no sense; 3 something stored is damaged or missing;
130 interrupted. "truckee help COMMAND" tells more.
`)
	return b.String()
}
