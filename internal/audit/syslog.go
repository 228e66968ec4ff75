package audit

import (
	"fmt"
	"io"
	"log/syslog"
	"net"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
)

// OpenSyslog gives a writer of lines to a syslog: "local" for this machine's,
// "udp:HOST:PORT" or "tcp:HOST:PORT" for another's (RFC 3164). They have the
// facility authpriv and the priority info.
func OpenSyslog(where string) (io.WriteCloser, error) {
	network, address, err := ParseSyslog(where)
	if err != nil {
		return nil, err
	}
	w, err := syslog.Dial(network, address, syslog.LOG_AUTHPRIV|syslog.LOG_INFO, "truckee")
	if err != nil {
		return nil, kind.Errorf(kind.Unavailable, "audit: syslog %s doesn't answer: %w", where, err)
	}
	return w, nil
}

// ParseSyslog reads the place of a syslog; both parts are empty for "local".
func ParseSyslog(where string) (network, address string, err error) {
	if where == "local" {
		return "", "", nil
	}
	network, address, _ = strings.Cut(where, ":")
	if _, _, err := net.SplitHostPort(address); err != nil || strings.Contains(address, "/") || network != "udp" && network != "tcp" {
		return "", "", fmt.Errorf("audit: syslog %.80q: want local, udp:HOST:PORT or tcp:HOST:PORT: %w", where, kind.Invalid)
	}
	return network, address, nil
}
