package accounts

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Critical options of certificates (OpenSSH's PROTOCOL.certkeys) that are known
// here. A certificate with any other proves nothing.
const (
	optionSourceAddress = "source-address"
	optionForceCommand  = "force-command"
	optionVerify        = "verify-required"
	extensionNoTouch    = "no-touch-required"
)

var errRevoked = kind.Errorf(kind.Denied, "accounts: the key is revoked")

// refusedCertificate is why a certificate proves nobody. It names nothing secret.
func refusedCertificate(format string, args ...any) error {
	return kind.Errorf(kind.Denied, "accounts: certificate: "+format, args...)
}

// byCertificate proves name by a certificate: of an authority in a line of the
// name, with that line's limits, or of a common one, with the limits of all
// lines of the name together.
func (f *File) byCertificate(s *set, name string, wire []byte) (Account, error) {
	parsed, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return Account{}, errRefused
	}
	cert, ok := parsed.(*ssh.Certificate)
	if !ok {
		return Account{}, errRefused
	}
	e := s.byName[name]
	if e == nil || !e.ssh {
		return Account{}, errRefused
	}
	l, known := e.authority(cert.SignatureKey)
	if !known {
		if !f.cas.holds(cert.SignatureKey) {
			return Account{}, refusedCertificate("signed by an authority that isn't trusted for %q", name)
		}
		l = e.all
		l.noTouch = true // the authority alone decides
	}
	if l.principals == nil {
		l.principals = []string{name}
	}
	if err := f.checkCertificate(cert, l); err != nil {
		return Account{}, err
	}
	_, waived := cert.Extensions[extensionNoTouch]
	l.noTouch = l.noTouch && waived
	if _, ok := cert.CriticalOptions[optionVerify]; ok {
		l.verify = true
	}
	if l.verify && !strings.HasPrefix(cert.Key.Type(), "sk-") {
		return Account{}, refusedCertificate("it must be of a security key, which asks for its PIN")
	}
	if from, ok := cert.CriticalOptions[optionSourceAddress]; ok {
		list, err := parseAddresses(from)
		if err != nil {
			return Account{}, refusedCertificate("source-address: %w", err)
		}
		l.from = append(slices.Clone(l.from), list)
	}
	return e.account(name, l)
}

// authority finds the line of which key is the authority.
func (e *entry) authority(key ssh.PublicKey) (limits, bool) {
	wire := key.Marshal()
	for i := range e.keys {
		if k := &e.keys[i]; k.limits.authority && bytes.Equal(k.wire, wire) {
			return k.limits, true
		}
	}
	return limits{}, false
}

// checkCertificate does all checks that don't need the client's address.
func (f *File) checkCertificate(cert *ssh.Certificate, l limits) error {
	switch {
	case cert.CertType != ssh.UserCert:
		return refusedCertificate("it is of a host, not of a user")
	case f.revoked.revokes(cert):
		return errRevoked
	case cert.Signature == nil || cert.Signature.Format == ssh.KeyAlgoRSA:
		return refusedCertificate("the authority signed it by SHA-1: sign it anew by a newer ssh-keygen")
	}
	if _, err := keyFromWire(cert.Key.Type(), cert.Key.Marshal()); err != nil || !slices.Contains(keyTypes, cert.Key.Type()) {
		return refusedCertificate("of a key that isn't accepted here")
	}
	principal := slices.IndexFunc(cert.ValidPrincipals, func(p string) bool { return slices.Contains(l.principals, p) })
	if principal < 0 {
		return refusedCertificate("it names none of the principals %s", strings.Join(l.principals, ","))
	}
	if command, ok := cert.CriticalOptions[optionForceCommand]; ok && command != "internal-sftp" {
		return refusedCertificate("force-command %.40q: only internal-sftp is served here", command)
	}
	if _, ok := cert.Extensions[extensionNoTouch]; ok && !l.noTouch && strings.HasPrefix(cert.Key.Type(), "sk-") {
		return refusedCertificate("it waives the touch of the security key, and the authority's line doesn't say touch=no")
	}
	checker := ssh.CertChecker{Clock: f.now, SupportedCriticalOptions: []string{optionSourceAddress, optionForceCommand, optionVerify}}
	if err := checker.CheckCert(cert.ValidPrincipals[principal], cert); err != nil {
		return fmt.Errorf("accounts: certificate: %w: %.200s", kind.Denied, strings.TrimPrefix(err.Error(), "ssh: "))
	}
	return nil
}
