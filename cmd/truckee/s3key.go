package main

import (
	"context"
	"flag"

	"github.com/truckee-fs/truckee/internal/command"
)

func s3KeyAdd() *subcommand {
	var fromStdin bool
	op := &command.S3KeyAdd{}
	return &subcommand{
		name: "account s3key add", args: "NAME [--readonly] [--expires TIME] [--from LIST] [--key-stdin]",
		least: 1, most: 1, opensNode: true,
		short: "Give an account an access key for S3.",
		long: `
The access key and its secret are drawn and printed on standard output: the only time
that the secret is shown. An account that isn't there is made, with a new, empty
directory as its root. The key takes over what the account's other logins say of
quota, files, dedup and pad.`,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.BoolVar(&op.ReadOnly, "readonly", false, "the key can only read")
			fs.StringVar(&op.Expires, "expires", "", "the key counts until `TIME`, as 2030-12-31T23:59:59Z or 20301231")
			fs.StringVar(&op.From, "from", "", "the key counts from the addresses of `LIST` only: networks with commas between")
			fs.BoolVar(&fromStdin, "key-stdin", false, "read a key of elsewhere from standard input: its id, and on the second line the secret")
		},
		run: func(ctx context.Context, inv *invocation) error {
			op.Name = inv.words[0]
			if fromStdin {
				lines, err := inv.secretLines()
				if err != nil {
					return err
				}
				if len(lines) < 2 || lines[0] == "" || lines[1] == "" {
					return usagef("standard input has fewer lines than the flags ask for")
				}
				op.ID, op.Key = string(lines[0]), lines[1]
			}
			return inv.do(ctx, op)
		},
	}
}

func s3KeyList() *subcommand {
	return &subcommand{
		name: "account s3key list", args: "[NAME]", most: 1, opensNode: true,
		short: "List access keys for S3, without their secrets.",
		run: func(ctx context.Context, inv *invocation) error {
			op := &command.S3KeyList{}
			if len(inv.words) > 0 {
				op.Name = inv.words[0]
			}
			return inv.do(ctx, op)
		},
	}
}

func s3KeyRemove() *subcommand {
	return &subcommand{
		name: "account s3key remove", args: "NAME ACCESSKEYID", least: 2, most: 2, opensNode: true,
		short: "Take an access key for S3 away.",
		run: func(ctx context.Context, inv *invocation) error {
			return inv.do(ctx, &command.S3KeyRemove{Name: inv.words[0], ID: inv.words[1]})
		},
	}
}

func s3KeyDisable() *subcommand {
	return &subcommand{
		name: "account s3key disable", args: "NAME ACCESSKEYID", least: 2, most: 2, opensNode: true,
		short: "Make an access key for S3 count no more, until it is enabled.",
		run: func(ctx context.Context, inv *invocation) error {
			return inv.do(ctx, &command.S3KeyDisable{Name: inv.words[0], ID: inv.words[1]})
		},
	}
}

func s3KeyEnable() *subcommand {
	return &subcommand{
		name: "account s3key enable", args: "NAME ACCESSKEYID", least: 2, most: 2, opensNode: true,
		short: "Make a disabled access key for S3 count again.",
		run: func(ctx context.Context, inv *invocation) error {
			return inv.do(ctx, &command.S3KeyDisable{Name: inv.words[0], ID: inv.words[1], Enable: true})
		},
	}
}
