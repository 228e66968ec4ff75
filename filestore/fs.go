package filestore

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/filestore/collect"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// FS is one gateway's filestore over one metastore and one blockstore. It is
// safe for concurrent use.
type FS struct {
	o     Options
	log   *slog.Logger
	now   func() time.Time
	water *marks

	source    source
	nodeCache *dirtree.NodeCache
	fileCache *filetree.Cache
	slots     *slotCache
	commit    *committer
	open      *registry
	roots     usedRoots
	buckets   *bucketTable
	writer    *writer
	spool     *spool
	collector *collect.Collector
	dirty     atomic.Int64 // bytes that drafts hold in memory
	buffers   buffers
	usage     usageCache
	charges   chargedCache
	ahead     chan struct{} // a token for each chunk that is being read ahead
	places    chan struct{} // a token for each cell of a stream that comes in
	streams   *streams
	unread    atomic.Int64 // chunks that were read ahead and wait for their streams

	foldAfter int // the constant, but in tests

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	closing sync.Once
	closed  chan struct{}
	beats   sync.WaitGroup
	work    sync.WaitGroup // goroutines that use the stores
}

// New returns the filestore. It sends one heartbeat, so that a metastore that
// doesn't answer is noticed here, and goes on sending them until Close.
func New(ctx context.Context, o Options) (*FS, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	fs := &FS{o: o, log: o.Log, now: o.Now, water: newMarks(o.HighWater), closed: make(chan struct{})}
	fs.ctx, fs.cancel = context.WithCancel(context.WithoutCancel(ctx))
	fs.source = source{fs}
	fs.nodeCache = dirtree.NewNodeCache(o.CacheBytes)
	fs.fileCache = filetree.NewCache(o.CacheBytes)
	fs.slots = newSlotCache(fs)
	fs.commit = newCommitter(fs)
	fs.open = newRegistry()
	fs.buckets = newBucketTable(fs)
	fs.writer = newWriter(fs)
	fs.ahead = make(chan struct{}, aheadAll)
	fs.places = make(chan struct{}, o.places())
	fs.buffers.bound(&fs.o)
	fs.streams = newStreams(fs)
	fs.foldAfter = foldAfter
	fs.collector = newCollector(fs)
	fs.spool = newSpool(o.SpoolDir, o.SpoolBytes)
	err := fs.beginHeartbeat(ctx)
	if err == nil {
		err = fs.buckets.begin(ctx)
	}
	if err != nil {
		fs.cancel()
		fs.beats.Wait()
		return nil, fmt.Errorf("filestore: %w", err)
	}
	if !fs.slots.authoritative {
		fs.beats.Go(func() { fs.slots.heed(fs.ctx) })
	}
	return fs, nil
}

// Close waits for the changes under way, drops what open handles have not
// committed, and stops the heartbeat. The stores stay open. It is idempotent.
func (fs *FS) Close() error {
	fs.closing.Do(func() {
		fs.commit.close()
		fs.open.failAll(fmt.Errorf("the filestore is closed: %w", kind.Closed))
		fs.writer.close()
		fs.cancel()
		fs.work.Wait()
		fs.beats.Wait()
		fs.leave()
		for range aheadAll {
			fs.ahead <- struct{}{} // waits for the reads under way
		}
		fs.streams.close()
		fs.spool.close()
		close(fs.closed)
	})
	<-fs.closed
	return nil
}

// Defaults of Options.
const (
	defaultInline     = 8 << 10
	defaultCache      = 24 << 20
	defaultDraft      = 8 << 20
	defaultDirty      = 16 << 20
	defaultSpool      = 16 << 30
	defaultFlight     = 8 << 20
	defaultLease      = time.Minute
	unlimitedCapacity = 1 << 50
)

func (o *Options) complete() error {
	if o.Blocks == nil || o.Meta == nil {
		return fmt.Errorf("a blockstore and a metastore are needed: %w", kind.Invalid)
	}
	if o.Master.IsZero() {
		return fmt.Errorf("the master key is missing: %w", kind.Invalid)
	}
	orDefault(&o.ChunkSize, filetree.DefaultChunkSize)
	orDefault(&o.InlineBlock, defaultInline)
	orDefault(&o.CacheBytes, defaultCache)
	orDefault(&o.DraftBytes, defaultDraft)
	orDefault(&o.DirtyBytes, defaultDirty)
	orDefault(&o.SpoolBytes, defaultSpool)
	orDefault(&o.FlightBytes, defaultFlight)
	orDefault(&o.Lease, defaultLease)
	if c := o.ChunkSize; c < filetree.MinChunkSize || c > filetree.MaxChunkSize || c&(c-1) != 0 {
		return fmt.Errorf("a chunk size of %d bytes: %w", c, kind.Invalid)
	}
	if o.InlineBlock > maxInline {
		return fmt.Errorf("inline blocks of %d bytes, more than %d: %w", o.InlineBlock, maxInline, kind.Invalid)
	}
	if o.SpoolDir == "" {
		o.SpoolDir = os.TempDir()
	}
	if o.HighWater == nil {
		o.HighWater = newMemoryWater()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Gateway == (metastore.GatewayID{}) {
		rand.Read(o.Gateway[:])
	}
	return nil
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
