package node

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/accounts"
)

func (n *Node) openAccounts() (err error) {
	c := n.Config.SFTPD
	n.Accounts, err = accounts.OpenFile(string(c.AccountsFile), accounts.Options{
		Log: n.log, CanOpen: canOpen, UserCAKeys: string(c.UserCAKeys), RevokedKeys: string(c.RevokedKeys),
	})
	if err != nil {
		return err
	}
	n.Logins = n.Accounts
	if c.AccountsURL == "" {
		return nil
	}
	server, err := accounts.OpenServer(c.AccountsURL, accounts.ServerOptions{
		CAFile: string(c.AccountsCA), Insecure: c.AccountsInsecure, Timeout: c.AccountsTimeout,
		Remember: c.AccountsRemember, Log: n.log, CanOpen: canOpen,
	})
	if err != nil {
		return fmt.Errorf("sftpd.%w", err)
	}
	n.closers = append(n.closers, func() error { server.Close(); return nil })
	n.Logins = accounts.Chain{File: n.Accounts, Server: server}
	return nil
}

// EditAccounts changes the accounts file, see accounts.Edit.
func (n *Node) EditAccounts(change func(*accounts.Editor) error) error {
	n.editing.Lock()
	defer n.editing.Unlock()
	if err := accounts.Edit(string(n.Config.SFTPD.AccountsFile), change); err != nil {
		return err
	}
	return n.Accounts.Reload()
}

// accountsPoll is how often a changed accounts file is noticed without a login.
const accountsPoll = 5 * time.Second

// WatchAccounts notices changes of the accounts file until ctx ends.
func (n *Node) WatchAccounts(ctx context.Context) {
	t := time.NewTicker(accountsPoll)
	defer t.Stop()
	n.Accounts.Watch(ctx, t.C)
}
