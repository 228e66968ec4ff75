package sftpd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/internal/kind"
)

// keys are generated once; RSA takes its time.
var keys = sync.OnceValue(func() (k struct{ ed25519, rsa, ecdsa, other ssh.Signer }) {
	must := func(s ssh.Signer, err error) ssh.Signer {
		if err != nil {
			panic(err)
		}
		return s
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	k.ed25519 = must(ssh.NewSignerFromSigner(ed))
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	k.other = must(ssh.NewSignerFromSigner(other))
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	k.rsa = must(ssh.NewSignerFromSigner(r))
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	k.ecdsa = must(ssh.NewSignerFromSigner(e))
	return k
})

// book is an Authenticator of test accounts.
type book map[string]login1

type login1 struct {
	password string
	keys     []ssh.PublicKey
}

func (b book) Authenticate(_ context.Context, name string, c accounts.Credential) (accounts.Account, error) {
	e, ok := b[name]
	switch c := c.(type) {
	case accounts.Password:
		ok = ok && e.password != "" && e.password == string(c)
	case accounts.PublicKey:
		ok = ok && slices.ContainsFunc(e.keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), c) })
	}
	if !ok {
		return accounts.Account{}, kind.Denied
	}
	return accounts.Account{Name: name}, nil
}

// harness is a running server.
type harness struct {
	t      testing.TB
	srv    *Server
	tree   *spyTree
	log    *logBuffer
	listen *pipeListener
	served chan error
}

// serve starts a server, which configure may change first.
func serve(t testing.TB, configure func(*Server)) *harness {
	t.Helper()
	h := &harness{t: t, tree: newSpy(t), log: &logBuffer{}, listen: newPipeListener(), served: make(chan error, 1)}
	h.srv = &Server{
		Accounts: book{
			"alice": {password: "correct horse", keys: []ssh.PublicKey{
				keys().ed25519.PublicKey(), keys().rsa.PublicKey(), keys().ecdsa.PublicKey(),
			}},
			"bob": {password: "battery staple"},
		},
		HostKeys: []ssh.Signer{keys().ed25519},
		Log:      slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	h.srv.mount = func(context.Context, accounts.Account) (tree, error) { return h.tree, nil }
	if configure != nil {
		configure(h.srv)
	}
	go func() { h.served <- h.srv.Serve(context.Background(), h.listen) }()
	t.Cleanup(h.stop)
	return h
}

// stop ends the server at once, and is harmless the second time.
func (h *harness) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.srv.Shutdown(ctx)
	_ = h.listen.Close()
	h.listen.mu.Lock()
	defer h.listen.mu.Unlock()
	for _, nc := range h.listen.near {
		nc.Close()
	}
}

// config is a client's, for alice with her password unless auth says else.
func config(name string, auth ...ssh.AuthMethod) *ssh.ClientConfig {
	if len(auth) == 0 {
		auth = []ssh.AuthMethod{ssh.Password("correct horse")}
	}
	return &ssh.ClientConfig{User: name, Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
}

// dial connects and logs in.
func (h *harness) dial(c *ssh.ClientConfig) (*ssh.Client, error) {
	nc, err := h.listen.dial()
	if err != nil {
		return nil, err
	}
	conn, chans, reqs, err := ssh.NewClientConn(nc, "pipe", c)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return ssh.NewClient(conn, chans, reqs), nil
}

// login connects as alice, for as long as the test runs.
func (h *harness) login() *ssh.Client {
	h.t.Helper()
	c, err := h.dial(config("alice"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// sftp opens an SFTP session on c.
func (h *harness) sftp(c *ssh.Client) *sftp.Client {
	h.t.Helper()
	s, err := sftp.NewClient(c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { s.Close() })
	return s
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// pipeListener accepts what dial makes: connections without a network, which
// testing/synctest can follow.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	near   []net.Conn // the clients' ends
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial() (net.Conn, error) {
	near, far := newPipe()
	select {
	case l.conns <- far:
		l.mu.Lock()
		l.near = append(l.near, near)
		l.mu.Unlock()
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-time.After(time.Minute):
		return nil, context.DeadlineExceeded
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// newPipe is net.Pipe with room: an SSH handshake starts with both sides
// writing. A buffered conn of ours on each end does it.
func newPipe() (net.Conn, net.Conn) {
	a, b := net.Pipe()
	return newBufferedConn(a), b
}

// newKey makes a key that no account has.
func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromSigner(k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deafConn is a connection whose other end has gone without a word: nothing
// arrives any more, and what is sent disappears.
type deafConn struct {
	net.Conn
	deaf chan struct{}
}

func (d *deafConn) Write(p []byte) (int, error) {
	select {
	case <-d.deaf:
		return len(p), nil
	default:
		return d.Conn.Write(p)
	}
}
