package sftpd

import "sync/atomic"

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
