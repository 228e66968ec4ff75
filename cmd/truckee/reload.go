package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/sftpd"
)

// reloader reads again what can change while clients work.
type reloader struct {
	load   func() (config.Config, error)
	level  *slog.LevelVar
	now    config.Config // in force
	node   *node.Node
	server *sftpd.Server
	log    *slog.Logger
}

// hangups are the SIGHUPs from now until stop: without somebody who waits for it
// one ends the process, and it may come while the node opens or drains.
func hangups() (hup chan os.Signal, stop func()) {
	hup = make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup, func() { signal.Stop(hup) }
}

// watch reloads at every SIGHUP until ctx ends.
func (r *reloader) watch(ctx context.Context, hup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			r.reload()
		}
	}
}

// reload takes over each part that is right. What is wrong is logged, and stays
// as it was. No session is touched.
func (r *reloader) reload() {
	_ = r.node.Accounts.Reload() // which has logged its error
	r.node.ReopenAudit()
	c, err := r.load()
	if err != nil {
		r.log.Error("the configuration is wrong; what it said before stays in force", "error", err)
		return
	}
	next := r.now
	next.Node.LogLevel = c.Node.LogLevel
	takeOver(&next.SFTPD, c.SFTPD)
	r.level.Set(next.Node.LogLevel)
	r.server.Adjust(bounds(next.SFTPD))
	if waiting := config.Changed(next, c); len(waiting) > 0 {
		r.log.Warn("the configuration has changed in more than can be taken over now; the rest waits for a restart", "what", strings.Join(waiting, ", "))
	}
	r.now = next
	r.log.Info("read again: accounts, authorities, revoked keys, log level, bounds of connections, penalties; audit file opened again if it was moved")
}

// takeOver changes those keys that a running server takes.
func takeOver(s *config.SFTPD, from config.SFTPD) {
	s.MaxConns, s.MaxHandshakes, s.MaxSessions = from.MaxConns, from.MaxHandshakes, from.MaxSessions
	s.Penalties, s.PenaltyExempt = from.Penalties, from.PenaltyExempt
}

func bounds(c config.SFTPD) sftpd.Bounds {
	return sftpd.Bounds{
		MaxConns: c.MaxConns, MaxHandshakes: c.MaxHandshakes, MaxSessions: c.MaxSessions,
		NoPenalties: !c.Penalties, PenaltyExempt: c.PenaltyExempt,
	}
}
