package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"github.com/truckee-fs/truckee/internal/command"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/node"
)

func backupCommand() *subcommand {
	op, replace := &command.Backup{}, false
	return &subcommand{
		name: "backup", args: "FILE [--keep TIME] [--replace]", least: 1, most: 1, opensNode: true,
		short: "Write the database to a file, while the node runs.",
		long: `
It is one commit of the database: directories, small blocks and the index of all
blocks, encrypted as they are stored. Collection keeps what that commit leads to until
` + "`truckee backup release`" + `, or for --keep. The blocks are copied after it; private/ is
backed up by itself. FILE may be - for standard output. A backup whose file is replaced
is held still, for copies of it, unless --replace is given.`,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.DurationVar(&op.Keep, "keep", 0, "collection keeps what the backup needs for `TIME`, for instance 720h; else until it is released")
			fs.BoolVar(&replace, "replace", false, "release the backup that is in FILE so far, once this one is in its place; for when no copy of it is kept")
		},
		run: func(ctx context.Context, inv *invocation) error {
			if op.Keep < 0 {
				return usagef("--keep is a time above 0")
			}
			op.Program = "truckee " + version()
			return writeBackup(ctx, inv, op, inv.words[0], replace)
		},
	}
}

// writeBackup puts the backup in the place of path when it is whole and durable, and
// then releases the one that was there if release says so.
func writeBackup(ctx context.Context, inv *invocation, op *command.Backup, path string, release bool) error {
	if path == "-" {
		if release {
			return usagef("--replace is for a FILE")
		}
		if term.IsTerminal(int(inv.stdout.Fd())) {
			return usagef("a backup is not for a terminal: name a file")
		}
		op.Name = "-"
		return inv.do(ctx, op)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	op.Name = command.Bytes(path)
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	s, err := inv.session(ctx)
	if err != nil {
		return err
	}
	out := s.Do(ctx, op, control.Streams{In: inv.stdin, Out: f, Err: inv.stderr})
	if err := finish(s, out); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	made, replaced := command.BackupMade(path)
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil || !replaced {
		return err
	}
	return inv.do(ctx, &command.BackupReplaced{Made: made, Release: release})
}

func backupList() *subcommand {
	return &subcommand{
		name: "backup list", opensNode: true, short: "List the backups that collection respects.",
		run: func(ctx context.Context, inv *invocation) error { return inv.do(ctx, &command.BackupList{}) },
	}
}

func backupRelease() *subcommand {
	return &subcommand{
		name: "backup release", args: "ID", least: 1, most: 1, opensNode: true,
		short: "Let collection take what only a backup needs.",
		long:  "Once its file is thrown away. ID is as `truckee backup list` shows it.",
		run: func(ctx context.Context, inv *invocation) error {
			return inv.do(ctx, &command.BackupRelease{ID: inv.words[0]})
		},
	}
}

func restoreCommand() *subcommand {
	return &subcommand{
		name: "restore", args: "FILE", least: 1, most: 1, opensNode: true,
		short: "Fill the empty database of a stopped node from a backup.",
		long: `
Put back private/, tahoe.cfg and the blocks first. The database must be empty, or not
there. What is newer than the backup is given up: directories that this node has seen in
a newer state are accepted as they are. It says which blocks are missing, exit status 3
then. One that was cut short is run again, and goes on. FILE may be - for standard input.`,
		run: restore,
	}
}

func restore(ctx context.Context, inv *invocation) error {
	in, path := io.Reader(inv.stdin), inv.words[0]
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if path, err = filepath.Abs(path); err != nil {
			return err
		}
		in = f
	}
	set, lock, err := inv.lockNode(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	err = command.Restore(ctx, set.options, in, path, inv.stdout)
	if errors.Is(err, command.ErrDamage) {
		return statusError{status: command.StatusDamage} // it was told
	}
	return err
}

// lockNode reads the configuration and takes the lock of a node that is stopped.
func (inv *invocation) lockNode(ctx context.Context) (setting, *node.Lock, error) {
	set, err := inv.setting()
	if err != nil {
		return setting{}, nil, err
	}
	if err := node.Prepare(set.layout); err != nil {
		return setting{}, nil, err
	}
	if c, err := control.Dial(ctx, set.layout.Socket()); err == nil {
		c.Close()
		return setting{}, nil, fmt.Errorf("a node runs in %s: stop it first", set.layout.BaseDir)
	}
	ctx, cancel := context.WithTimeout(ctx, command.Patience)
	defer cancel()
	lock, err := set.layout.Lock(ctx, inv.command.name)
	return set, lock, err
}
