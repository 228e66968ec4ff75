package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/command"
)

const capHelp = "The capability is read from FILE, or from standard input: never from the command\nline, which other users of the machine can see."

// capFilter is a command that turns one capability into text.
func capFilter(name, short string, f func(command.Secret) (string, error)) *subcommand {
	return &subcommand{
		name: name, args: "[FILE]", most: 1, short: short, long: capHelp,
		run: func(_ context.Context, inv *invocation) error {
			path := ""
			if len(inv.words) > 0 {
				path = inv.words[0]
			}
			text, err := inv.secretFile(path)
			if err != nil {
				return err
			}
			out, err := f(text)
			if err != nil {
				return err
			}
			_, err = io.WriteString(inv.stdout, out)
			return err
		},
	}
}

func capShow() *subcommand {
	return capFilter("cap show", "Say what a capability allows, without its secrets.", command.ShowCap)
}

func capReadonly() *subcommand {
	return capFilter("cap readonly", "Print the read capability that follows from a capability.", weaken(caps.AuthorityRead))
}

func capVerify() *subcommand {
	return capFilter("cap verify", "Print the verify capability that follows from a capability.", weaken(caps.AuthorityVerify))
}

func weaken(to caps.Authority) func(command.Secret) (string, error) {
	return func(text command.Secret) (string, error) {
		weak, err := command.WeakenCap(text, to)
		if err != nil {
			return "", err
		}
		return fmt.Sprintln(weak), nil
	}
}

func capNew() *subcommand {
	return &subcommand{
		name: "cap new", opensNode: true, short: "Make a new, empty directory and print its write capability.",
		run: func(ctx context.Context, inv *invocation) error { return inv.do(ctx, &command.CapNew{}) },
	}
}

func capOf() *subcommand {
	var capFile string
	var readonly, verify bool
	return &subcommand{
		name: "cap of", args: "NAME:/PATH [--readonly | --verify]", least: 1, most: 1, opensNode: true,
		short: "Print the capability of a file or directory, to hand on.",
		long:  "Whoever has it has the file, or the directory and all that is in it, for as long as they exist.",
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			capFileFlag(fs, &capFile)
			fs.BoolVar(&readonly, "readonly", false, "the read capability")
			fs.BoolVar(&verify, "verify", false, "the verify capability, which reads nothing")
		},
		run: func(ctx context.Context, inv *invocation) error {
			op := &command.CapOf{Authority: caps.AuthorityWrite}
			switch {
			case readonly && verify:
				return usagef("--readonly and --verify exclude each other")
			case readonly:
				op.Authority = caps.AuthorityRead
			case verify:
				op.Authority = caps.AuthorityVerify
			}
			var err error
			if op.Target, err = inv.target(inv.words[0], capFile); err != nil {
				return err
			}
			return inv.do(ctx, op)
		},
	}
}

func capFreeze() *subcommand {
	var capFile, to string
	return &subcommand{
		name: "cap freeze", args: "NAME:/PATH --to NAME:/PATH", least: 1, most: 1, opensNode: true,
		short: "Make a copy of a directory that never changes, and print its capability.",
		long: `All names below are copied, as of one moment, and no contents. The copy is linked,
because a link keeps it: whoever has only the capability has it no longer than that.
` + targetHelp,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			capFileFlag(fs, &capFile)
			fs.StringVar(&to, "to", "", "the `NAME:/PATH` that the copy gets")
		},
		run: func(ctx context.Context, inv *invocation) error {
			if to == "" {
				return usagef("--to NAME:/PATH is missing: without a link the copy would be collected")
			}
			op := &command.CapFreeze{}
			var err error
			if op.Target, err = inv.target(inv.words[0], capFile); err != nil {
				return err
			}
			if op.To, err = inv.target(to, ""); err != nil {
				return err
			}
			return inv.do(ctx, op)
		},
	}
}

func capFileFlag(fs *flag.FlagSet, path *string) {
	fs.StringVar(path, "cap-file", "", "paths are below what the capability in `FILE` (- for standard input) names; / is that itself")
}

// target is a path below an account's root or below the capability in a file.
func (inv *invocation) target(text, capFile string) (command.Target, error) {
	var c command.Secret
	if capFile != "" {
		var err error
		if c, err = inv.secretFile(capFile); err != nil {
			return command.Target{}, err
		}
		if c == "" {
			return command.Target{}, usagef("%s holds no capability", capFile)
		}
	}
	t, err := command.ParseTarget(text, c)
	if err != nil {
		return command.Target{}, usageError{err}
	}
	return t, nil
}
