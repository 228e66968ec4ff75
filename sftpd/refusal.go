package sftpd

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Refusal is a reason for which a client was not served.
type Refusal int

// The reasons.
const (
	RefusedBanned         Refusal = iota // its source has failed too often to log in
	RefusedCrowded                       // too many connections or logins under way
	RefusedSessions                      // too many connections of the account
	RefusedPassword                      // a wrong password
	RefusedBannedPassword                // a password that was not looked at: too many wrong ones before
	RefusedCertificate                   // a certificate that proves nobody
	RefusedAlgorithms                    // no algorithm in common
	RefusedNoLogin                       // it spoke SSH and left
	RefusedSlow                          // it did not log in in time
	RefusedSilent                        // it said nothing, as load balancers do: no event
	RefusedProxy                         // a PROXY header that is missing, wrong or not trusted
	RefusedAddress                       // the listener doesn't serve its address
	RefusedUnverified                    // a security key that didn't ask for its PIN, and has to
	refusals
)

var refusalNames = [refusals]string{
	"banned", "crowded", "sessions", "password", "banned_password", "certificate", "algorithms", "no_login", "slow", "silent", "proxy", "address", "unverified",
}

// String is a word for metrics.
func (r Refusal) String() string { return refusalNames[r] }

// counters counts refusals.
type counters [refusals]atomic.Int64

func (c *counters) count(r Refusal) { c[r].Add(1) }

// Refusals tells how many clients were refused since the start, by reason.
func (s *Server) Refusals() map[Refusal]int64 {
	all := make(map[Refusal]int64, refusals)
	for r := range refusals {
		all[r] = s.refusals[r].Load()
	}
	return all
}

// logRefusal logs why a connection did not log in. Those who say nothing, as
// load balancers and port scanners do, are no event.
func (c *conn) logRefusal(err error) {
	mismatch := new(ssh.AlgorithmNegotiationError)
	switch {
	case c.nc.received() == 0:
		c.srv.refusals.count(RefusedSilent)
		c.log.Debug("sftp connection without a word", "error", err)
		return
	case !c.spoke:
		c.srv.refusals.count(RefusedSilent)
	case errors.As(err, &mismatch):
		c.srv.refusals.count(RefusedAlgorithms)
		c.refused("", RefusedAlgorithms.String(), kind.Unsupported)
		c.log.Info("sftp client and listener have no algorithm in common", "what", mismatch.What, "client", fmt.Sprintf("%.80q", c.offer.version),
			"offers", c.offer.text(), "profile", string(c.on.Profile))
	case isTimeout(err):
		c.srv.refusals.count(RefusedSlow)
		c.refused("", RefusedSlow.String(), kind.Denied)
		c.penalize("", costSlow)
	case c.ctx.Err() == nil && !c.proved:
		c.srv.refusals.count(RefusedNoLogin)
		if !c.complained {
			c.refused("", RefusedNoLogin.String(), kind.Denied)
		}
		c.penalize("", costNoLogin)
	}
	if c.proved { // somebody has the key or password, whatever became of it
		c.refused(c.provedName, "proved, and gone at once", kind.Canceled)
	}
	c.log.Info("sftp no login", "error", shortened(err))
}

// maxLogged bounds what a log record repeats of a client's words: before the
// login a client may put a message or a method name of any length into an error.
const maxLogged = 512

// shortened is the beginning of an error's text.
func shortened(err error) string {
	text := err.Error()
	if len(text) <= maxLogged {
		return text
	}
	return strings.ToValidUTF8(text[:maxLogged], "") + "…"
}
