package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/metrics"
	"github.com/truckee-fs/truckee/internal/node"
)

// listenS3 opens the socket of [s3]; none if S3 isn't served. An address that
// nobody asked for and that somebody else has is no reason not to serve the rest.
func listenS3(ctx context.Context, c config.S3, given net.Listener, log *slog.Logger) (net.Listener, error) {
	switch {
	case !c.Enabled && given != nil:
		return nil, fmt.Errorf("the service manager hands over a socket for s3, and s3.enabled is false: %w", kind.Invalid)
	case !c.Enabled:
		return nil, nil
	}
	if c.Certificate != "" {
		if err := (&certificates{certificate: string(c.Certificate), key: string(c.Key)}).load(); err != nil {
			return nil, err
		}
	}
	if given != nil {
		return given, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen.String())
	switch {
	case err == nil:
		return l, nil
	case !c.Stated && errors.Is(err, syscall.EADDRINUSE):
		log.Warn("S3 isn't served: somebody else has its usual address; choose another by --s3 HOST:PORT, or say s3.enabled = false", "address", c.Listen.String())
		return nil, nil
	}
	return nil, fmt.Errorf("can't listen on %s: %w; choose another address by --s3 HOST:PORT", c.Listen, err)
}

// s3Service is the S3 frontend on its socket.
type s3Service struct {
	net.Listener
	handler  *s3.Server
	http     *http.Server
	tls      *certificates // nil: plain HTTP
	conns    atomic.Int64
	requests atomic.Int64
}

// The HTTP server's bounds. Bodies have a time for each of their parts, by the
// frontend.
const (
	s3HeaderTime  = time.Minute
	s3IdleTime    = 2 * time.Minute
	s3HeaderBytes = 64 << 10
)

// newS3 makes the frontend of a node; nil without a socket.
func newS3(n *node.Node, l net.Listener, c config.S3, log *slog.Logger) (*s3Service, error) {
	if l == nil {
		return nil, nil
	}
	s := &s3Service{Listener: limited(l, c.MaxConns, c.MaxPerAddress, c.Proxies, log)}
	handler := &s3.Server{
		Files: n.FS, Keys: n.Accounts, Mount: n.Mount, Policies: n.Policies, Log: log, Audit: n.Audit,
		Region: c.Region, Regions: c.Regions, Domains: c.Domains, WebsiteDomains: c.WebsiteDomains, PublicHosts: c.PublicHosts, MinPart: int64(c.MinPart),
		Proxies: c.Proxies, MinRate: int64(c.MinRate), MaxRequestRate: c.MaxRequests,
		HeaderAuth: c.HeaderAuth, SignatureV2: c.SignatureV2, PlainClientKeys: c.PlainClientKeys,
		ObjectWriter: c.Ownership == "ObjectWriter", DebugSignatures: c.DebugSignatures,
		Observe: func(o s3.Observation) {
			s.requests.Add(1)
			n.Metrics.S3Request(o.Operation, o.Status, o.Received, o.Sent, o.Took)
		},
	}
	s.handler = handler
	if c.MinPart == 0 {
		handler.MinPart = -1
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // as S3's own; one connection a request in flight is what its clients expect
	s.http = &http.Server{
		Handler: handler, Protocols: protocols, ReadHeaderTimeout: s3HeaderTime, IdleTimeout: s3IdleTime, MaxHeaderBytes: s3HeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), ConnState: s.count,
	}
	if c.Certificate != "" {
		s.tls = &certificates{certificate: string(c.Certificate), key: string(c.Key), log: log}
		if err := s.tls.load(); err != nil {
			return nil, err
		}
		s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.tls.get}
	}
	return s, nil
}

// count follows the connections.
func (s *s3Service) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Add(-1)
	}
}

// url is where clients on this machine reach it.
func (s *s3Service) url() string {
	if s == nil {
		return ""
	}
	scheme := "http://"
	if s.tls != nil {
		scheme = "https://"
	}
	return scheme + node.Reachable(s.Addr().String())
}

// tell logs what is served where.
func (s *s3Service) tell(log *slog.Logger) {
	log.Info("serving s3", "address", s.Addr().String(), "tls", s.tls != nil)
	at, ok := s.Addr().(*net.TCPAddr)
	if ok && s.tls == nil && !at.IP.IsLoopback() && len(s.handler.Proxies) == 0 {
		log.Warn("s3 is served without TLS where others may listen: set s3.tls_certificate, or s3.trusted_proxies for a proxy that speaks TLS", "address", at.String())
	}
}

// serve answers requests until drain.
func (s *s3Service) serve() error {
	var err error
	if s.tls != nil {
		err = s.http.ServeTLS(s.Listener, "", "")
	} else {
		err = s.http.Serve(s.Listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("s3: %w", err)
}

// drain lets requests under way finish until ctx ends, and cuts them off then.
func (s *s3Service) drain(ctx context.Context, log *slog.Logger) error {
	err := s.http.Shutdown(ctx)
	if err == nil || ctx.Err() == nil {
		return err
	}
	log.Warn("S3 requests were cut off; what they had not committed is dropped")
	return s.http.Close()
}

// status is for truckee status.
func (s *s3Service) status(bool) node.FrontendStatus {
	about := ""
	if s.tls != nil {
		about = "tls"
	}
	return node.FrontendStatus{
		Name: "s3", Listeners: []node.ListenerStatus{{Address: s.Addr().String(), About: about}},
		Sessions: int(s.conns.Load()), Requests: s.requests.Load(),
	}
}

// figures are for Prometheus.
func (s *s3Service) figures(emit metrics.Emit) {
	emit(metrics.S3Connections, float64(s.conns.Load()))
}

// certificates keeps the certificate of the S3 frontend, and reads it again when
// its file has changed.
type certificates struct {
	certificate, key string
	log              *slog.Logger

	mu     sync.Mutex // guards the fields below
	now    *tls.Certificate
	looked time.Time
	seen   [2]fileStamp
}

// fileStamp tells whether a file has changed.
type fileStamp struct {
	mtime time.Time
	size  int64
}

// lookAgain is how long the files' state is believed.
const lookAgain = 10 * time.Second

// load reads the files now.
func (c *certificates) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = time.Now()
	return c.read(c.stamps())
}

func (c *certificates) stamps() (s [2]fileStamp) {
	for i, path := range []string{c.certificate, c.key} {
		if st, err := os.Stat(path); err == nil {
			s[i] = fileStamp{st.ModTime(), st.Size()}
		}
	}
	return s
}

func (c *certificates) read(stamps [2]fileStamp) error {
	pair, err := tls.LoadX509KeyPair(c.certificate, c.key)
	if err != nil {
		return fmt.Errorf("s3.tls_certificate and s3.tls_key: %w", err)
	}
	c.now, c.seen = &pair, stamps
	return nil
}

// get is tls.Config.GetCertificate. While the files are wrong, the certificate
// that was read before stays in use.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) > lookAgain {
		c.looked = now
		if stamps := c.stamps(); stamps != c.seen {
			if err := c.read(stamps); err != nil {
				c.seen = stamps // told once
				c.log.Error("the certificate of S3 is wrong; the one read before stays in use", "error", err)
			} else {
				c.log.Info("the certificate of S3 was read again")
			}
		}
	}
	return c.now, nil
}
