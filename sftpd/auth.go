package sftpd

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/sshserver"
)

// Keys of ssh.Permissions.ExtraData. What a client may become once it proves
// its key is kept under offeredAccount; only the verified key's own entry is
// moved to provenAccount, and only that is read after the handshake. A key
// that was offered and not signed with can't leave an identity behind.
type (
	offeredAccount struct{}
	provenAccount  struct{}
	proofText      struct{} // how it was proven, for the log
)

// login counts and answers the login attempts of one connection.
type login struct {
	c        *conn
	ctx      context.Context
	pre      sshserver.ServerPreAuthConn
	failures int // wrong passwords, and right signatures by wrong keys

	first    accounts.Account // proven by a key that asks for the password, too
	firstHow string
}

// configure sets the callbacks and bounds of cfg.
func (l *login) configure(cfg *sshserver.ServerConfig) {
	s := l.c.srv
	if !s.NoPasswords {
		cfg.PasswordCallback = l.password
	}
	cfg.PublicKeyCallback = l.offer
	cfg.VerifiedPublicKeyCallback = l.proven
	cfg.PreAuthConnCallback = func(p sshserver.ServerPreAuthConn) { l.pre = p }
	// x/crypto counts refused queries and failures in one number; failures
	// have a lower bound of their own in fail.
	cfg.MaxAuthTries = limit(s.LoginAttempts, 6) + limit(s.KeyQueries, 20)
}

// password proves an account by its password. One that counts only after a key
// is refused like a wrong one, so that nobody without the key can guess at it.
func (l *login) password(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	a, err := l.lookUp(m, password)
	if err == nil {
		err = l.check(a)
	}
	if err == nil && a.Also() != "" {
		err = kind.Errorf(kind.Denied, "the password counts only after a key")
	}
	if err != nil {
		return nil, l.fail(m, "password", err)
	}
	return l.proof(a, "password"), nil
}

// second proves by its password the account that a key has proven before. The
// SSH layer lets no client change the name in between.
func (l *login) second(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	a, err := l.lookUp(m, password)
	if err == nil {
		err = l.check(a)
	}
	if err == nil {
		a, err = l.first.With(a)
	}
	if err != nil {
		return nil, l.fail(m, "password after a key", err)
	}
	return l.proof(a, l.firstHow+" and password"), nil
}

// lookUp asks who a password proves, unless too many were wrong before.
func (l *login) lookUp(m ssh.ConnMetadata, password []byte) (accounts.Account, error) {
	if l.c.bannedName(m.User()) {
		l.c.srv.refusals.count(RefusedBannedPassword)
		return accounts.Account{}, errBannedName
	}
	return l.c.srv.Accounts.Authenticate(l.ctx, m.User(), accounts.Password(password))
}

var errBannedName = kind.Errorf(kind.Denied, "not looked at: too many wrong ones from there before")

// check tells whether the account's line lets in from here and now.
func (l *login) check(a accounts.Account) error {
	return a.Check(addressOf(l.c.nc.RemoteAddr()), time.Now())
}

// offer says whether a key or certificate would do. That it does says nothing
// about who asks.
func (l *login) offer(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	var proof accounts.Credential = accounts.PublicKey(key.Marshal())
	cert, _ := key.(*ssh.Certificate)
	if cert != nil {
		proof = accounts.Certificate(key.Marshal())
	}
	a, err := l.c.srv.Accounts.Authenticate(l.ctx, m.User(), proof)
	if err == nil {
		err = l.check(a)
	}
	switch {
	case err == nil:
	case cert != nil:
		l.c.srv.refusals.count(RefusedCertificate)
		l.c.refused(m.User(), RefusedCertificate.String(), err)
		l.c.log.Info("sftp certificate not accepted", "user", safeUser(m), "certificate", fmt.Sprintf("%.64q", cert.KeyId), "serial", cert.Serial,
			"key", ssh.FingerprintSHA256(cert.Key), "error", shortened(err))
		return nil, denied(err)
	default:
		l.c.log.Debug("sftp key not accepted", "user", safeUser(m), "key", ssh.FingerprintSHA256(key), "error", err)
		return nil, denied(err)
	}
	p := &ssh.Permissions{ExtraData: map[any]any{offeredAccount{}: a}}
	if a.NoTouch() {
		p.Extensions = map[string]string{"no-touch-required": ""}
	}
	return p, nil
}

