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

	"github.com/truckee-fs/truckee/internal/atomicfile"
	"github.com/truckee-fs/truckee/internal/bundle"
	"github.com/truckee-fs/truckee/internal/kind"
)

func joinBundle() *subcommand {
	var passphraseFile string
	return &subcommand{
		name: "join-bundle", args: "FILE [--passphrase-file FILE]", least: 1, most: 1, opensNode: true,
		short: "Write what another gateway on the same stores needs to a file.",
		long: `
The master key, the accounts, the host keys, tahoe.cfg and the secrets of the stores:
whoever has it can read everything. It has mode 0600, and with a passphrase it is
sealed. Bring it to the other machine, run ` + "`truckee init --join FILE`" + ` there, and delete
it. FILE may be - for standard output, straight into the other's standard input:

  truckee join-bundle - | ssh other truckee init --join -`,
		setFlags: func(fs *flag.FlagSet, _ *invocation) { passphraseFlag(fs, &passphraseFile) },
		run: func(_ context.Context, inv *invocation) error {
			passphrase, err := inv.passphrase(passphraseFile)
			if err != nil {
				return err
			}
			set, err := inv.setting()
			if err != nil {
				return err
			}
			if ok, err := set.layout.Complete(); err != nil || !ok {
				return errors.Join(err, kind.Errorf(kind.NotExist, "%s holds no node", set.layout.BaseDir))
			}
			files, left, err := set.layout.Bundle(set.options.Config)
			if err != nil {
				return err
			}
			b, err := bundle.Pack(files, passphrase)
			if err != nil {
				return err
			}
			if err := inv.writeSecret(inv.words[0], b); err != nil {
				return err
			}
			for _, path := range left {
				fmt.Fprintf(inv.stderr, "%s isn't in it: bring it by hand\n", path)
			}
			return nil
		},
	}
}

func passphraseFlag(fs *flag.FlagSet, path *string) {
	fs.StringVar(path, "passphrase-file", "", "the bundle is sealed by the passphrase in `FILE`")
}

// passphrase reads a passphrase from a file; without a file it is empty.
func (inv *invocation) passphrase(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	if path == "-" {
		return nil, usagef("the passphrase is read from a file, not from standard input")
	}
	text, err := inv.secretFile(path)
	if err == nil && text == "" {
		err = usagef("%s holds no passphrase", path)
	}
	return []byte(text), err
}

// writeSecret writes a new file that only this user can read.
func (inv *invocation) writeSecret(path string, b []byte) error {
	if path == "-" {
		if term.IsTerminal(int(inv.stdout.Fd())) {
			return usagef("this is not for a terminal: name a file, or pipe it on")
		}
		_, err := inv.stdout.Write(b)
		return err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, b, 0o600, atomicfile.MustBeNew())
}

// join puts the files of a bundle into BASEDIR.
func (inv *invocation) join(ctx context.Context, path, passphraseFile string) error {
	passphrase, err := inv.passphrase(passphraseFile)
	if err != nil {
		return err
	}
	b, err := inv.readBundle(path)
	if err != nil {
		return err
	}
	if bundle.IsSealed(b) && len(passphrase) == 0 {
		if path == "-" || !term.IsTerminal(int(inv.stdin.Fd())) {
			return usagef("the bundle is sealed: --passphrase-file names the file with its passphrase")
		}
		text, err := inv.prompt("passphrase: ")
		if err != nil {
			return err
		}
		passphrase = []byte(text)
	}
	files, err := bundle.Unpack(b, passphrase)
	if err != nil {
		return err
	}
	set, lock, err := inv.lockNode(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	return set.layout.Unbundle(files)
}

func (inv *invocation) readBundle(path string) ([]byte, error) {
	in := io.Reader(inv.stdin)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, bundle.MaxSize+1))
	if err == nil && len(b) > bundle.MaxSize {
		err = kind.Errorf(kind.TooLarge, "this is too large for a bundle")
	}
	return b, err
}
