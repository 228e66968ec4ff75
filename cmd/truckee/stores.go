package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/truckee-fs/truckee/blockstore"
	blocklocal "github.com/truckee-fs/truckee/blockstore/local"
	blockmemory "github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/metastore"
	metamemory "github.com/truckee-fs/truckee/metastore/memory"
	metasqlite "github.com/truckee-fs/truckee/metastore/sqlite"
)

// drivers open the stores by the names that the configuration allows.
func drivers() node.Drivers {
	return node.Drivers{Meta: openMeta, Blocks: openBlocks}
}

// openMeta opens the database.
func openMeta(_ context.Context, c config.Metastore, log *slog.Logger) (metastore.Store, error) {
	switch c.DB.Engine {
	case config.EngineSQLite:
		return metasqlite.Open(string(c.DB.File), metasqlite.Log(log))
	case config.EngineMemory:
		return metamemory.New(), nil
	}
	return nil, kind.Errorf(kind.Unsupported, "this program has no databases of kind %s", c.DB.Engine)
}

// openBlocks opens the blockstore, with every block checked on its way.
func openBlocks(ctx context.Context, c config.Config, env node.BlocksEnv) (blockstore.Store, error) {
	s, err := registry(c, env).Open(ctx, c.Blockstore.Tree, env.Log)
	if err != nil {
		return nil, err
	}
	return blockstore.NewVerified(s), nil
}

// registry is the table of the blockstores' drivers.
func registry(_ config.Config, env node.BlocksEnv) blockstore.Registry {
	return blockstore.Registry{
		"memory": func(context.Context, blockstore.Config, blockstore.Env) (blockstore.Store, error) {
			return blockmemory.New(), nil
		},
		"local": func(_ context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
			return openLocal(c.Fields["dir"], e, env.Fresh)
		},
	}
}

// openLocal opens a directory of blocks. One that was there and is gone is not
// made anew: it would hide that a disk isn't mounted.
func openLocal(dir string, e blockstore.Env, fresh bool) (blockstore.Store, error) {
	if _, err := os.Stat(dir); err != nil && !fresh {
		return nil, kind.Errorf(kind.Unavailable, "the directory can't be found; if its disk was replaced, make it: %w", err)
	}
	return blocklocal.Open(dir, blocklocal.Options{Log: e.Log})
}
