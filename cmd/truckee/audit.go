package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/truckee-fs/truckee/internal/audit"
)

func auditVerify() *subcommand {
	var expect string
	return &subcommand{
		name: "audit verify", args: "[--expect SHA256] FILE...", least: 1, most: 1 << 16,
		short: "Check that audit records are as they were written.",
		long: `
Each record holds the SHA-256 of the one before it. Several files are checked as one
chain: name the oldest first. Lines taken off the end leave a chain that is whole:
--expect is the SHA-256 of a line that must be there, as the node's log tells it when
a file is put aside or closed. Exit status 3: something was changed or taken out.`,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.StringVar(&expect, "expect", "", "a line's `SHA256` that must be there")
		},
		run: func(_ context.Context, inv *invocation) error {
			return verifyAudit(inv.stdout, expect, inv.words)
		},
	}
}

func verifyAudit(out io.Writer, expect string, paths []string) error {
	v := &audit.Verifier{Expect: expect}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		err = v.File(path, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	r, err := v.Report()
	if err != nil {
		return err
	}
	if r.Records == 0 {
		_, err := fmt.Fprintln(out, "no records")
		return err
	}
	fmt.Fprintf(out, "%d records, whole, from %s to %s\n", r.Records, r.First, r.Last)
	if r.From != "" {
		fmt.Fprintf(out, "the first follows the line with SHA-256 %s, of an earlier file\n", r.From)
	}
	if r.Crashes > 0 {
		fmt.Fprintf(out, "%d times a process wrote on that had not ended well the time before\n", r.Crashes)
	}
	if r.Lost > 0 {
		fmt.Fprintf(out, "in %d places records are missing that could not be written; they say how many\n", r.Lost)
	}
	_, err = fmt.Fprintf(out, "last: number %d, SHA-256 %s\n", r.Seq, r.Hash)
	return err
}
