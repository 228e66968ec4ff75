package sftpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/sshserver"
)

// conn is one SSH connection: its login, its channels, and what they share.
type conn struct {
	srv     *Server
	nc      *bufferedConn
	log     *slog.Logger
	account string // set at login, under Server.mu
	source  string // see source
	session string // its name in logs and records
	since   time.Time
	waiting bool // not logged in, and counted so; under Server.mu

	ctx    context.Context // the connection's life; ends by cut
	cancel context.CancelCauseFunc

	draining  chan struct{} // closed when the server wants to shut down
	drainOnce sync.Once

	channels   atomic.Int32 // open channels
	files      atomic.Int32 // open files of all channels
	requests   atomic.Int64 // SFTP requests so far
	backlog    backlog
	inside     atomic.Bool // logged in
	proved     bool        // a login succeeded, though the client may not hear of it
	provedName string      // by which account
	complained bool        // a refusal has been recorded
	on         Listening
	offer      offer // what the client said first
	spoke      bool  // the client sent an identification line
	handles    int   // how many a channel may have open; set at login
	quirks     quirks

	wg sync.WaitGroup // its goroutines

	mountOnce sync.Once
	tree      tree
	mountErr  error

	sessions  sync.WaitGroup // channels being served
	heavyOnes chan struct{}  // see heavy
}

func newConn(s *Server, nc net.Conn, on Listening) *conn {
	c := &conn{srv: s, on: on, nc: newBufferedConn(nc), draining: make(chan struct{}), source: source(nc.RemoteAddr()), since: time.Now(), heavyOnes: make(chan struct{}, 1)}
	c.nc.look = c.look
	c.backlog.all = &s.backlogs
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.session = sessionID()
	c.log = s.logger().With("session", c.session, "remote", nc.RemoteAddr().String())
	return c
}

// look bounds what a connection sends before its login, and what waits after.
func (c *conn) look(received int64) error {
	if c.inside.Load() {
		err := c.backlog.look(received)
		if err != nil {
			c.log.Warn("sftp connection ended", "error", err)
		}
		return err
	}
	if received > maxLoginBytes {
		return fmt.Errorf("%d bytes and no login: %w", received, kind.TooLarge)
	}
	return nil
}

// cut ends the connection at once.
func (c *conn) cut(cause error) {
	c.cancel(cause)
	c.nc.abort()
}

// drain ends the connection when it has been at rest for a moment.
func (c *conn) drain() { c.drainOnce.Do(func() { close(c.draining) }) }

// serve runs the connection to its end. ctx ends all connections of a
// listener.
func (c *conn) serve(ctx context.Context) {
	loggedIn := false
	defer func() {
		c.srv.done(c, loggedIn)
		if v := recover(); v != nil {
			c.bug(v)
		}
	}()
	defer c.backlog.end()
	defer c.cut(net.ErrClosed)
	stop := context.AfterFunc(ctx, func() { c.cut(context.Cause(ctx)) })
	defer stop()

	if err := c.admit(); err != nil {
		if c.nc.received() == 0 && !errors.Is(err, kind.Denied) { // it left, as probes do
			c.srv.refusals.count(RefusedSilent)
			c.log.Debug("sftp connection without a word", "error", err)
			return
		}
		c.log.Info("sftp connection refused", "error", shortened(err))
		return
	}
	if c.on.proxied() && c.srv.bannedSource(addressOf(c.nc.RemoteAddr()), c.source) {
		return
	}
	sc, channels, requests, err := c.handshake()
	if err != nil {
		c.logRefusal(err)
		return
	}
	account := sc.Permissions.ExtraData[provenAccount{}].(accounts.Account)
	over := c.enter(sc, account)
	loggedIn = true
	if err := c.noteLogin(sc); err != nil {
		c.log.Error("sftp login without a record", "error", err)
		c.cut(err)
	}
	defer c.recordLogout()
	c.srv.tally.logins.Add(1)

	g := &global{c: c, sc: sc.Conn}
	c.wg.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				c.bug(v)
				c.cut(net.ErrClosed)
			}
		}()
		g.tell()
		g.answer(requests)
	})
	c.wg.Go(func() { c.watch(sc) })
	if over > 0 {
		c.turnAway(sc, channels, over)
	}
	for nch := range channels {
		c.accept(nch, account)
	}
	c.finish()
	c.cancel(net.ErrClosed)
	sc.Close()
	c.wg.Wait()
	c.log.Info("sftp logout", "requests", c.requests.Load())
}

