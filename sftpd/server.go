package sftpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
)

// Server is an SSH server that speaks SFTP. Its exported fields are set before
// the first Serve and not changed after it; the zero value of a limit means
// the default named. The zero Server has no accounts and no host key, and
// Serve says so.
type Server struct {
	// Accounts decides who logs in.
	Accounts accounts.Authenticator
	// Mount opens the account's root; it is called once a connection, for the
	// first SFTP channel.
	Mount func(context.Context, accounts.Account) (*filestore.Tree, error)
	// NoPasswords refuses every login by a password alone. It may still follow a
	// key that asks for it.
	NoPasswords bool
	// HostKeys prove the server to clients: one of each type that they may
	// know it by. RSA keys sign by SHA-2 only.
	HostKeys []ssh.Signer
	// Log receives logins, refusals and failed requests; never a password, a
	// key or file contents. Nil: none.
	Log *slog.Logger
	// Audit receives one record of each login, each refusal to log in, each
	// command and each operation on files. Nil: nobody does.
	Audit audit.Recorder

	// Version is sent in the identification line after "SSH-2.0-".
	// Empty: "Truckee".
	Version string
	// Umask is taken off the mode of what clients create; SETSTAT is not
	// subject to it. Zero: 022, as sshd's sessions usually have it; to take
	// nothing off, set NoUmask.
	Umask   uint32
	NoUmask bool

	// URI opens what a capability names that an account's client gives as
	// /uri/CAP, as Tahoe-LAFS's server does. Nil: there are no such paths, and
	// an account sees its root and nothing else.
	URI func(ctx context.Context, a accounts.Account, capability string) (*filestore.Tree, error)
	// ChmodDiminishes makes a SETSTAT that takes the owner's w bit from a
	// directory or mutable file replace the link to it by its read capability,
	// for good, as Tahoe-LAFS does. Without it the bit only refuses changes
	// until it is set again.
	ChmodDiminishes bool

	// MaxConns bounds the connections, logged in or not. Zero: 1000.
	MaxConns int
	// MaxHandshakes bounds those that have not logged in yet. When it is
	// reached, the source that has the most gives way. Zero: 100.
	MaxHandshakes int
	// MaxSessions bounds the connections of one account. Zero: 100.
	MaxSessions int
	// MaxChannels bounds the channels open at a time in one connection. Zero: 10.
	MaxChannels int
	// MaxHandles bounds the files and directories open in one SFTP channel. Zero: 1000.
	MaxHandles int
	// LoginAttempts is how many wrong passwords and signatures end a
	// connection. Zero: 6.
	LoginAttempts int
	// KeyQueries is how many keys a client may offer without signing, beyond
	// LoginAttempts: agents offer all that they hold. Zero: 20.
	KeyQueries int

	// NoPenalties switches the defence against guessing off: a source from which
	// too many logins fail is banned for a while.
	NoPenalties bool
	// PenaltyExempt are networks that it spares: of load balancers that don't
	// speak the PROXY protocol, for instance, behind which everybody is.
	PenaltyExempt []netip.Prefix

	// HandshakeTimeout is the time from connection to login. Zero: two minutes.
	HandshakeTimeout time.Duration
	// PeekTimeout is how long the server waits for the client's first key
	// exchange message before it announces every cipher. Zero: 500 ms.
	PeekTimeout time.Duration
	// KeepAlive is the silence after which the client is asked for a sign of
	// life; after three unanswered ones the connection is cut. Zero: one
	// minute. Negative: never.
	KeepAlive time.Duration
	// IdleTimeout cuts a connection whose client has sent no request for so
	// long, and has no file open for writing. Zero: never, since mounts by
	// sshfs rest for hours.
	IdleTimeout time.Duration

	mount func(context.Context, accounts.Account) (tree, error) // in place of Mount, in tests

	mu        sync.Mutex // guards the fields below
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	perName   map[string]*crowd
	waiting   int // connections that have not logged in
	closing   bool
	wg        sync.WaitGroup

	backlogs  atomic.Int64 // see backlog
	past      atomic.Int64 // requests of connections that have ended
	penalties atomic.Pointer[penalties]
	refusals  counters

	complaints complaints
	tally      tally
}

// limit returns v, or def if v is zero.
func limit[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Serve accepts connections until Shutdown is called (nil), ctx ends (its
// cause), or l fails (that error); in the last two cases it cuts the
// connections that it accepted. It closes l, and returns after its last
// connection has ended. It may be called for several listeners.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.ServeOn(ctx, l, Listening{})
}

// ServeOn is Serve with what holds for the connections of this listener.
func (s *Server) ServeOn(ctx context.Context, l net.Listener, on Listening) error {
	defer l.Close()
	if err := s.ready(); err != nil {
		return err
	}
	if err := on.check(); err != nil {
		return err
	}
	if !s.track(l) {
		return nil
	}
	defer s.untrack(l)
	var own sync.WaitGroup
	defer own.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errShutdown)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.start(ctx, nc, on, &own)
		case s.isClosing():
			own.Wait()
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !temporary(err):
			err = fmt.Errorf("sftpd: accept: %w", err)
			cancel(err)
			return err
		default:
			s.logger().Warn("sftp accept", "error", err)
			_ = pace.Sleep(ctx, acceptPause) // the next accept tells whether it is over
		}
	}
}

// acceptPause is the rest after an accept that failed for want of resources.
const acceptPause = 100 * time.Millisecond

// temporary reports whether accepting may work again later: the process is out
// of descriptors, or the client went away in the queue. A socket that never
// listened won't.
func temporary(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.EBADF)
}

// umask is what Umask and NoUmask say.
func (s *Server) umask() uint32 {
	switch {
	case s.NoUmask:
		return 0
	case s.Umask == 0:
		return 0o022
	}
	return s.Umask
}

func (s *Server) ready() error {
	switch {
	case s.Accounts == nil || s.Mount == nil && s.mount == nil:
		return fmt.Errorf("sftpd: no accounts or no mount: %w", kind.Invalid)
	case len(s.HostKeys) == 0:
		return fmt.Errorf("sftpd: no host key: %w", kind.Invalid)
	}
	return nil
}

func (s *Server) logger() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// Shutdown stops accepting and waits for the connections to end. Those that
// rest without an open file are ended after a moment; the others work on until
// ctx ends, when they are cut, what was not committed is discarded, and ctx's
// cause is returned. It returns after the last connection has ended.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.drain()
	}
	s.mu.Unlock()

	ended := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		s.cut()
		<-ended
		return context.Cause(ctx)
	}
}

var errShutdown = errors.New("sftpd: server is shutting down")
