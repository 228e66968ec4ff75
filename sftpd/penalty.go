package sftpd

import (
	"maps"
	"net/netip"
	"sync"
	"time"
)

// What guessing costs, as seconds of penalty that pass by themselves. A source
// or a name of a source whose penalty has reached its threshold is banned until
// all of it has passed. (The model is OpenSSH's PerSourcePenalties.)
const (
	costWrong   = 5 * time.Second  // a wrong password
	costNoLogin = 1 * time.Second  // a client that spoke SSH and did not log in
	costSlow    = 10 * time.Second // one that let the time for it pass

	// A name from one source: its passwords are no longer looked at.
	thresholdName = 25 * time.Second
	// A source: its connections are dropped as they come. Several people may
	// share it.
	thresholdSource = 55 * time.Second

	maxPenalty   = 10 * time.Minute
	maxPenalties = 20_000
	maxPenalName = 128 // longer names are no accounts
)

// penalKey is a source, or an account's name from a source.
type penalKey struct{ source, name string }

// penalties is the table of who has guessed. A nil table holds nobody.
type penalties struct {
	exempt []netip.Prefix

	mu  sync.Mutex // guards all
	all map[penalKey]penalty
}

type penalty struct {
	until  time.Time // when all of it has passed
	banned bool
}

// add counts cost against key, and reports whether that bans it.
func (p *penalties) add(key penalKey, cost, threshold time.Duration) bool {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[penalKey]penalty{}
	}
	e, ok := p.all[key]
	if !ok && len(p.all) >= maxPenalties {
		p.makeRoom(now)
	}
	if !e.until.After(now) {
		e = penalty{until: now}
	}
	e.until = e.until.Add(cost)
	if most := now.Add(maxPenalty); e.until.After(most) {
		e.until = most
	}
	bans := !e.banned && e.until.Sub(now) >= threshold
	e.banned = e.banned || bans
	p.all[key] = e
	return bans
}

// makeRoom forgets what has passed, then who isn't banned, then anybody.
func (p *penalties) makeRoom(now time.Time) {
	maps.DeleteFunc(p.all, func(_ penalKey, e penalty) bool { return !e.until.After(now) })
	const enough = maxPenalties * 3 / 4
	for _, banned := range []bool{false, true} {
		for k, e := range p.all {
			if len(p.all) <= enough {
				return
			}
			if e.banned == banned {
				delete(p.all, k)
			}
		}
	}
}

// banned reports whether key is banned now.
func (p *penalties) banned(key penalKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.all[key]
	if ok && !e.until.After(time.Now()) {
		delete(p.all, key)
		return false
	}
	return e.banned
}

// Banned tells how many addresses are banned just now, and how many accounts'
// names of one address.
func (s *Server) Banned() (addresses, names int) {
	p := s.penalties.Load()
	if p == nil {
		return 0, 0
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, e := range p.all {
		switch {
		case !e.banned || !e.until.After(now):
		case k.name == "":
			addresses++
		default:
			names++
		}
	}
	return addresses, names
}

// forgive forgets a key.
func (p *penalties) forgive(key penalKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, key)
}

// concerns reports whether clients at a are penalized at all: those without an
// IP address aren't, since they can't be told apart.
func (p *penalties) concerns(a netip.Addr) bool {
	if p == nil || !a.IsValid() {
		return false
	}
	for _, e := range p.exempt {
		if e.Contains(a) {
			return false
		}
	}
	return true
}

// bannedSource reports whether connections from a are to be dropped.
func (s *Server) bannedSource(a netip.Addr, source string) bool {
	if p := s.penalties.Load(); p.concerns(a) && p.banned(penalKey{source: source}) {
		s.refusals.count(RefusedBanned)
		return true
	}
	return false
}

// penalize counts cost against a connection's source and, unless it is empty,
// the name there.
func (c *conn) penalize(name string, cost time.Duration) {
	p := c.srv.penalties.Load()
	if !p.concerns(addressOf(c.nc.RemoteAddr())) {
		return
	}
	if p.add(penalKey{source: c.source}, cost, thresholdSource) {
		c.log.Warn("sftp source banned for a while: too many failed logins", "source", c.source)
	}
	if name != "" && len(name) <= maxPenalName && p.add(penalKey{c.source, name}, cost, thresholdName) {
		c.log.Warn("sftp passwords of an account not looked at for a while: too many wrong ones from there", "source", c.source, "user", name)
	}
}

// bannedName reports whether passwords of a name from there are not looked at.
func (c *conn) bannedName(name string) bool {
	p := c.srv.penalties.Load()
	return p.concerns(addressOf(c.nc.RemoteAddr())) && p.banned(penalKey{c.source, name})
}

// forgive forgets what a name has guessed from there, since its own user logged in.
func (c *conn) forgive(name string) {
	if p := c.srv.penalties.Load(); p != nil {
		p.forgive(penalKey{c.source, name})
	}
}
