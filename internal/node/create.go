package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/atomicfile"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
)

// First tells of a node that was just made.
type First struct {
	Account string // made with it; empty if the accounts file was there already

	// Password of the account. It is also in the file FirstPassword until
	// ForgetFirstPassword.
	Password string
}

// create makes the node. Every step finds what an earlier attempt left.
func (n *Node) create(ctx context.Context, o Options) error {
	n.fresh = true
	if err := n.makePrivate(); err != nil {
		return err
	}
	if err := n.checkFresh(); err != nil {
		return err
	}
	if db := n.Config.Metastore.DB; db.Engine == config.EngineSQLite {
		// Before the database: one without its key is taken for a loss.
		if err := n.newMasterKey(); err != nil {
			return err
		}
		if err := makeDir(filepath.Dir(string(db.File))); err != nil {
			return err
		}
	}
	if o.Drivers.PrepareMeta != nil {
		if err := RetryDatabase(ctx, n.Config.Metastore, n.log, func() error { return o.Drivers.PrepareMeta(ctx, n.Config.Metastore, n.log) }); err != nil {
			return err
		}
	}
	if err := n.openStores(ctx, o); err != nil {
		return err
	}
	if err := n.makeKeys(ctx); err != nil {
		return err
	}
	if err := n.keep(); err != nil {
		return err
	}
	if err := n.openFilestore(ctx); err != nil {
		return err
	}
	first, err := n.firstAccount(ctx, o.User)
	if err != nil {
		return err
	}
	if err := n.openAccounts(); err != nil {
		return err
	}
	if err := n.writeGateway(n.gateway); err != nil {
		return err
	}
	n.First = first
	return nil
}

// makeKeys makes the master key and the host keys, unless an earlier attempt
// has, or they were brought from another gateway.
func (n *Node) makeKeys(ctx context.Context) error {
	key, err := exists(n.masterKey())
	if err != nil {
		return err
	}
	if err := n.checkMaster(ctx, key); err != nil {
		return err
	}
	if err := n.newMasterKey(); err != nil {
		return err
	}
	if err := n.MakeHostKeys(); err != nil {
		return err
	}
	_, err = n.HostKeys()
	return err
}

// checkMaster refuses a database of gateways that have another master key.
func (n *Node) checkMaster(ctx context.Context, there bool) error {
	v, err := n.Meta.Collector().Snapshot(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	for root, err := range v.AllRoots(ctx) {
		if err != nil {
			return err
		}
		if !there {
			return kind.Errorf(kind.Exist, "%s is in use by other gateways: a new one needs their keys, which `truckee init --join` brings (truckee help init)",
				n.Config.Metastore.DB)
		}
		master, err := n.readMasterKey()
		if err == nil && !filestore.OpensRoot(master, root) {
			err = kind.Errorf(kind.Denied, "%s is not the master key of the gateways that use %s: `truckee init --join` brings theirs", n.masterKey(), n.Config.Metastore.DB)
		}
		return err
	}
	return nil
}

// checkFresh refuses to make a master key for a database that had another one.
func (n *Node) checkFresh() error {
	key, err := exists(n.masterKey())
	if err != nil || key || n.Config.Metastore.DB.Engine != config.EngineSQLite {
		return err
	}
	file := string(n.Config.Metastore.DB.File)
	db, err := exists(file)
	if err == nil && db {
		err = fmt.Errorf("%s is there but %s is missing: restore the folder private from the backup: %w",
			file, n.masterKey(), kind.NotExist)
	}
	return err
}

// firstAccount makes the accounts file, with one account on a fresh root,
// unless it is there.
func (n *Node) firstAccount(ctx context.Context, name string) (*First, error) {
	path := string(n.Config.SFTPD.AccountsFile)
	there, err := exists(path)
	if err != nil {
		return nil, err
	}
	if there {
		return n.earlierAttempt(name)
	}
	root, err := n.FS.CreateRoot(ctx, "account")
	if err != nil {
		return nil, err
	}
	first := &First{Account: name, Password: newPassword()}
	hash, err := accounts.HashPassword([]byte(first.Password))
	if err != nil {
		return nil, err
	}
	// Before the account, or a crash between the two would lose the password.
	if err := atomicfile.Write(n.FirstPassword(), []byte(first.Password+"\n"), 0o600); err != nil {
		return nil, err
	}
	err = accounts.Edit(path, func(e *accounts.Editor) error { return e.AddPassword(name, hash, root) })
	if err != nil {
		return nil, err
	}
	return first, nil
}

// earlierAttempt tells what a start that was cut short left to be told.
func (n *Node) earlierAttempt(name string) (*First, error) {
	b, err := os.ReadFile(n.FirstPassword())
	if errors.Is(err, fs.ErrNotExist) {
		return &First{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &First{Account: name, Password: strings.TrimSpace(string(b))}, nil
}

// ForgetFirstPassword removes the file of the first password, once it was shown.
func (n *Node) ForgetFirstPassword() error {
	if err := os.Remove(n.FirstPassword()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// passwordLetters can't be taken for one another: no 0, o, 1, i, l.
const passwordLetters = "23456789abcdefghjkmnpqrstuvwxyz"

// newPassword draws four groups of five letters: 99 bits.
func newPassword() string {
	var b strings.Builder
	for b.Len() < 23 {
		if b.Len()%6 == 5 {
			b.WriteByte('-')
			continue
		}
		var r [1]byte
		rand.Read(r[:])
		// The highest values are drawn again: every letter is as likely.
		if int(r[0]) < 256-256%len(passwordLetters) {
			b.WriteByte(passwordLetters[int(r[0])%len(passwordLetters)])
		}
	}
	return b.String()
}

// UserName names the account that a new node gets: the user, as far as an
// account can be named so.
func UserName() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	name = strings.Map(func(r rune) rune {
		if r == ':' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return -1
		}
		return r
	}, name)
	if accounts.CheckName(name) != nil {
		return "truckee"
	}
	return name
}
