package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/metrics"
	"github.com/truckee-fs/truckee/metastore"
)

// Drivers open what the configuration names. The command knows the drivers.
type Drivers struct {
	// Meta opens the database. Unavailable: it doesn't answer, perhaps not yet.
	Meta func(ctx context.Context, c config.Metastore, log *slog.Logger) (metastore.Store, error)

	// PrepareMeta makes the tables of a database that has none; nil: Meta does.
	PrepareMeta func(ctx context.Context, c config.Metastore, log *slog.Logger) error

	// Blocks opens the blockstore. Unavailable and NotExist: it isn't there, perhaps not yet.
	Blocks func(ctx context.Context, c config.Config, env BlocksEnv) (blockstore.Store, error)
}

// BlocksEnv is what a blockstore is opened in.
type BlocksEnv struct {
	Log *slog.Logger

	// Queue remembers what a redundant blockstore owes to its nodes; nil if the
	// database can't.
	Queue blockstore.Queue

	// Fresh: the node is being made, so that directories may be made, too.
	Fresh bool

	// Empty: a directory that holds nothing may be begun in. Otherwise only a RAID
	// does, which tells by itself that it came back empty.
	Empty bool

	// Observe, if set, is told of every request to a store behind a network: the
	// store, what was asked, how long it took, the bytes, and the kind of the
	// error as a word, "" for none.
	Observe func(store, op string, took time.Duration, bytes int, kind string)

	// Cache, if set, is told of every cache of blocks on a disk, by its name as a
	// store, and of what asks for its figures.
	Cache func(name string, stats func() (hits, misses, bytes int64))
}

// Options of Open.
type Options struct {
	BaseDir string
	Config  config.Config
	Drivers Drivers
	Log     *slog.Logger

	// User names the account that a new node gets.
	User string

	// BlocksLost: the directory of the blocks is begun anew if it is empty.
	BlocksLost bool

	// Version is the program's, for records.
	Version string

	// Stdout is where audit records are printed if that is configured; nil: nowhere.
	Stdout io.Writer
}

// Node is an open node. Its methods are safe for concurrent use.
type Node struct {
	Layout
	Config   config.Config
	FS       *filestore.FS
	Accounts *accounts.File
	Logins   accounts.Authenticator // Accounts, and the account server if there is one
	First    *First                 // set if this Open made the node
	Metrics  *metrics.Metrics
	Audit    audit.Recorder // nil: no records are configured

	// Blocks and Meta are the stores that FS works on; what goes by them goes
	// past its caches. They belong to the node.
	Blocks blockstore.Store
	Meta   metastore.Store

	serving   atomic.Bool
	since     time.Time // when it began to serve
	version   string
	frontends []func(clients bool) FrontendStatus
	audit     *audit.Log // Audit
	drivers   Drivers
	log       *slog.Logger
	closers   []func() error // of what was opened, in that order
	fresh     bool           // it is being made
	gateway   metastore.GatewayID

	editing sync.Mutex // held while the accounts file is changed
}

