package main

import (
	"context"
	"flag"
	"strings"

	"github.com/truckee-fs/truckee/internal/command"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/sftpd"
)

func statusCommand() *subcommand {
	op := &command.Status{}
	return &subcommand{
		name: "status", args: "[--json] [--clients]", opensNode: true,
		short: "Show how the node and its parts are.",
		long: `
What it serves and where, the database, the blockstore and its nodes, open files, the
last collection, audit records. Exit status 1 if something is not as it should be; a
node of a RAID that is merely slow is told, and is none.`,
		setFlags: func(fs *flag.FlagSet, _ *invocation) {
			fs.BoolVar(&op.JSON, "json", false, "print JSON")
			fs.BoolVar(&op.Clients, "clients", false, "list the clients, too")
		},
		run: func(ctx context.Context, inv *invocation) error { return inv.do(ctx, op) },
	}
}

// sftpStatus tells what the SFTP frontend does, and for whom.
func sftpStatus(server *sftpd.Server, ls listeners, clients bool) node.FrontendStatus {
	f := server.Figures()
	st := node.FrontendStatus{Name: "sftp", LoggingIn: f.Logins, Sessions: f.Sessions, Requests: f.Requests}
	for _, l := range ls {
		st.Listeners = append(st.Listeners, node.ListenerStatus{Address: l.Addr().String(), About: l.about()})
	}
	if !clients {
		return st
	}
	for _, c := range server.Clients() {
		st.Clients = append(st.Clients, node.ClientStatus(c))
	}
	return st
}

// about tells how a listener differs from the plain one.
func (l listener) about() string {
	var words []string
	if l.on.Profile != "" && l.on.Profile != sftpd.Modern {
		words = append(words, "profile="+string(l.on.Profile))
	}
	if l.on.Proxy != "" && l.on.Proxy != sftpd.ProxyOff {
		words = append(words, "proxy="+string(l.on.Proxy))
	}
	if len(l.on.From) > 0 {
		var nets []string
		for _, p := range l.on.From {
			nets = append(nets, p.String())
		}
		words = append(words, "from="+strings.Join(nets, ","))
	}
	return strings.Join(words, " ")
}
