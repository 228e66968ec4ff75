package accounts

import "context"

// Chain is an Authenticator that asks the accounts file for the names that are
// in it, and an account server for all others: a name that the file has is the
// file's alone, so that the server can neither take it over nor add a password
// to it. How long an answer takes tells which of the two gave it.
type Chain struct {
	File   *File
	Server Authenticator
}

// Authenticate implements Authenticator.
func (c Chain) Authenticate(ctx context.Context, name string, cred Credential) (Account, error) {
	c.File.Refresh()
	if _, err := c.File.Lookup(name); err == nil {
		return c.File.Authenticate(ctx, name, cred)
	}
	return c.Server.Authenticate(ctx, name, cred)
}
