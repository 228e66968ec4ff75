package filestore

import (
	"context"
	"strings"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/collect"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/metastore"
)

// Check and collection are package collect's; an FS lends it what it needs. What they
// take and report has its names here, too, for those who know a filestore only.

// CheckOptions say what Check looks at.
type CheckOptions = collect.CheckOptions

// NamedTree is a directory or file to check, and what the report calls it.
type NamedTree = collect.NamedTree

// CheckReport is what Check found.
type CheckReport = collect.CheckReport

// Damage is one thing that is missing or not what its capability says.
type Damage = collect.Damage

// CollectOptions say how Collect goes about it.
type CollectOptions = collect.Options

// CollectReport is what Collect found and did.
type CollectReport = collect.Report

// AutoOptions say when CollectForever collects, and how.
type AutoOptions = collect.AutoOptions

// Times of CollectOptions and AutoOptions.
const (
	DefaultGrace    = collect.DefaultGrace
	DefaultKeepLog  = collect.DefaultKeepLog
	NoGrace         = collect.NoGrace
	DefaultInterval = collect.DefaultInterval
)

func newCollector(fs *FS) *collect.Collector {
	return collect.New(collect.Env{
		Blocks: fs.o.Blocks, Meta: fs.o.Meta, Gateway: fs.o.Gateway, Lease: fs.o.Lease, Log: fs.log, Now: fs.now,
		NodeCache: fs.nodeCache, Shown: shownName, Beat: fs.beat, Uploads: fs.unfinished,
		OpenRoot: func(root metastore.Root) (caps.SlotVerify, error) { return fs.openRoot(root.ID, root.Sealed) },
		Shared:   fs.slots.forget,
		Seen: func(id slotID) (epoch uint32, version uint64, known bool) {
			m, known := fs.water.Mark(id)
			return m.Epoch, m.Version, known
		},
	})
}

// unfinished tells where the buckets have their unfinished uploads.
func (fs *FS) unfinished(ctx context.Context) ([]collect.Uploads, error) {
	buckets, err := fs.buckets.list(ctx, nil, "", "", 0)
	if err != nil {
		return nil, err
	}
	uploads := make([]collect.Uploads, len(buckets))
	for i, s := range buckets {
		uploads[i] = collect.Uploads{Root: slotID(s.root.ID()), Dir: s.uploads.Read(), From: unfinishedMark}
	}
	return uploads, nil
}

// Check verifies everything that can be reached: see collect.Collector.
func (fs *FS) Check(ctx context.Context, o CheckOptions) (CheckReport, error) {
	return fs.collector.Check(ctx, o)
}

// Collect gives back the space of what nothing leads to any more: see collect.Collector.
func (fs *FS) Collect(ctx context.Context, o CollectOptions) (CollectReport, error) {
	return fs.collector.Collect(ctx, o)
}

// CollectForever collects again and again until ctx ends: see collect.Collector.
func (fs *FS) CollectForever(ctx context.Context, o AutoOptions) { fs.collector.CollectForever(ctx, o) }

// LastCollection returns the report of the newest collection that this FS has
// carried through; false if there was none.
func (fs *FS) LastCollection() (CollectReport, bool) { return fs.collector.LastCollection() }

// Claim looks whether the blockstore is this metastore's own, and marks it if it is
// nobody's: see collect.Collector.
func (fs *FS) Claim(ctx context.Context) error { return fs.collector.Claim(ctx) }

// Adopt takes the blockstore over for this metastore, whatever its marker says: see
// collect.Collector.
func (fs *FS) Adopt(ctx context.Context) error { return fs.collector.Adopt(ctx) }

// SameOwner reports whether two markers of blockstores are of one metastore, be it
// of different collections.
func SameOwner(a, b []byte) bool { return collect.SameOwner(a, b) }

// OpensRoot reports whether a row of the root table was sealed under this master
// key, so that a restore can refuse a database of other gateways.
func OpensRoot(master caps.Key, row metastore.Root) bool {
	_, err := openRow(master, tableRoot, row.ID[:], row.Sealed)
	return err == nil
}

// shownName is what a report calls an entry: of one in a history, its key and version.
func shownName(e *dirtree.Entry) string {
	sortKey, _, _, past := dirtree.ParseHistoryKey(e.Name)
	switch {
	case !past:
		return e.Name
	case e.Kind.IsDir():
		return strings.TrimSuffix(sortKey, "/")
	}
	return sortKey + "?versionId=" + versionOf(e).String()
}
