package main

import (
	"context"
	"log/slog"

	"github.com/truckee-fs/truckee/blockstore"
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
