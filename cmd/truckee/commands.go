package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/nearest"
)

// subcommand is one command of truckee.
type subcommand struct {
	name        string // "account add"
	args        string // for the usage line
	short       string // one line
	long        string // the rest of its help
	least, most int    // words beside flags
	opensNode   bool   // takes --basedir and the flags of the configuration
	run         func(context.Context, *invocation) error
	setFlags    func(*flag.FlagSet, *invocation)
}

// commands lists every subcommand, in the order of the help.
func commands() []*subcommand {
	return []*subcommand{
		serveCommand(), initCommand(),
		accountAdd(), accountList(), accountRemove(), accountPasswd(),
		s3KeyAdd(), s3KeyList(), s3KeyRemove(), s3KeyDisable(), s3KeyEnable(),
		capShow(), capReadonly(), capVerify(), capNew(), capOf(), capFreeze(),
		fsLs(), fsCat(), fsGet(), fsPut(), fsRm(), fsMkdir(), fsLn(), fsDiminish(), fsDu(),
		statusCommand(), checkCommand(), gcCommand(), rootList(), rootForget(), acceptRollbackCommand(),
		backupList(), backupRelease(), backupCommand(), restoreCommand(),
		blockstoreStatus(), blockstoreScrub(), blockstoreRebuild(), blockstoreTest(), blockstoreExplain(), blockstoreCopy(),
		auditVerify(),
		migrateCommand(), dbCopy(), joinBundle(),
		versionCommand(), helpCommand(),
	}
}

// find splits a command line into its subcommand and the rest.
func find(args []string) (*subcommand, []string, error) {
	if len(args) == 0 {
		return nil, nil, usagef("which command? `truckee help` lists them")
	}
	if args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		return helpCommand(), args[1:], nil
	}
	var names []string
	depth := 0 // words of args that begin the name of a command
	for _, c := range commands() {
		words := strings.Fields(c.name)
		n := 0
		for n < len(words) && n < len(args) && words[n] == args[n] {
			n++
		}
		if n == len(words) {
			return c, args[n:], nil
		}
		depth = max(depth, n)
		names = append(names, c.name)
	}
	asked := args[0]
	if depth > 0 {
		asked = strings.Join(args[:depth], " ")
		if len(args) == depth || strings.HasPrefix(args[depth], "-") {
			return nil, nil, usagef("which %s command? `truckee help` lists them", asked)
		}
		asked += " " + args[depth]
	} else {
		for _, n := range names {
			first, _, _ := strings.Cut(n, " ")
			names = append(names, first)
		}
	}
	if near, ok := nearest.Word(asked, names); ok {
		return nil, nil, usagef("unknown command %.60q; did you mean %s?", asked, near)
	}
	return nil, nil, usagef("unknown command %.60q; `truckee help` lists them", asked)
}

// usage is the help of one command.
func (c *subcommand) usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: truckee %s\n\n%s\n", strings.TrimSpace(c.name+" "+c.args), c.short)
	if c.long != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(c.long))
	}
	inv := newInvocation(c, env{})
	options := map[string]bool{}
	for _, o := range config.Options() {
		options[o.Flag] = true
	}
	options["b"], options["blockstore"] = true, true
	var own strings.Builder
	inv.flags.VisitAll(func(f *flag.Flag) {
		if options[f.Name] && !c.shows(f.Name) {
			return
		}
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		arg, text := flag.UnquoteUsage(f)
		fmt.Fprintf(&own, "  %-24s %s\n", dashes+strings.TrimSpace(f.Name+" "+arg), text)
	})
	if own.Len() > 0 {
		fmt.Fprintf(&b, "\nFlags:\n%s", own.String())
	}
	if c.opensNode {
		b.WriteString("\nEvery key of tahoe.cfg is a flag, too, as are -b and --db: docs/configuration.md\nhas the table.\n")
	}
	return b.String()
}

// shows tells which of the configuration's flags stand in a command's help.
func (c *subcommand) shows(name string) bool {
	switch name {
	case "blockstore", "db", "blockstore-wait", "dev":
		return c.name == "serve" || c.name == "init"
	case "sftp", "s3", "log-level", "log-format", "allow-soft-aes":
		return c.name == "serve"
	}
	return false
}
