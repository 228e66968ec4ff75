// Package collect walks what can be reached from the roots of a metastore, by their
// verify keys, and does two things with what it meets: a check holds it against the
// stores, and a collection gives back the space of what it didn't meet, by the rules
// of formats 11.
//
// Neither opens a file or a directory for anybody: of the filestore they need the
// stores, the roots and what it has seen (Env), and of a capability its verify key;
// where a check is given one that reads, it tells names.
//
// A Collector has Check and Collect; CollectForever collects daily. The walk is reach
// (reach.go). Of a collection, collect.go has the order, mark.go walks, sweep.go
// decides about each block and deletes, and marker.go sees that the blockstore is
// this metastore's. Of a check, recount.go sets counters of quotas right.
package collect

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/metastore"
)

// SourceUploads is what the root table says of a bucket's directory of uploads, which
// is a root because no name leads to it.
const SourceUploads = "uploads"

// Env is what a Collector needs of the gateway whose stores it walks. All of it is
// needed, and safe for concurrent use.
type Env struct {
	Blocks  blockstore.Store
	Meta    metastore.Store
	Gateway metastore.GatewayID
	Lease   time.Duration // how long the lease to collect lasts if it isn't renewed
	Log     *slog.Logger
	Now     func() time.Time

	// NodeCache has directory nodes that were opened.
	NodeCache *dirtree.NodeCache
	// OpenRoot opens a row of the root table. Corrupt if it doesn't open under the
	// gateway's master key.
	OpenRoot func(metastore.Root) (caps.SlotVerify, error)
	// Seen tells the newest record of a slot that the gateway has accepted, ever.
	Seen func(metastore.SlotID) (epoch uint32, version uint64, known bool)
	// Shown is what a report calls an entry.
	Shown func(*dirtree.Entry) string
	// Beat sends a heartbeat, so that what is open counts as of now.
	Beat func(context.Context) error
	// Shared is told of each slot that has become shared: what was read of its record
	// names an owner that it doesn't have any more.
	Shared func(metastore.SlotID)
	// Uploads tells where each bucket has its unfinished uploads.
	Uploads func(context.Context) ([]Uploads, error)
}

// Uploads are the unfinished uploads of a bucket.
type Uploads struct {
	Root metastore.SlotID // the root that they are charged to
	Dir  caps.SlotRead    // their directory
	From string           // where its list of them begins
}

// Collector checks and collects. It is safe for concurrent use.
type Collector struct {
	env     Env
	running sync.Mutex // held by the one collection that runs
	last    atomic.Pointer[Report]
}

// New returns a Collector.
func New(env Env) *Collector { return &Collector{env: env} }