// Open opens the node in BASEDIR, whose lock the caller holds. NotExist: there
// is none.
func Open(ctx context.Context, o Options) (*Node, error) {
	n := newNode(o)
	complete, err := n.Complete()
	if err == nil && !complete {
		err = kind.Errorf(kind.NotExist, "%s holds no node; `truckee init` or `truckee serve` makes one", o.BaseDir)
	}
	if err == nil {
		err = n.checkWhole()
	}
	if err == nil {
		err = n.open(ctx, o)
	}
	if err == nil {
		err = n.openAccounts()
	}
	if err == nil {
		err = n.reviveRoots(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Prepare makes BASEDIR, if need be, so that it can be locked.
func Prepare(l Layout) error { return l.makeBase() }

// Create opens the node in BASEDIR, whose lock the caller holds, and makes it
// first if there is none, or goes on making it.
func Create(ctx context.Context, o Options) (*Node, error) {
	n := newNode(o)
	complete, err := n.Complete()
	if err != nil {
		return nil, err
	}
	if complete {
		return Open(ctx, o)
	}
	if err := n.create(ctx, o); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func newNode(o Options) *Node {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	n := &Node{Layout: Layout{o.BaseDir}, Config: o.Config, Metrics: metrics.New(), drivers: o.Drivers, log: o.Log, version: o.Version}
	n.Metrics.Read(n.figures)
	return n
}

// checkWhole refuses a complete node of which something is gone.
func (n *Node) checkWhole() error {
	paths := []string{n.masterKey(), string(n.Config.SFTPD.AccountsFile)}
	if db := n.Config.Metastore.DB; db.Engine == config.EngineSQLite {
		paths = append(paths, string(db.File))
	}
	if tree := n.Config.Blockstore.Tree; tree.Driver == "local" {
		paths = append(paths, tree.Fields["dir"])
	}
	for _, path := range paths {
		ok, err := exists(path)
		if err != nil {
			return err
		}
		if !ok {
			return kind.Errorf(kind.NotExist, "%s is missing: restore it from the backup, or correct tahoe.cfg if it lies elsewhere", path)
		}
	}
	return nil
}

// open opens the stores and the filestore.
func (n *Node) open(ctx context.Context, o Options) error {
	if err := n.openStores(ctx, o); err != nil {
		return err
	}
	return n.openFilestore(ctx)
}

// openStores opens the database and the blockstore, and before them what records
// go to.
func (n *Node) openStores(ctx context.Context, o Options) error {
	if err := n.openAudit(o); err != nil {
		return err
	}
	if err := checkAES(n.Config.Node.AllowSoftAES); err != nil {
		return err
	}
	gateway, err := n.readGateway()
	if err != nil {
		return err
	}
	if n.gateway = gateway; gateway == (metastore.GatewayID{}) {
		if _, err := rand.Read(n.gateway[:]); err != nil {
			return err
		}
	}
	n.warnOfMemory()
	meta, err := openMeta(ctx, o.Drivers, n.Config.Metastore, n.log)
	if err != nil {
		return err
	}
	n.Meta = meta
	n.closers = append(n.closers, meta.Close)
	env := BlocksEnv{Log: n.log, Queue: queueOf(meta), Fresh: n.fresh, Empty: o.BlocksLost, Observe: n.Metrics.Block, Cache: n.diskCache}
	n.Blocks, err = openBlocks(ctx, o.Drivers, n.Config, env)
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.Blocks.Close)
	return nil
}

// OpenBlocks opens another blockstore, new directories and arrays included. It
// is the caller's to close.
func (n *Node) OpenBlocks(ctx context.Context, tree blockstore.Config) (blockstore.Store, error) {
	c := n.Config
	c.Blockstore.Tree = tree
	return openBlocks(ctx, n.drivers, c, BlocksEnv{Log: n.log, Queue: queueOf(n.Meta), Fresh: true})
}

// Serving reports whether clients work on the node.
func (n *Node) Serving() bool { return n.serving.Load() }

// SetServing says that clients work on the node from now on. An error means that
// records are required, and none can be kept.
func (n *Node) SetServing() error {
	if err := n.beginAudit(); err != nil {
		return err
	}
	n.since = time.Now()
	n.serving.Store(true)
	return nil
}

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

// HostKeys reads the host keys.
func (n *Node) HostKeys() ([]ssh.Signer, error) { return n.loadHostKeys(n.Config.SFTPD) }

// MakeHostKeys makes those of the node's own host keys that are missing, unless
// the configuration names others.
func (n *Node) MakeHostKeys() error {
	if namesHostKeys(n.Config.SFTPD) {
		return nil
	}
	return n.makeHostKeys()
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

// Close closes what is open. The lock is the caller's to release.
func (n *Node) Close() error {
	var errs []error
	for _, c := range slices.Backward(n.closers) {
		errs = append(errs, c())
	}
	n.closers = nil
	return errors.Join(errs...)
}