// enter makes the connection one of the account's, and returns how many it has
// beyond its limit.
func (c *conn) enter(sc *sshserver.ServerConn, a accounts.Account) (over int) {
	c.log = c.log.With("account", a.Name)
	c.inside.Store(true)
	c.offer = offer{}
	c.quirks = quirksOf(string(sc.ClientVersion()))
	c.forgive(a.Name)
	over = c.srv.loggedIn(c, a)
	c.handles = limit(c.srv.MaxHandles, 1000)
	if n := a.Limits().Handles; n > 0 {
		c.handles = min(c.handles, n)
	}
	return over
}

// noteLogin logs a login and makes its record, without which there may be none.
func (c *conn) noteLogin(sc *sshserver.ServerConn) error {
	client, proof := fmt.Sprintf("%.80s", sc.ClientVersion()), sc.Permissions.ExtraData[proofText{}]
	c.log.Info("sftp login", "client", client, "proof", proof)
	if weak := weaknesses(sc, proof); len(weak) > 0 {
		c.log.Warn("sftp login by weak algorithms", "algorithms", strings.Join(weak, ", "), "profile", string(c.on.Profile))
	}
	return c.recordLogin(client, fmt.Sprint(proof))
}

// leaveTime is how long sessions may go on with what they have received after
// the client has gone.
const leaveTime = 30 * time.Second

// finish waits for the sessions to end by themselves.
func (c *conn) finish() {
	ended := make(chan struct{})
	c.wg.Go(func() {
		c.sessions.Wait()
		close(ended)
	})
	t := time.NewTimer(leaveTime)
	defer t.Stop()
	select {
	case <-ended:
	case <-t.C:
	case <-c.ctx.Done():
	}
}

// accept opens a session channel or says why not.
func (c *conn) accept(nch sshserver.NewChannel, a accounts.Account) {
	switch {
	case nch.ChannelType() != "session":
		_ = nch.Reject(ssh.UnknownChannelType, "only sessions are served here")
		return
	case int(c.channels.Load()) >= limit(c.srv.MaxChannels, 10):
		_ = nch.Reject(ssh.ResourceShortage, "too many channels in this connection")
		return
	}
	ch, requests, err := nch.Accept()
	if err != nil {
		return
	}
	c.channels.Add(1)
	c.sessions.Add(1)
	in := c.backlog.open(ch)
	c.wg.Go(func() { _, _ = io.Copy(io.Discard, ch.Stderr()) }) // nothing is meant for it
	c.wg.Go(func() {
		defer c.channels.Add(-1)
		defer c.sessions.Done()
		defer func() {
			if v := recover(); v != nil {
				c.bug(v)
			}
			ch.Close()
			c.wg.Go(in.drain)
			for range requests { // until the client has closed it, too
			}
		}()
		c.channel(in, requests, a)
	})
}

// bug logs a panic. The channel or connection ends; the process goes on.
func (c *conn) bug(v any) {
	c.log.Error("sftp bug: panic", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

// mount opens the account's tree for the first channel that needs it.
func (c *conn) mount(a accounts.Account) (tree, error) {
	c.mountOnce.Do(func() {
		if c.srv.mount != nil {
			c.tree, c.mountErr = c.srv.mount(c.ctx, a)
			return
		}
		t, err := c.srv.Mount(c.ctx, a)
		if err != nil {
			c.mountErr = err
			return
		}
		c.tree = mounted{t}
		if c.srv.URI != nil {
			c.tree = newURITree(c.tree, func(ctx context.Context, capability string) (tree, error) {
				t, err := c.srv.URI(ctx, a, capability)
				if err != nil {
					return nil, err
				}
				return mounted{t}, nil
			})
		}
	})
	if c.tree == nil && c.mountErr == nil {
		c.mountErr = errors.New("sftpd: mount panicked")
	}
	return c.tree, c.mountErr
}
