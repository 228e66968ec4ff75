package sftpd

import (
	"sync/atomic"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// tally counts what all sessions of a server do. A nil one counts nothing.
type tally struct {
	logins        atomic.Int64
	read, written atomic.Int64 // bytes of files, to clients and from them
	requests      [tallied]atomic.Int64
	failures      [tallied][kind.Loop + 1]atomic.Int64
}

// tallied is one more than the last type of a request that has a number of its own;
// the first place is that of extended requests and of what is no request.
const tallied = wire.Symlink + 1

func tallyOf(t wire.Type) wire.Type {
	if t >= tallied {
		return 0
	}
	return t
}

func (c *tally) request(t wire.Type) {
	if c != nil {
		c.requests[tallyOf(t)].Add(1)
	}
}

func (c *tally) failure(t wire.Type, k kind.Kind) {
	if c != nil && int(k) < len(c.failures[0]) {
		c.failures[tallyOf(t)][k].Add(1)
	}
}

func (c *tally) gave(n int) {
	if c != nil {
		c.read.Add(int64(n))
	}
}

func (c *tally) took(n int) {
	if c != nil {
		c.written.Add(int64(n))
	}
}

// Request is a kind of SFTP request, for Figures.
type Request struct {
	Op    string // as "open"; "extended" is all that have no number of their own
	Count int64
	// Failures counts those that failed, by the kind of the error.
	Failures map[kind.Kind]int64
}

// all lists the kinds of requests that clients send.
func (c *tally) all() (all []Request) {
	for t := range tallied {
		r := Request{Op: requestName(t), Count: c.requests[t].Load(), Failures: map[kind.Kind]int64{}}
		if r.Op == "" {
			continue
		}
		for k := range c.failures[t] {
			if n := c.failures[t][k].Load(); n > 0 {
				r.Failures[kind.Kind(k)] = n
			}
		}
		all = append(all, r)
	}
	return all
}

// requestName is a word for metrics; "" for what is no request of a session.
func requestName(t wire.Type) string {
	names := map[wire.Type]string{
		0: "extended", wire.Open: "open", wire.Close: "close", wire.Read: "read", wire.Write: "write", wire.Lstat: "lstat", wire.Fstat: "fstat",
		wire.Setstat: "setstat", wire.Fsetstat: "fsetstat", wire.Opendir: "opendir", wire.Readdir: "readdir", wire.Remove: "remove", wire.Mkdir: "mkdir",
		wire.Rmdir: "rmdir", wire.Realpath: "realpath", wire.Stat: "stat", wire.Rename: "rename", wire.Readlink: "readlink", wire.Symlink: "symlink",
	}
	return names[t]
}
