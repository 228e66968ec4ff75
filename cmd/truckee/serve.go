package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/truckee-fs/truckee/internal/command"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/sftpd"
)

func serveCommand() *subcommand {
	return &subcommand{
		name: "serve", args: "[--basedir DIR] [--sftp HOST:PORT] [--s3 HOST:PORT]", opensNode: true, run: serve,
		short: "Serve SFTP and S3. The first start creates the node.",
		long: `
The first start makes BASEDIR with its keys, and an account named after you, and
prints how to log in, what to back up, and the account's password (once, on a
terminal; else it is in BASEDIR/private/first-password). Later starts find it again.
SIGTERM and SIGINT end it: open sessions finish their requests first.`,
	}
}

// openForServing makes or opens the node. The caller releases the lock after
// closing it.
func openForServing(ctx context.Context, set setting, purpose string) (*node.Node, *node.Lock, error) {
	if err := node.Prepare(set.layout); err != nil {
		return nil, nil, err
	}
	wait := command.Patience
	if c, err := control.Dial(ctx, set.layout.Socket()); err == nil {
		c.Close()
		wait = 0 // a running node doesn't go away
	}
	lockCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	lock, err := set.layout.Lock(lockCtx, purpose)
	if err != nil {
		return nil, nil, err
	}
	n, err := node.Create(ctx, set.options)
	if err != nil {
		lock.Release()
		return nil, nil, err
	}
	return n, lock, nil
}

// addressesOf are where a node will serve.
func addressesOf(c config.Config) (sftp, s3 string) {
	if c.SFTPD.Enabled {
		sftp = c.SFTPD.Port.String()
	}
	if c.S3.Enabled {
		s3 = "http://" + node.Reachable(c.S3.Listen.String())
		if c.S3.Certificate != "" {
			s3 = "https://" + node.Reachable(c.S3.Listen.String())
		}
	}
	return sftp, s3
}

// welcome tells what was made. The password is shown on a terminal only.
func welcome(e env, n *node.Node, addr, s3 string) error {
	out, shown := e.stdout, term.IsTerminal(int(e.stdout.Fd()))
	if !shown && term.IsTerminal(int(e.stderr.Fd())) {
		out, shown = e.stderr, true
	}
	if err := (node.Welcome{Node: n, Addr: addr, S3: s3, ShowPassword: shown}).Write(out); err != nil {
		return err
	}
	if !shown {
		return nil
	}
	return n.ForgetFirstPassword()
}

func serve(ctx context.Context, inv *invocation) error {
	hup, stop := hangups()
	defer stop()
	set, err := inv.setting()
	if err != nil {
		return err
	}
	c := set.options.Config
	if !c.SFTPD.Enabled && !c.S3.Enabled {
		return usagef("there is nothing to serve: sftpd.enabled and s3.enabled are false")
	}
	// First, so that a start which can't serve makes no node.
	given, err := activated()
	if err != nil {
		return err
	}
	listeners, err := listen(ctx, c.SFTPD, given.sftp)
	defer listeners.close()
	if err != nil {
		given.close()
		return err
	}
	objects, err := listenS3(ctx, c.S3, given.s3, set.options.Log)
	if err != nil {
		return err
	}
	if objects != nil {
		defer objects.Close()
	}
	if len(listeners) == 0 && objects == nil {
		return fmt.Errorf("there is nothing to serve: sftpd.enabled is false, and somebody else has the address of S3: %w", kind.Unavailable)
	}
	watched, err := listenMonitor(ctx, set.options.Config.Metrics)
	if err != nil {
		return err
	}
	if watched != nil {
		defer watched.Close()
	}
	set.options.Stdout = inv.stdout
	n, lock, err := openForServing(ctx, set, "serve")
	if err != nil {
		return err
	}
	defer lock.Release()
	return errors.Join(serveNode(ctx, inv, n, set, sockets{listeners, objects, watched}, hup), n.Close())
}

// sockets are what a node listens on.
type sockets struct {
	sftp    listeners
	s3      net.Listener // nil: none
	watched net.Listener // nil: none
}

