package sftpd

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/internal/sshserver"
)

const (
	// drainRest is how long a connection without open files must have been
	// silent to be ended by Shutdown.
	drainRest = time.Second
	// maxUnanswered is how many signs of life a client may owe.
	maxUnanswered = 3
)

var (
	errIdle   = errors.New("sftpd: idle for too long")
	errSilent = errors.New("sftpd: no sign of life")
)

// watch keeps an eye on a connection: it asks a silent client for a sign of
// life, and cuts the connection when there is none, when it was idle for too
// long, or when it rests while the server shuts down.
func (c *conn) watch(sc sshserver.Conn) {
	keep := limit(c.srv.KeepAlive, time.Minute)
	idle := c.srv.IdleTimeout
	period := time.Hour
	if keep > 0 {
		period = keep
	}
	if idle > 0 {
		period = min(period, max(idle/4, time.Millisecond))
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	draining := c.draining
	var (
		asked        atomic.Int32
		seenRequests = c.requests.Load()
		seenBytes    = c.nc.received()
		lastRequest  = time.Now()
		lastByte     = lastRequest
	)
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-draining:
			draining = nil
			tick.Reset(drainRest / 4)
			idle, lastRequest = drainRest, time.Now()
			continue
		case now := <-tick.C:
			if n := c.requests.Load(); n != seenRequests {
				seenRequests, lastRequest = n, now
			}
			if n := c.nc.received(); n != seenBytes {
				seenBytes, lastByte = n, now
				asked.Store(0)
			}
			if idle > 0 && now.Sub(lastRequest) >= idle && c.files.Load() == 0 {
				c.log.Info("sftp connection ended: idle", "after", now.Sub(lastRequest))
				c.cut(errIdle)
				return
			}
			if keep <= 0 || now.Sub(lastByte) < keep*time.Duration(1+asked.Load()) {
				continue
			}
			if asked.Add(1) > maxUnanswered {
				c.log.Info("sftp connection ended: no sign of life", "after", now.Sub(lastByte))
				c.cut(errSilent)
				return
			}
			if asked.Load() == 1 {
				c.wg.Go(func() { _, _, _ = sc.SendRequest("keepalive@openssh.com", true, nil) })
			}
		}
	}
}
