package main

import (
	"context"
	"flag"
	"path/filepath"

	"github.com/truckee-fs/truckee/internal/command"
)

const targetHelp = "NAME is an account of the node. With --cap-file, just /PATH."

// fsCommand is a command on one target.
func fsCommand(name, args, short string, flags func(*flag.FlagSet), op func(command.Target) command.Operation) *subcommand {
	var capFile string
	return &subcommand{
		name: name, args: args, short: short, long: targetHelp, least: 1, most: 1, opensNode: true,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			capFileFlag(fs, &capFile)
			if flags != nil {
				flags(fs)
			}
		},
		run: func(ctx context.Context, inv *invocation) error {
			t, err := inv.target(inv.words[0], capFile)
			if err != nil {
				return err
			}
			return inv.do(ctx, op(t))
		},
	}
}

func fsLs() *subcommand {
	var long bool
	return fsCommand("fs ls", "[-l] NAME:/PATH", "List a directory.",
		func(fs *flag.FlagSet) { fs.BoolVar(&long, "l", false, "with mode, size and time") },
		func(t command.Target) command.Operation { return &command.List{Target: t, Long: long} })
}

func fsCat() *subcommand {
	return fsCommand("fs cat", "NAME:/PATH", "Write a file to standard output.", nil,
		func(t command.Target) command.Operation { return &command.Cat{Target: t} })
}

func fsRm() *subcommand {
	var recursive, unlink bool
	return fsCommand("fs rm", "[-r | --unlink] NAME:/PATH", "Remove a file.",
		func(fs *flag.FlagSet) {
			fs.BoolVar(&recursive, "r", false, "a directory, too, and all that is in it; of frozen directories, and of linked ones\n                           that have their home elsewhere, the name only")
			fs.BoolVar(&unlink, "unlink", false, "the name of a frozen or linked directory; what is in it isn't touched")
		},
		func(t command.Target) command.Operation {
			return &command.Remove{Target: t, Recursive: recursive, Unlink: unlink}
		})
}

func fsMkdir() *subcommand {
	var parents bool
	return fsCommand("fs mkdir", "[-p] NAME:/PATH", "Make a directory.",
		func(fs *flag.FlagSet) {
			fs.BoolVar(&parents, "p", false, "also those above it; one that is there is fine")
		},
		func(t command.Target) command.Operation { return &command.Mkdir{Target: t, Parents: parents} })
}

func fsDiminish() *subcommand {
	c := fsCommand("fs diminish", "NAME:/PATH", "Make the link to a directory or mutable file one that only reads.", nil,
		func(t command.Target) command.Operation { return &command.Diminish{Target: t} })
	c.long += "\nThe write capability in the link is replaced by the read capability, for good: only who has the" +
		"\nwrite capability from elsewhere (see cap of) can link it again. Other links to it stay as they are."
	return c
}

func fsDu() *subcommand {
	return fsCommand("fs du", "NAME:/PATH", "Count files, directories and bytes.", nil,
		func(t command.Target) command.Operation { return &command.Usage{Target: t} })
}

func fsGet() *subcommand {
	var capFile string
	var recursive bool
	return &subcommand{
		name: "fs get", args: "[-r] NAME:/PATH [LOCAL]", short: "Copy a file to this machine.",
		long:  targetHelp + "\nLOCAL is the current directory if it isn't given, and - is standard output.",
		least: 1, most: 2, opensNode: true,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			capFileFlag(fs, &capFile)
			fs.BoolVar(&recursive, "r", false, "a directory, too, and all that is in it")
		},
		run: func(ctx context.Context, inv *invocation) error {
			t, err := inv.target(inv.words[0], capFile)
			if err != nil {
				return err
			}
			local := "."
			if len(inv.words) > 1 {
				local = inv.words[1]
			}
			if local == "-" {
				return inv.do(ctx, &command.Cat{Target: t})
			}
			s, err := inv.session(ctx)
			if err != nil {
				return err
			}
			return finish(s, s.CopyOut(ctx, t, local, recursive, inv.stderr))
		},
	}
}

func fsPut() *subcommand {
	var capFile string
	var recursive, mutable bool
	return &subcommand{
		name: "fs put", args: "[-r] [--mutable] LOCAL NAME:/PATH", short: "Copy a file from this machine.",
		long: targetHelp + "\nLOCAL - is standard input. A PATH that is a directory takes the file under its own\nname. A file is replaced at once when all of the new one is durable.",
		most: 2, least: 2, opensNode: true,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			capFileFlag(fs, &capFile)
			fs.BoolVar(&recursive, "r", false, "a directory, too, and all that is in it")
			fs.BoolVar(&mutable, "mutable", false, "a mutable file: its capability stays the same when it changes")
		},
		run: func(ctx context.Context, inv *invocation) error {
			local := inv.words[0]
			if local == "-" && capFile == "-" {
				return usagef("standard input can't be both the capability and the file")
			}
			t, err := inv.target(inv.words[1], capFile)
			if err != nil {
				return err
			}
			if local == "-" {
				return inv.do(ctx, &command.Put{Target: t, Mode: 0o644, Mutable: mutable})
			}
			s, err := inv.session(ctx)
			if err != nil {
				return err
			}
			return finish(s, s.CopyIn(ctx, filepath.Clean(local), t, recursive, mutable, inv.stderr))
		},
	}
}

func fsLn() *subcommand {
	var capFile string
	return &subcommand{
		name: "fs ln", args: "FILE NAME:/PATH", short: "Link what a capability names, of a file or a directory.",
		long: targetHelp + `
FILE holds the capability; - is standard input. It never stands on the command line,
which other users of the machine can see. Whoever has the directory has what is
linked there, and may write to it if the capability allows it. A capability of
Tahoe-LAFS is carried along; one of a kind from the future needs its read capability
in a second line.`,
		least: 2, most: 2, opensNode: true,
		setFlags: func(fs *flag.FlagSet, _ *invocation) { capFileFlag(fs, &capFile) },
		run: func(ctx context.Context, inv *invocation) error {
			if inv.words[0] == "-" && capFile == "-" {
				return usagef("standard input can't be both the directory's capability and the one to link")
			}
			t, err := inv.target(inv.words[1], capFile)
			if err != nil {
				return err
			}
			text, err := inv.secretFile(inv.words[0])
			if err != nil {
				return err
			}
			return inv.do(ctx, &command.CapLink{Target: t, To: text})
		},
	}
}