// serveNode serves an open node until ctx ends, then drains.
func serveNode(ctx context.Context, inv *invocation, n *node.Node, set setting, on sockets, hup <-chan os.Signal) error {
	e, o, ls, watched := inv.env, set.options, on.sftp, on.watched
	server, err := newServer(n, o)
	if err != nil {
		return err
	}
	objects, err := newS3(n, on.s3, o.Config.S3, o.Log)
	if err != nil {
		return err
	}
	commands, err := control.Listen(n.Socket())
	if err != nil {
		return err
	}
	if n.First != nil {
		if err := welcome(e, n, ls.first(), objects.url()); err != nil {
			return errors.Join(err, commands.Close())
		}
	}
	if len(ls) > 0 {
		n.AddFrontend(func(clients bool) node.FrontendStatus { return sftpStatus(server, ls, clients) })
	}
	if objects != nil {
		n.AddFrontend(objects.status)
	}
	if err := n.SetServing(); err != nil {
		return errors.Join(err, commands.Close())
	}
	limitMemory(o.Config.Node)
	ls.tell(o.Log, n.BaseDir)
	// What ends together: the group's context ends with ctx or the first error.
	group, ctx := errgroup.WithContext(ctx)
	background := context.WithoutCancel(ctx)
	group.Go(func() error { return control.Serve(ctx, commands, command.Handler(n), o.Log) })
	group.Go(func() error { n.WatchAccounts(ctx); return nil })
	group.Go(func() error { collectLeisurely(ctx); return nil })
	again := &reloader{
		load:  func() (config.Config, error) { s, err := inv.setting(); return s.options.Config, err },
		level: set.level, now: o.Config, node: n, server: server, log: o.Log,
	}
	group.Go(func() error { again.watch(ctx, hup); return nil })
	group.Go(func() error {
		n.CollectForever(ctx, func(ctx context.Context) error { return command.EnterRoots(ctx, n) })
		return nil
	})
	if objects != nil {
		objects.tell(o.Log)
		group.Go(objects.serve)
		for _, t := range s3Tasks(n, o.Config.S3, o.Log) {
			group.Go(func() error { t.run(ctx, n.FS.Turn, o.Log); return nil })
		}
	}
	for _, l := range ls {
		group.Go(func() error { return server.ServeOn(background, l.Listener, l.on) })
	}
	drained, stopMonitor := context.WithCancel(background)
	defer stopMonitor()
	if watched != nil {
		o.Log.Info("answering /metrics, /healthz and /readyz", "address", watched.Addr().String())
		group.Go(func() error { return monitor(drained, watched, n, server, objects) })
	}
	group.Go(func() error {
		defer stopMonitor()
		<-ctx.Done()
		return drain(background, server, objects, o)
	})
	notify("READY=1")
	err = group.Wait()
	o.Log.Info("stopped")
	return err
}

// limitMemory sets the soft limit of the Go runtime, unless the environment has.
func limitMemory(c config.Node) {
	if os.Getenv("GOMEMLIMIT") == "" && c.MemoryLimit > 0 {
		debug.SetMemoryLimit(int64(c.MemoryLimit))
	}
}

// drain lets open sessions finish, within the configured time, or until a
// second signal.
func drain(ctx context.Context, server *sftpd.Server, objects *s3Service, o node.Options) error {
	notify("STOPPING=1")
	o.Log.Info("stopping", "timeout", o.Config.Node.ShutdownTimeout)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.Config.Node.ShutdownTimeout)
	defer cancel()
	var group errgroup.Group
	if objects != nil {
		group.Go(func() error { return objects.drain(ctx, o.Log) })
	}
	group.Go(func() error { return drainSFTP(ctx, server, o) })
	return group.Wait()
}

func drainSFTP(ctx context.Context, server *sftpd.Server, o node.Options) error {
	err := server.Shutdown(ctx)
	if kind.Of(err) == kind.Canceled {
		o.Log.Warn("sessions were cut off; what they had not committed is dropped")
		return nil
	}
	return err
}

// newServer is the SFTP frontend of a node.
func newServer(n *node.Node, o node.Options) (*sftpd.Server, error) {
	keys, err := n.HostKeys()
	if err != nil {
		return nil, err
	}
	c := o.Config.SFTPD
	s := &sftpd.Server{
		Accounts: n.Logins, NoPasswords: !c.PasswordAuth, Mount: n.Mount, HostKeys: keys, Log: o.Log, Audit: n.Audit,
		Umask: uint32(c.Umask), NoUmask: c.Umask == 0, ChmodDiminishes: c.ChmodDiminishes,
		MaxConns: c.MaxConns, MaxHandshakes: c.MaxHandshakes, MaxSessions: c.MaxSessions,
		MaxChannels: c.MaxChannels, MaxHandles: c.MaxHandles,
		NoPenalties: !c.Penalties, PenaltyExempt: c.PenaltyExempt,
		LoginAttempts: c.LoginAttempts, KeyQueries: c.KeyQueries,
		HandshakeTimeout: c.HandshakeTimeout, KeepAlive: keepAlive(c), IdleTimeout: c.IdleTimeout,
	}
	if c.URIPaths {
		s.URI = n.MountURI
	}
	return s, nil
}

// keepAlive translates 0, which says never in tahoe.cfg.
func keepAlive(c config.SFTPD) time.Duration {
	if c.KeepAlive == 0 {
		return -1
	}
	return c.KeepAlive
}
