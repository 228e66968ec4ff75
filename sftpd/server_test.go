package sftpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

func TestFilesThroughAClient(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	c := h.sftp(h.login())
	if err := c.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	if err := c.Mkdir("/d"); err == nil {
		t.Error("mkdir of what exists succeeded")
	}
	f, err := c.Create("/d/f")
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if _, err := f.ReadFrom(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = c.Open("/d/f"); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	infos, err := c.ReadDir("/d")
	if err != nil || len(infos) != 1 || infos[0].Name() != "f" || infos[0].Size() != int64(len(data)) || infos[0].Mode() != 0o644 {
		t.Errorf("listing: %v, %v", infos, err)
	}
	if _, err := c.Stat("/d/nothing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stat of nothing: %v", err)
	}
	if v, err := c.StatVFS("/"); err != nil || v.Bsize != v.Frsize || v.Namemax != 255 || v.TotalSpace() < 1<<50 {
		t.Errorf("statvfs: %+v, %v", v, err)
	}
}

func TestSeveralChannelsShareAConnection(t *testing.T) {
	t.Parallel()
	var mounts atomic.Int32
	h := serve(t, func(s *Server) {
		s.MaxChannels = 3
		inner := s.mount
		s.mount = func(ctx context.Context, a accounts.Account) (tree, error) {
			mounts.Add(1)
			return inner(ctx, a)
		}
	})
	c := h.login()
	for range 3 {
		if _, err := h.sftp(c).Getwd(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.NewSession(); err == nil || !strings.Contains(err.Error(), "too many channels") {
		t.Errorf("a fourth channel: %v", err)
	}
	if n := mounts.Load(); n != 1 {
		t.Errorf("mounted %d times", n)
	}
}

func TestOtherChannelsAndRequestsAreRefused(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	c := h.login()
	if _, _, err := c.OpenChannel("direct-tcpip", nil); err == nil {
		t.Error("a port was forwarded")
	}
	if ok, _, err := c.SendRequest("tcpip-forward", true, nil); ok || err != nil {
		t.Errorf("tcpip-forward: %t, %v", ok, err)
	}
	if ok, _, err := c.SendRequest("keepalive@openssh.com", true, nil); ok || err != nil {
		t.Errorf("keepalive: %t, %v, want a refusal as answer", ok, err)
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.RequestSubsystem("netconf"); err == nil {
		t.Error("another subsystem was accepted")
	}
	if err := s.RequestSubsystem("sftp"); err != nil {
		t.Errorf("sftp after another subsystem: %v", err)
	}
}

func TestExecAndShellEndWithAStatus(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	c := h.login()
	for _, tt := range []struct {
		name   string
		start  func(*ssh.Session) error
		status int
		says   string
	}{
		{"exec", func(s *ssh.Session) error { return s.Start("rsync --server") }, 127, "no such command"},
		{"shell", (*ssh.Session).Shell, 1, "Welcome, alice"},
	} {
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		var out, text bytes.Buffer
		s.Stdout, s.Stderr = &out, &text
		if err := s.Setenv("LANG", "C"); err != nil {
			t.Errorf("%s: env: %v", tt.name, err)
		}
		if err := s.RequestPty("xterm", 24, 80, nil); err != nil {
			t.Errorf("%s: pty: %v", tt.name, err)
		}
		if err := tt.start(s); err != nil {
			t.Fatal(err)
		}
		var exit *ssh.ExitError
		if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != tt.status {
			t.Errorf("%s: %v, want status %d", tt.name, err, tt.status)
		}
		if out.Len() != 0 || !strings.Contains(text.String(), tt.says) {
			t.Errorf("%s: stdout %q, stderr %q", tt.name, out.String(), text.String())
		}
		if n := strings.Count(text.String(), "\n"); tt.name == "exec" && n != 1 {
			t.Errorf("exec says %d lines", n)
		}
	}
}

func TestSessionsPerAccountAreBounded(t *testing.T) {
	t.Parallel()
	h := serve(t, func(s *Server) { s.MaxSessions = 2 })
	first := h.login()
	h.sftp(h.login())
	third := h.login()
	if _, err := third.NewSession(); err == nil || !strings.Contains(err.Error(), "too many connections") {
		t.Errorf("third connection of an account: %v", err)
	}
	if c, err := h.dial(config("bob", ssh.Password("battery staple"))); err != nil {
		t.Errorf("another account: %v", err)
	} else {
		h.sftp(c)
		c.Close()
	}
	third.Close()
	first.Close()
	for h.connections() > 1 {
		runtime.Gosched()
	}
	h.sftp(h.login())
}

func (h *harness) connections() int {
	h.srv.mu.Lock()
	defer h.srv.mu.Unlock()
	return len(h.srv.conns)
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	for _, configure := range []func(*Server){
		func(s *Server) { s.MaxConns = 1 },
		func(s *Server) { s.MaxHandshakes = 1 },
	} {
		h := serve(t, configure)
		nc, err := h.listen.dial() // says nothing
		if err != nil {
			t.Fatal(err)
		}
		for h.connections() != 1 {
			runtime.Gosched()
		}
		if c, err := h.dial(config("alice")); err == nil {
			c.Close()
			t.Error("one more was taken")
		}
		nc.Close()
		for h.connections() != 0 {
			runtime.Gosched()
		}
		h.login()
	}
}

// A dropped connection commits nothing, and a clean end without CLOSE neither.
func TestDroppedConnectionDiscards(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"connection", "channel"} {
		h := serve(t, nil)
		c := h.login()
		s := h.sftp(c)
		f, err := s.Create("/f")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		if end == "channel" {
			s.Close()
		}
		c.Close()
		for h.connections() != 0 {
			runtime.Gosched()
		}
		if h.tree.discards.Load() != 1 {
			t.Errorf("%s ended: %d discards", end, h.tree.discards.Load())
		}
	}
}

// What a client had sent when it left is carried out, whole connection and all:
// who unmounts sshfs has been told that his files are closed.
func TestLeavingClientsAreHeardOut(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	for i := range 10 {
		c, err := h.dial(config("alice"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.RequestSubsystem("sftp"); err != nil {
			t.Fatal(err)
		}
		id, name := uint32(1), fmt.Sprintf("f%d", i)
		for _, b := range [][]byte{
			packet(wire.Init, nil, uint32(3)), packet(wire.Open, &id, name, wr|creat, uint32(0)),
			packet(wire.Write, &id, firstHandle(0), 0, "contents"), packet(wire.Close, &id, firstHandle(0)),
		} {
			if _, err := in.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(out, make([]byte, 20)); err != nil { // the session has begun
			t.Fatal(err)
		}
		c.Close()
		for h.connections() != 0 {
			runtime.Gosched()
		}
		if info, err := h.tree.Stat(t.Context(), filestore.Path{name}); err != nil || info.Size != 8 {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
}

// panicTree is a tree with a bug.
type panicTree struct{ *spyTree }

func (panicTree) Readlink(context.Context, filestore.Path) (string, error) { panic("a bug") }

func TestPanicEndsOnlyItsChannel(t *testing.T) {
	t.Parallel()
	tr := newSpy(t)
	h := serve(t, func(s *Server) {
		s.mount = func(context.Context, accounts.Account) (tree, error) { return panicTree{tr}, nil }
	})
	c := h.login()
	bystander := h.sftp(c)
	victim := h.sftp(c)
	if _, err := victim.Create("/f"); err != nil {
		t.Fatal(err)
	}
	if _, err := victim.ReadLink("/f"); err == nil {
		t.Error("a panic was answered")
	}
	if _, err := bystander.Stat("/"); err != nil {
		t.Errorf("the other channel: %v", err)
	}
	if !strings.Contains(h.log.String(), "a bug") {
		t.Error("the panic is not in the log")
	}
	if tr.discards.Load() != 1 {
		t.Errorf("%d files discarded", tr.discards.Load())
	}
}

func TestMountThatFailsIsSaid(t *testing.T) {
	t.Parallel()
	h := serve(t, func(s *Server) {
		s.mount = func(context.Context, accounts.Account) (tree, error) { return nil, kind.Unavailable }
	})
	s, err := h.login().NewSession()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := s.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestSubsystem("sftp"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(stderr); err != nil || !strings.Contains(string(text), "can't be opened") {
		t.Errorf("stderr %q, %v", text, err)
	}
}

func TestServeNeedsItsParts(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*Server{
		"nothing":     {},
		"no accounts": {HostKeys: []ssh.Signer{keys().ed25519}, Mount: func(context.Context, accounts.Account) (*filestore.Tree, error) { return nil, nil }},
		"no host key": {Accounts: book{}, Mount: func(context.Context, accounts.Account) (*filestore.Tree, error) { return nil, nil }},
	} {
		l := newPipeListener()
		if err := s.Serve(t.Context(), l); kind.Of(err) != kind.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := l.Accept(); err == nil {
			t.Errorf("%s: listener left open", name)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, nil)
		h.stop()
		<-h.served
		ctx, cancel := context.WithCancelCause(t.Context())
		l := newPipeListener()
		s := &Server{Accounts: book{}, HostKeys: h.srv.HostKeys, mount: h.srv.mount}
		done := make(chan error)
		go func() { done <- s.Serve(ctx, l) }()
		nc, err := l.dial()
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cause := errors.New("enough")
		cancel(cause)
		if err := <-done; err != cause {
			t.Errorf("Serve returned %v", err)
		}
		if _, err := io.ReadAll(nc); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("connection: %v", err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Serve(t.Context(), newPipeListener()); err != nil {
			t.Errorf("Serve after Shutdown: %v", err)
		}
	})
}

// A socket that never listened fails at once; it isn't tried for ever.
func TestSocketThatDoesNotListen(t *testing.T) {
	t.Parallel()
	bound, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := bound.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) }); err != nil {
		t.Fatal(err)
	}
	s := &Server{Accounts: book{}, HostKeys: []ssh.Signer{keys().ed25519}, mount: func(context.Context, accounts.Account) (tree, error) { return nil, kind.NotExist }}
	if err := s.Serve(t.Context(), bound); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Serve returned %v", err)
	}
}

func TestAcceptErrorIsReturned(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	h.listen.Close()
	if err := <-h.served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v", err)
	}
}
