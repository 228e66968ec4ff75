package node

import (
	"context"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Status is how a node is, as `truckee status` tells it. It holds names and
// addresses of clients, and no secret.
type Status struct {
	Program    string            `json:"program"` // its version
	Node       string            `json:"node,omitempty"`
	BaseDir    string            `json:"basedir"`
	Since      *time.Time        `json:"serving_since,omitempty"` // absent: it doesn't serve
	Ready      bool              `json:"ready"`                   // see Health
	Accounts   AccountsStatus    `json:"accounts"`
	Frontends  []FrontendStatus  `json:"frontends,omitempty"`
	Metastore  MetastoreStatus   `json:"metastore"`
	Blockstore BlockstoreStatus  `json:"blockstore"`
	Files      FilesStatus       `json:"files"`
	Collection *CollectionStatus `json:"collection,omitempty"` // the last of this process; absent: there was none
	Audit      *AuditStatus      `json:"audit,omitempty"`      // absent: none is configured

	Blocks blockstore.Status `json:"-"` // what Blockstore was made of
}

// AccountsStatus is how the accounts are.
type AccountsStatus struct {
	Count  int      `json:"count"`            // in force
	Faults []string `json:"faults,omitempty"` // of the accounts file and the files of keys, by file and line
}

// FrontendStatus is what a frontend tells of itself.
type FrontendStatus struct {
	Name      string           `json:"name"`
	Listeners []ListenerStatus `json:"listeners"`
	LoggingIn int              `json:"logging_in"` // clients that are not logged in yet
	Sessions  int              `json:"sessions"`   // clients that are; of S3 the connections
	Requests  int64            `json:"requests"`   // since the start
	Clients   []ClientStatus   `json:"clients,omitempty"`
}

// ListenerStatus is where a frontend listens, and in what way.
type ListenerStatus struct {
	Address string `json:"address"`
	About   string `json:"about,omitempty"` // as in the configuration: profile=legacy
}

// ClientStatus is one client.
type ClientStatus struct {
	Session  string    `json:"session"` // as in the log and in audit records
	Account  string    `json:"account"` // empty: it has not logged in
	Remote   string    `json:"remote"`
	Since    time.Time `json:"since"`
	Requests int64     `json:"requests"`
	Files    int       `json:"files"` // that it has open
}

// MetastoreStatus is how the database is.
type MetastoreStatus struct {
	Where  string `json:"where"` // without its password
	State  string `json:"state"` // "ok", or the kind of error
	Blocks int64  `json:"blocks"`
	Bytes  int64  `json:"bytes"`
}

// BlockstoreStatus is how a blockstore or a node of it is.
type BlockstoreStatus struct {
	Node    string             `json:"node,omitempty"`
	Layout  string             `json:"layout,omitempty"`
	State   string             `json:"state"`
	Slow    bool               `json:"slow,omitempty"`
	Detail  string             `json:"detail,omitempty"`
	Owed    int64              `json:"owed,omitempty"`
	Latency float64            `json:"latency_seconds,omitempty"`
	Nodes   []BlockstoreStatus `json:"nodes,omitempty"`
}

// FilesStatus is what open files take.
type FilesStatus struct {
	Open       int   `json:"open"`
	DraftBytes int64 `json:"draft_bytes"`
	SpoolBytes int64 `json:"spool_bytes"`
}

// CollectionStatus is what the last collection did.
type CollectionStatus struct {
	Began        time.Time `json:"began"`
	Seconds      float64   `json:"seconds"`
	Deleted      int64     `json:"deleted"`
	DeletedBytes int64     `json:"deleted_bytes"`
	Waiting      int64     `json:"waiting"`
	WaitingBytes int64     `json:"waiting_bytes"`
	Held         int64     `json:"held"`
	Denied       int64     `json:"denied"`
	Undone       int64     `json:"undone"`
	Damaged      int       `json:"damaged"`
}

// AuditStatus is how the audit records are.
type AuditStatus struct {
	File     string `json:"file,omitempty"`
	Required bool   `json:"required"`
	Failing  bool   `json:"failing"`
	Records  int64  `json:"records"` // since the start
	Lost     int64  `json:"lost"`
	Seq      uint64 `json:"seq"`
	SHA256   string `json:"sha256"` // of the last line
}

// AddFrontend has status called for each Status; clients asks for the list of
// them. It is called before the node serves.
func (n *Node) AddFrontend(status func(clients bool) FrontendStatus) {
	n.frontends = append(n.frontends, status)
}

// Status asks every part how it is; clients asks for the list of clients.
func (n *Node) Status(ctx context.Context, clients bool) Status {
	s := Status{Program: n.version, Node: n.Config.Node.Nickname, BaseDir: n.BaseDir, Audit: n.auditStatus(), Accounts: n.accountsStatus()}
	if n.Serving() {
		since := n.since
		s.Since = &since
		for _, f := range n.frontends {
			s.Frontends = append(s.Frontends, f(clients))
		}
	}
	s.Blocks = blockstore.StatusOf(ctx, n.Blocks, blockstore.StatusOptions{})
	s.Blockstore = blockstoreStatus(s.Blocks)
	blocks, bytes, err := n.usage(ctx)
	s.Ready = healthOf(err, s.Blocks).Ready
	s.Metastore = MetastoreStatus{Where: n.Config.Metastore.DB.String(), State: "ok", Blocks: blocks, Bytes: bytes}
	if err != nil {
		s.Metastore.State = kind.Of(err).Word()
	}
	f := n.FS.Figures()
	s.Files = FilesStatus{Open: f.OpenFiles, DraftBytes: f.DraftBytes, SpoolBytes: f.SpoolBytes}
	if r, ran := n.FS.LastCollection(); ran {
		s.Collection = &CollectionStatus{
			Began: r.Began, Seconds: r.Took.Seconds(), Deleted: r.Deleted, DeletedBytes: r.DeletedBytes,
			Waiting: r.Waiting, WaitingBytes: r.WaitingBytes, Held: r.Held, Denied: r.Denied, Undone: r.Undone, Damaged: len(r.Damage),
		}
	}
	return s
}

func (n *Node) accountsStatus() AccountsStatus {
	var s AccountsStatus
	for _, err := range n.Accounts.Faults() {
		s.Faults = append(s.Faults, err.Error())
	}
	s.Count = len(n.Accounts.Accounts())
	return s
}

// usage asks the metastore what the index holds.
func (n *Node) usage(ctx context.Context) (blocks, bytes int64, err error) {
	v, err := n.Meta.Collector().Snapshot(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer v.Close()
	return v.Usage(ctx)
}

func blockstoreStatus(s blockstore.Status) BlockstoreStatus {
	b := BlockstoreStatus{
		Node: s.Name, Layout: s.Layout, State: string(s.State), Slow: s.Slow, Detail: s.Detail, Owed: s.Owed, Latency: s.Latency.Seconds(),
	}
	for _, m := range s.Members {
		b.Nodes = append(b.Nodes, blockstoreStatus(m))
	}
	return b
}

func (n *Node) auditStatus() *AuditStatus {
	if n.audit == nil {
		return nil
	}
	c, f := n.Config.Audit, n.audit.Figures()
	return &AuditStatus{File: string(c.File), Required: c.Required, Failing: f.Failing, Records: f.Kept, Lost: f.Lost, Seq: f.Seq, SHA256: f.Hash}
}
