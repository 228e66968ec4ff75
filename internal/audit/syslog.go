package audit

import (
	"fmt"
	"log/syslog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Syslog writes lines to a syslog, with the facility authpriv and the priority
// info. It connects when it is first written to, and again when that breaks off.
type Syslog struct {
	network, address string

	mu     sync.Mutex // guards the fields below
	w      *syslog.Writer
	notYet time.Time // when it may connect again
}

// syslogAgain is how long a syslog that doesn't answer is left alone.
const syslogAgain = 5 * time.Second

// NewSyslog is "local" for this machine's, "udp:HOST:PORT" or "tcp:HOST:PORT" for
// another's (RFC 3164). Invalid: it is neither.
func NewSyslog(where string) (*Syslog, error) {
	network, address, err := ParseSyslog(where)
	if err != nil {
		return nil, err
	}
	return &Syslog{network: network, address: address}, nil
}

// Write writes one line. Unavailable: the syslog doesn't answer.
func (s *Syslog) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		if time.Now().Before(s.notYet) {
			return 0, fmt.Errorf("audit: syslog: left alone for a while: %w", kind.Unavailable)
		}
		w, err := syslog.Dial(s.network, s.address, syslog.LOG_AUTHPRIV|syslog.LOG_INFO, "truckee")
		if err != nil {
			s.notYet = time.Now().Add(syslogAgain)
			return 0, fmt.Errorf("audit: syslog: %w: %w", kind.Unavailable, err)
		}
		s.w = w
	}
	n, err := s.w.Write(b) // which connects again by itself, once
	if err != nil {
		s.w.Close()
		s.w, s.notYet = nil, time.Now().Add(syslogAgain)
		return n, fmt.Errorf("audit: syslog: %w: %w", kind.Unavailable, err)
	}
	return n, nil
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
