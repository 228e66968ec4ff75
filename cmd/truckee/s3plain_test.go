package main

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3"
)

// listensAt is a listener that is only asked where.
type listensAt struct {
	net.Listener
	addr *net.TCPAddr
}

func (l listensAt) Addr() net.Addr { return l.addr }

// Plain HTTP that others can reach is warned of, unless a proxy is named.
func TestPlainS3IsWarnedOf(t *testing.T) {
	t.Parallel()
	proxy := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, tt := range []struct {
		ip      string
		tls     *certificates
		proxies []netip.Prefix
		warns   bool
	}{
		{ip: "::", warns: true},
		{ip: "192.0.2.7", warns: true},
		{ip: "127.0.0.1"},
		{ip: "::1"},
		{ip: "::", tls: &certificates{}},
		{ip: "::", proxies: proxy},
	} {
		var out strings.Builder
		s := &s3Service{Listener: listensAt{addr: &net.TCPAddr{IP: net.ParseIP(tt.ip), Port: 5000}}, tls: tt.tls, handler: &s3.Server{Proxies: tt.proxies}}
		s.tell(slog.New(slog.NewTextHandler(&out, nil)))
		if got := strings.Contains(out.String(), "without TLS"); got != tt.warns {
			t.Errorf("%+v: %s", tt, &out)
		}
	}
}
