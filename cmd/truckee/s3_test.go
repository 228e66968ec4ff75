package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/config"
)

func TestDefaultAddressOfS3IsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at, err := config.ParseListen(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	l, err := listenS3(t.Context(), config.S3{Enabled: true, Listen: at}, nil, logger)
	if l != nil || err != nil || !strings.Contains(log.String(), "S3 isn't served") {
		t.Errorf("%v, %v, logged %q", l, err, log.String())
	}
	if _, err = listenS3(t.Context(), config.S3{Enabled: true, Listen: at, Stated: true}, nil, logger); err == nil {
		t.Error("an address that was asked for, and is taken, is no error")
	}
	if l, err := listenS3(t.Context(), config.S3{}, nil, logger); l != nil || err != nil {
		t.Errorf("off: %v, %v", l, err)
	}
	if _, err := listenS3(t.Context(), config.S3{}, taken, logger); err == nil {
		t.Error("a socket for what is off is no error")
	}
	if l, err := listenS3(t.Context(), config.S3{Enabled: true}, taken, logger); l != taken || err != nil {
		t.Errorf("a socket that was handed over: %v, %v", l, err)
	}
}

// At most so many connections are open; the next is served when one has gone.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	below, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limited(below, 1, 0, nil, slog.New(slog.DiscardHandler))
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", below.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("a second connection is accepted beside the first")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	first.Close() // gives its room back once
	second := <-accepted
	l.Close()
	if _, more := <-accepted; more {
		t.Error("a third connection")
	}
	second.Close()
}

// fromListener gives connections from addresses.
type fromListener struct {
	net.Listener
	from []string
}

type fromConn struct {
	net.Conn
	at     net.Addr
	closed *int
}

func (c fromConn) RemoteAddr() net.Addr { return c.at }

func (c fromConn) Close() error { *c.closed++; return nil }

func (l *fromListener) Accept() (net.Conn, error) {
	if len(l.from) == 0 {
		return nil, net.ErrClosed
	}
	at := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(l.from[0]), 1))
	l.from = l.from[1:]
	return fromConn{at: at, closed: new(int)}, nil
}

func (l *fromListener) Close() error { return nil }

// One address can't have all connections; this machine and trusted proxies can, and
// what was closed counts no more.
func TestConnectionsOfOneAddressAreLimited(t *testing.T) {
	t.Parallel()
	below := &fromListener{from: []string{
		"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1",
		"127.0.0.1", "127.0.0.1", "127.0.0.1", "::1", "::1", "::1", "10.0.0.1", "10.0.0.1", "10.0.0.1", "::ffff:192.0.2.1",
	}}
	var log bytes.Buffer
	l := limited(below, 100, 2, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, slog.New(slog.NewTextHandler(&log, nil)))
	var got []string
	var conns []net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		got, conns = append(got, c.RemoteAddr().(*net.TCPAddr).IP.String()), append(conns, c)
	}
	want := []string{
		"192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1",
		"127.0.0.1", "127.0.0.1", "127.0.0.1", "::1", "::1", "::1", "10.0.0.1", "10.0.0.1", "10.0.0.1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("accepted: %q", got)
	}
	if n := strings.Count(log.String(), "too many from one address"); n != 1 {
		t.Errorf("the log tells it %d times", n)
	}
	conns[0].Close()
	conns[0].Close()
	below.from = []string{"192.0.2.1", "192.0.2.1"}
	if _, err := l.Accept(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("one more: %v", err)
	}
}

// writeCertificate makes a certificate of its own for a name.
func writeCertificate(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestCertificateIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &certificates{log: slog.New(slog.DiscardHandler)}
	c.certificate, c.key = writeCertificate(t, dir, "one.example")
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	name := func() string {
		t.Helper()
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.Subject.CommonName
	}
	writeCertificate(t, dir, "a-longer-name.example")
	if got := name(); got != "one.example" {
		t.Errorf("looked at once: %s", got)
	}
	c.looked = time.Now().Add(-time.Hour)
	if got := name(); got != "a-longer-name.example" {
		t.Errorf("after the file has changed: %s", got)
	}
	if err := os.WriteFile(c.certificate, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.looked = time.Now().Add(-time.Hour)
	if got := name(); got != "a-longer-name.example" {
		t.Errorf("while the file is wrong: %s", got)
	}
	if err := c.load(); err == nil {
		t.Error("a start with a wrong certificate")
	}
}

// slowService is an s3Service on a handler that waits for go.
func slowService(t *testing.T) (s *s3Service, begun, release chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun, release = make(chan struct{}), make(chan struct{})
	s = &s3Service{Listener: limited(l, 10, 0, nil, slog.New(slog.DiscardHandler))}
	s.http = &http.Server{ConnState: s.count, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		select {
		case <-release:
			_, _ = io.WriteString(w, "whole")
		case <-r.Context().Done():
		}
	})}
	return s, begun, release
}

// A request under way is answered while the server drains, and none is taken.
func TestS3Drains(t *testing.T) {
	t.Parallel()
	s, begun, release := slowService(t)
	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get(s.url())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	<-begun
	if n := s.status(false).Sessions; n != 1 {
		t.Errorf("%d connections", n)
	}
	drained := make(chan error, 1)
	go func() { drained <- s.drain(t.Context(), slog.New(slog.DiscardHandler)) }()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("a connection while it drains")
	}
	close(release)
	if got := <-answer; got != "whole" {
		t.Errorf("answered %q", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestS3DrainEnds(t *testing.T) {
	t.Parallel()
	s, begun, _ := slowService(t)
	go func() { _ = s.serve() }()
	failed := make(chan error, 1)
	go func() {
		resp, err := http.Get(s.url())
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.drain(ctx, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("a request that was cut off has an answer")
	}
}

func TestS3OverTLS(t *testing.T) {
	t.Parallel()
	s, begun, release := slowService(t)
	close(release)
	s.tls = &certificates{log: slog.New(slog.DiscardHandler)}
	s.tls.certificate, s.tls.key = writeCertificate(t, t.TempDir(), "127.0.0.1")
	if err := s.tls.load(); err != nil {
		t.Fatal(err)
	}
	s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.tls.get}
	go func() { _ = s.serve() }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := client.Get(s.url())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	<-begun
	if !strings.HasPrefix(s.url(), "https://") || resp.TLS == nil {
		t.Errorf("%s, %v", s.url(), resp.TLS)
	}
	if err := s.drain(t.Context(), slog.New(slog.DiscardHandler)); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
