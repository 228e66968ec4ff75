package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/atomicfile"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// AccountAdd adds an account, or gives one that is there another key or a
// password.
type AccountAdd struct {
	Name     string
	Password Secret   // empty: none
	Keys     []string // public key files' contents

	// The root: RootCap, or the read capability of the account ReadOnlyOf, or
	// that of the account itself if it is there, or a new, empty directory.
	RootCap    Secret
	ReadOnlyOf string
}

func (*AccountAdd) name() string { return "account.add" }

func (o *AccountAdd) run(ctx context.Context, n *node.Node, s control.Streams) error {
	if err := accounts.CheckName(o.Name); err != nil {
		return kind.Errorf(kind.Invalid, "%w", err)
	}
	keys, err := o.parseKeys()
	if err != nil {
		return err
	}
	var hash string
	if o.Password != "" {
		if hash, err = accounts.HashPassword([]byte(o.Password)); err != nil {
			return err
		}
	}
	root, fresh, err := o.root(ctx, n, s)
	if err != nil {
		return err
	}
	err = n.EditAccounts(func(e *accounts.Editor) error {
		for _, k := range keys {
			if err := e.AddKey(o.Name, k.Key, root, k.options...); err != nil {
				return err
			}
		}
		if hash == "" {
			return nil
		}
		return e.AddPassword(o.Name, hash, root)
	})
	if err != nil {
		return err
	}
	what := "on the root that it has"
	switch {
	case fresh:
		what = "with a new, empty root"
	case o.RootCap != "":
		what = "with the root capability given"
	case o.ReadOnlyOf != "":
		what = fmt.Sprintf("with the root of %q, read-only", o.ReadOnlyOf)
	}
	_, err = fmt.Fprintf(s.Out, "account %q: %s added, %s\n", o.Name, o.proofs(len(keys)), what)
	return err
}

func (o *AccountAdd) proofs(keys int) string {
	var parts []string
	if o.Password != "" {
		parts = append(parts, "password")
	}
	for range keys {
		parts = append(parts, "key")
	}
	return strings.Join(parts, ", ")
}

// keyLine is a key with the options of its line.
type keyLine struct {
	accounts.Key
	options []string
}

func (o *AccountAdd) parseKeys() ([]keyLine, error) {
	var keys []keyLine
	for _, text := range o.Keys {
		k, options, err := accounts.ParseKeyFile([]byte(text))
		if err != nil {
			return nil, kind.Errorf(kind.Invalid, "public key: %w", err)
		}
		keys = append(keys, keyLine{k, options})
	}
	if len(keys) == 0 && o.Password == "" {
		return nil, kind.Errorf(kind.Invalid, "an account needs a password or a key")
	}
	return keys, nil
}

// root finds the account's root; fresh says that it was made now.
func (o *AccountAdd) root(ctx context.Context, n *node.Node, s control.Streams) (root caps.Cap, fresh bool, err error) {
	switch {
	case o.RootCap != "":
		c, err := o.givenRoot(ctx, n, s)
		return c, false, err
	case o.ReadOnlyOf != "":
		a, err := n.Accounts.Lookup(o.ReadOnlyOf)
		if err != nil {
			return nil, false, err
		}
		weak, ok := caps.AtMost(a.Root, caps.AuthorityRead)
		if !ok {
			return nil, false, kind.Errorf(kind.Invalid, "the root of %q has no read capability", o.ReadOnlyOf)
		}
		return weak, false, nil
	}
	if a, err := n.Accounts.Lookup(o.Name); err == nil {
		return a.Root, false, nil
	}
	c, err := n.FS.CreateRoot(ctx, "account")
	return c, true, err
}

// givenRoot is the root of which the capability is given. It is opened, so that
// a mistake shows now and not at the first login.
func (o *AccountAdd) givenRoot(ctx context.Context, n *node.Node, s control.Streams) (caps.Cap, error) {
	c, err := parseCap(o.RootCap)
	if err != nil {
		return nil, err
	}
	if err := accounts.CheckRoot(c); err != nil {
		return nil, kind.Errorf(kind.Invalid, "%w", err)
	}
	if !n.CanOpen(c) {
		_, err := fmt.Fprintln(s.Err, "this version can't open a root of this form yet: logins will be refused")
		return c, err
	}
	if _, err = n.Mount(ctx, accounts.Account{Name: o.Name, Root: c}); err == nil && c.Form() == caps.FormFrozen {
		_, err = fmt.Fprintln(s.Err, "this root is a frozen directory: it is kept as long as a directory links it, not by the account")
	}
	return c, err
}

// AccountList prints the accounts, without secrets.
type AccountList struct{}

func (*AccountList) name() string { return "account.list" }

func (*AccountList) run(_ context.Context, n *node.Node, s control.Streams) error {
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, a := range n.Accounts.Accounts() {
		password := a.Password
		if password == "" {
			password = "none"
		}
		fmt.Fprintf(w, "%s\tpassword: %s\tkeys: %d\ts3 keys: %d\troot: %s %s\n", a.Name, password, len(a.Keys), len(a.S3Keys), a.Root.Authority(), a.Root.Index())
		for _, k := range a.Keys {
			fmt.Fprintf(w, "\t%s\t%s\t%s\n", k.Type, k.Fingerprint, k.Comment)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return stale(n)
}

// stale is an error if files are wrong, so that what is shown isn't what they say.
func stale(n *node.Node) error {
	if faults := n.Accounts.Faults(); len(faults) > 0 {
		return fmt.Errorf("shown is what stays in force: %w", errors.Join(faults...))
	}
	return nil
}

// AccountRemove removes an account. Its root capability is kept in a file.
type AccountRemove struct{ Name string }

func (*AccountRemove) name() string { return "account.remove" }

func (o *AccountRemove) run(_ context.Context, n *node.Node, s control.Streams) error {
	a, err := n.Accounts.Lookup(o.Name)
	if err != nil {
		return err
	}
	// First: without the capability, nobody ever reads the files again.
	if err := keepRoot(n.RemovedRoots(), a); err != nil {
		return err
	}
	err = n.EditAccounts(func(e *accounts.Editor) error { _, err := e.Remove(o.Name); return err })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "account %q removed; open sessions go on until they end.\nIts files stay; their root capability is kept in %s\n", o.Name, n.RemovedRoots())
	return err
}

func keepRoot(path string, a accounts.Account) error {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	line := fmt.Sprintf("%s %s %s\n", time.Now().UTC().Format(time.RFC3339), a.Name, revealed(a.Root))
	return atomicfile.Write(path, append(b, line...), 0o600)
}

// AccountPassword sets an account's password.
type AccountPassword struct {
	Name     string
	Password Secret
}

func (*AccountPassword) name() string { return "account.passwd" }

func (o *AccountPassword) run(_ context.Context, n *node.Node, s control.Streams) error {
	hash, err := accounts.HashPassword([]byte(o.Password))
	if err != nil {
		return err
	}
	if err := n.EditAccounts(func(e *accounts.Editor) error { return e.SetPassword(o.Name, hash) }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "account %q has a new password\n", o.Name)
	return err
}
