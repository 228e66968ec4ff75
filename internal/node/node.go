package node

import (
	"context"
	"errors"
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
	if err := n.checkOwner(ctx); err != nil {
		return err
	}
	return n.openFilestore(ctx)
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

// Close closes what is open. The lock is the caller's to release.
func (n *Node) Close() error {
	var errs []error
	for _, c := range slices.Backward(n.closers) {
		errs = append(errs, c())
	}
	n.closers = nil
	return errors.Join(errs...)
}