// proven is called when the signature of a key that offer accepted has been
// verified, with that key's own permissions.
func (l *login) proven(m ssh.ConnMetadata, key ssh.PublicKey, p *ssh.Permissions, sig *ssh.Signature) (*ssh.Permissions, error) {
	a, ok := p.ExtraData[offeredAccount{}].(accounts.Account)
	if !ok || a.Name != m.User() {
		return nil, kind.Denied
	}
	how := sig.Format + " " + ssh.FingerprintSHA256(key)
	if cert, ok := key.(*ssh.Certificate); ok {
		how = fmt.Sprintf("%s %s of certificate %.64q, serial %d, by %s", sig.Format, ssh.FingerprintSHA256(cert.Key), cert.KeyId, cert.Serial, ssh.FingerprintSHA256(cert.SignatureKey))
	}
	if a.VerifyRequired() && !sshserver.UserVerified(sig) {
		return nil, l.unverified(m, how)
	}
	if a.Also() == accounts.ByPassword {
		l.first, l.firstHow = a, how
		return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{PasswordCallback: l.second}}
	}
	return l.proof(a, how), nil
}

// unverified refuses the right key that didn't ask for its PIN. Nobody has
// guessed at anything, so that it costs no penalty; the client may offer others.
func (l *login) unverified(m ssh.ConnMetadata, how string) error {
	err := kind.Errorf(kind.Denied, "the security key has not asked for its PIN or fingerprint, which verify=yes or its certificate requires")
	l.c.srv.refusals.count(RefusedUnverified)
	l.c.refused(m.User(), RefusedUnverified.String(), err)
	l.c.log.Info("sftp security key not accepted", "user", safeUser(m), "proof", how, "error", err)
	return denied(err)
}

func (l *login) proof(a accounts.Account, how string) *ssh.Permissions {
	l.c.proved, l.c.provedName = true, a.Name
	return &ssh.Permissions{ExtraData: map[any]any{provenAccount{}: a, proofText{}: how}}
}

// fail counts a failed attempt. After the last one the client is told so and
// left without a method, which ends the connection.
func (l *login) fail(m ssh.ConnMetadata, method string, err error) error {
	l.failures++
	if err != errBannedName && kind.Of(err) == kind.Denied {
		l.c.srv.refusals.count(RefusedPassword)
		l.c.penalize(m.User(), costWrong)
	}
	l.c.refused(m.User(), method, err)
	l.c.log.Info("sftp login failed", "user", safeUser(m), "method", method, "attempt", l.failures, "error", err)
	if l.failures < limit(l.c.srv.LoginAttempts, 6) {
		return denied(err)
	}
	if l.pre != nil {
		_ = l.pre.SendAuthBanner("Too many failed logins.\r\n")
	}
	return &ssh.PartialSuccessError{}
}

// denied is what the SSH layer sees of a failure; it sends none of it.
func denied(err error) error { return fmt.Errorf("denied: %w", kind.Of(err)) }

// safeUser bounds and quotes the name that an unknown client gave.
func safeUser(m ssh.ConnMetadata) string { return fmt.Sprintf("%.64q", m.User()) }

// handshake runs key exchange and login within HandshakeTimeout.
func (c *conn) handshake() (*sshserver.ServerConn, <-chan sshserver.NewChannel, <-chan *sshserver.Request, error) {
	timeout := limit(c.srv.HandshakeTimeout, 2*time.Minute)
	if err := c.nc.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	cfg, err := c.config()
	if err != nil {
		return nil, nil, nil, err
	}
	l := &login{c: c, ctx: ctx}
	l.configure(cfg)
	sc, channels, requests, err := sshserver.NewServerConn(c.nc, cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := c.nc.SetDeadline(time.Time{}); err != nil {
		sc.Close()
		return nil, nil, nil, err
	}
	return sc, channels, requests, nil
}
