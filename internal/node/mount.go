package node

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// CanOpen tells whether this build can open a root of this form.
func (n *Node) CanOpen(c caps.Cap) bool { return canOpen(c) }

// canOpen tells whether this build can open a root of this form (architecture 4.2).
func canOpen(c caps.Cap) bool {
	return c.IsDir() && c.Authority() >= caps.AuthorityRead && (c.Form() == caps.FormSlot || c.Form() == caps.FormFrozen)
}

// mountOptions are the account's policy.
func mountOptions(a accounts.Account) filestore.MountOptions { return optionsOf(a.Policy()) }

// Policies gives how what is written into an account's buckets is stored, and how
// much of it, by whomever: what all logins of the account say together.
func (n *Node) Policies(owner string) filestore.MountOptions {
	return optionsOf(n.Accounts.OwnerPolicy(owner))
}

func optionsOf(p accounts.Policy) filestore.MountOptions {
	o := filestore.MountOptions{Source: "account", Dedup: p.Dedup, MaxBytes: p.MaxBytes, MaxFiles: p.MaxFiles}
	switch p.Pad {
	case "4096":
		o.Pad = filestore.Pad4096
	case "pow2":
		o.Pad = filestore.PadPowerOfTwo
	}
	return o
}

// Mount opens an account's root.
func (n *Node) Mount(ctx context.Context, a accounts.Account) (*filestore.Tree, error) {
	if !a.Root.IsDir() {
		return nil, fmt.Errorf("account %q: its root, %v, is no directory: %w", a.Name, a.Root, kind.Invalid)
	}
	tree, err := n.FS.Mount(ctx, a.Root, mountOptions(a))
	if err != nil {
		return nil, fmt.Errorf("account %q: %w", a.Name, err)
	}
	return tree, nil
}

// MountURI opens what a capability names that an account's client gives in a
// path. A login that may only read its root only reads there, too, and so does
// one with a quota, which counts what comes through its own root. NotExist if it
// is no capability; Denied if it is one that can't be opened.
func (n *Node) MountURI(ctx context.Context, a accounts.Account, capability string) (*filestore.Tree, error) {
	c, err := caps.Parse(capability)
	if err != nil {
		return nil, fmt.Errorf("a capability in a path: %w", kind.NotExist)
	}
	p := a.Policy()
	if a.Root.Authority() != caps.AuthorityWrite || p.MaxBytes > 0 || p.MaxFiles > 0 {
		weak, ok := caps.AtMost(c, caps.AuthorityRead)
		if !ok {
			return nil, fmt.Errorf("account %q: %w", a.Name, kind.Denied)
		}
		c = weak
	}
	tree, err := n.FS.Mount(ctx, c, filestore.MountOptions{Source: "uri"})
	switch kind.Of(err) {
	case 0:
		return tree, nil
	case kind.Unsupported, kind.Invalid:
		return nil, fmt.Errorf("account %q: %w: %w", a.Name, kind.Denied, err)
	}
	return nil, fmt.Errorf("account %q: %w", a.Name, err)
}
