package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/truckee-fs/truckee/internal/command"
)

func accountAdd() *subcommand {
	var fromStdin, capFromStdin bool
	var keys keyFiles
	op := &command.AccountAdd{}
	return &subcommand{
		name: "account add", args: "NAME (--password-stdin | --key FILE) [--rootcap-stdin | --readonly-of NAME]",
		least: 1, most: 1, opensNode: true,
		short: "Add an account, or another key to one.",
		long: `
Its root is a new, empty directory, unless a capability is given or the account is
there already. Without --password-stdin and --key the password is asked for on the
terminal. Standard input holds the password on the first line and, with both
flags, the capability on the second.`,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
			fs.Var(&keys, "key", "a public key `FILE`, id_ed25519.pub; may stand several times")
			fs.BoolVar(&capFromStdin, "rootcap-stdin", false, "read the root capability from standard input")
			fs.StringVar(&op.ReadOnlyOf, "readonly-of", "", "the root is the read capability of the account `NAME`")
		},
		run: func(ctx context.Context, inv *invocation) error {
			op.Name = inv.words[0]
			if capFromStdin && op.ReadOnlyOf != "" {
				return usagef("--rootcap-stdin and --readonly-of exclude each other")
			}
			var err error
			if op.Keys, err = keys.read(); err != nil {
				return err
			}
			if fromStdin || capFromStdin {
				lines, err := inv.secretLines()
				if err != nil {
					return err
				}
				if fromStdin {
					op.Password, lines = lines[0], lines[1:]
				}
				if capFromStdin && len(lines) > 0 {
					op.RootCap = lines[0]
				}
				if fromStdin && op.Password == "" || capFromStdin && op.RootCap == "" {
					return usagef("standard input has fewer lines than the flags ask for")
				}
			}
			if op.Password == "" && len(op.Keys) == 0 {
				if op.Password, err = inv.askPassword(); err != nil {
					return err
				}
			}
			return inv.do(ctx, op)
		},
	}
}

func accountList() *subcommand {
	return &subcommand{
		name: "account list", opensNode: true, short: "List the accounts, without secrets.",
		run: func(ctx context.Context, inv *invocation) error { return inv.do(ctx, &command.AccountList{}) },
	}
}

func accountRemove() *subcommand {
	return &subcommand{
		name: "account remove", args: "NAME", least: 1, most: 1, opensNode: true,
		short: "Remove an account.",
		long:  "Its files stay: their root capability is kept in BASEDIR/private/removed-roots. Open\nsessions go on until they end.",
		run: func(ctx context.Context, inv *invocation) error {
			return inv.do(ctx, &command.AccountRemove{Name: inv.words[0]})
		},
	}
}

func accountPasswd() *subcommand {
	var fromStdin bool
	return &subcommand{
		name: "account passwd", args: "NAME [--password-stdin]", least: 1, most: 1, opensNode: true,
		short: "Set an account's password.",
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
		},
		run: func(ctx context.Context, inv *invocation) error {
			op := &command.AccountPassword{Name: inv.words[0]}
			if !fromStdin {
				var err error
				if op.Password, err = inv.askPassword(); err != nil {
					return err
				}
				return inv.do(ctx, op)
			}
			lines, err := inv.secretLines()
			if err != nil {
				return err
			}
			op.Password = lines[0]
			return inv.do(ctx, op)
		},
	}
}

// keyFiles are the values of --key.
type keyFiles []string

func (k *keyFiles) Set(path string) error { *k = append(*k, path); return nil }
func (k *keyFiles) String() string        { return strings.Join(*k, ", ") }

// read returns the files' contents.
func (k *keyFiles) read() ([]string, error) {
	var texts []string
	for _, path := range *k {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if len(b) > maxSecret {
			return nil, fmt.Errorf("%s is too large for a public key file", path)
		}
		texts = append(texts, string(b))
	}
	return texts, nil
}

// askPassword asks for a new password on the terminal, twice.
func (inv *invocation) askPassword() (command.Secret, error) {
	first, err := inv.prompt("password: ")
	if err != nil {
		return "", err
	}
	second, err := inv.prompt("password again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the passwords differ")
	}
	return first, nil
}
