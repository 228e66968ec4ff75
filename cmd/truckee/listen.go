package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/sftpd"
)

// listener is an open socket, and how its connections are served.
type listener struct {
	net.Listener
	on sftpd.Listening
}

type listeners []listener

// listen opens the sockets of the configuration, that of sftpd.port first, as far
// as the service manager hasn't opened them: its sockets stand for the first
// addresses, in order. On an error it returns those that are open.
func listen(ctx context.Context, c config.SFTPD, given []net.Listener) (ls listeners, err error) {
	var all config.Listeners
	if c.Enabled {
		all = append(config.Listeners{{At: c.Port}}, c.Listeners...)
	}
	for i, l := range given {
		if i < len(all) {
			ls = append(ls, listener{l, listening(all[i])})
		} else if l.Close(); err == nil {
			err = fmt.Errorf("the service manager hands over %d sockets, and there are %d addresses: see sftpd.listeners", len(given), len(all))
		}
	}
	if err != nil {
		return ls, err
	}
	for i, at := range all {
		if i < len(ls) {
			continue
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.At.String())
		if err != nil {
			hint := "; choose another address by --sftp HOST:PORT"
			if i > 0 {
				hint = "; it stands in sftpd.listeners"
			}
			return ls, fmt.Errorf("can't listen on %s: %w%s", at.At, err, hint)
		}
		ls = append(ls, listener{l, listening(at)})
	}
	return ls, nil
}

func listening(l config.Listener) sftpd.Listening {
	return sftpd.Listening{Profile: sftpd.Profile(l.Profile), Proxy: sftpd.ProxyMode(l.Proxy), Proxies: l.Proxies, From: l.From}
}

// first is the address of the first; empty: there is none.
func (ls listeners) first() string {
	if len(ls) == 0 {
		return ""
	}
	return ls[0].Addr().String()
}

// tell logs what is served where.
func (ls listeners) tell(log *slog.Logger, basedir string) {
	for i, l := range ls {
		if i == 0 {
			log.Info("serving sftp", "address", l.Addr().String(), "basedir", basedir)
			continue
		}
		log.Info("serving sftp", "address", l.Addr().String(), "profile", string(l.on.Profile), "proxy", string(l.on.Proxy))
		if l.on.Profile == sftpd.Legacy {
			log.Warn("this listener offers broken algorithms: whoever is on the way may read and change what its clients do; give it networks that are trusted (from=), and nothing else",
				"address", l.Addr().String())
		}
	}
}

func (ls listeners) close() {
	for _, l := range ls {
		l.Close()
	}
}
