package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/config"
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
