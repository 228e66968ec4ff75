package accounts

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/truckee-fs/truckee/caps"
)

// Account is who logged in: a name and the root that the login sees, already
// weakened to what the credential allows.
type Account struct {
	Name string
	Root caps.Cap

	limits limits // see Check, Limits and Also
}

// Authenticator is what frontends ask. Implementations are safe for concurrent use.
type Authenticator interface {
	// Authenticate returns the account that name and c prove. An unknown name
	// and a wrong credential give the same error, kind.Denied, and take the
	// same time: a name that doesn't exist costs what some name that exists
	// costs. Canceled when ctx ends first. For a PublicKey or Certificate it says
	// that it would be accepted; that the client holds its key is the caller's to
	// verify. What the account's Check and Also say is the caller's to observe.
	Authenticate(ctx context.Context, name string, c Credential) (Account, error)
}

// Credential is a Password, a PublicKey or a Certificate.
type Credential interface{ credential() }

// Password is a password as the client sent it. It prints as "password(…)".
type Password []byte

// PublicKey is an SSH public key in wire format (RFC 4253, section 6.6).
type PublicKey []byte

// Certificate is an OpenSSH user certificate in wire format (OpenSSH's
// PROTOCOL.certkeys).
type Certificate []byte

func (Password) credential()    {}
func (PublicKey) credential()   {}
func (Certificate) credential() {}

// MaxPassword is the longest password that is looked at, in bytes.
const MaxPassword = 1024

// Format prints every verb without the password.
func (Password) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redactedPassword)) }

// LogValue keeps the password out of logs.
func (Password) LogValue() slog.Value { return slog.StringValue(redactedPassword) }

// MarshalText keeps the password out of JSON and other encodings.
func (Password) MarshalText() ([]byte, error) { return []byte(redactedPassword), nil }

const redactedPassword = "password(…)"
