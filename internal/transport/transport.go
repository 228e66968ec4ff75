// Package transport is the HTTP client side of blockstores behind a network: a
// pool of connections that gives up on a server that has stopped moving, and
// request bodies that leave the caller's bytes alone once a call has returned.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Options of a client.
type Options struct {
	// Stall is how long a connection may wait for a byte to move, in either
	// direction. A large block on a slow line takes as long as it takes.
	Stall time.Duration
	// Conns bounds the connections to a host; calls beyond wait.
	Conns int
	// CAs check the server's certificate; nil: the system's.
	CAs *x509.CertPool
}

// dialTimeout bounds how long a connection may take to be made, and a TLS
// handshake.
const dialTimeout = 10 * time.Second

// Configure makes t such a client's transport. It speaks HTTP/1.1 only, since
// blocks in flight at the same time are to have connections, and congestion
// windows, of their own.
func Configure(t *http.Transport, o Options) {
	t.Proxy = http.ProxyFromEnvironment
	d := net.Dialer{Timeout: min(dialTimeout, o.Stall)}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c, stall: o.Stall}, nil
	}
	t.TLSClientConfig = &tls.Config{RootCAs: o.CAs, MinVersion: tls.VersionTLS12}
	t.TLSHandshakeTimeout = min(dialTimeout, o.Stall)
	t.ForceAttemptHTTP2 = false
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	t.MaxConnsPerHost = o.Conns
	t.MaxIdleConnsPerHost = o.Conns
	t.MaxIdleConns = 0 // no bound but that of each host
	// Idle connections go before the stall of their pending read would end them
	// at the moment when somebody takes them.
	t.IdleConnTimeout = o.Stall / 2
	// A server that wants no body says so by its answer; waiting for its leave
	// costs a round trip a block.
	t.ExpectContinueTimeout = 0
	t.DisableCompression = true // ciphertext
	t.WriteBufferSize = 64 << 10
	t.ReadBufferSize = 64 << 10
}

// New gives such a transport.
func New(o Options) *http.Transport {
	t := new(http.Transport)
	Configure(t, o)
	return t
}

// CAs reads certificates from a PEM file. Invalid if there are none in it.
func CAs(file string) (*x509.CertPool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w: %w", kind.Invalid, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, kind.Errorf(kind.Invalid, "%s holds no certificates in PEM form", file)
	}
	return pool, nil
}

// Bound gives a context for one request, which ends after ten stalls, so that a
// server that lets a byte drop now and then holds nobody for ever.
func Bound(ctx context.Context, stall time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, 10*stall, errTooSlow)
}

var errTooSlow = errors.New("the request took too long")
