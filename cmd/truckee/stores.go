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
	"github.com/truckee-fs/truckee/metastore/postgres"
	metasqlite "github.com/truckee-fs/truckee/metastore/sqlite"
)

// drivers open the stores by the names that the configuration allows.
func drivers() node.Drivers {
	return node.Drivers{Meta: openMeta, PrepareMeta: prepareMeta, Blocks: openBlocks}
}

// openMeta opens the database.
func openMeta(ctx context.Context, c config.Metastore, log *slog.Logger) (metastore.Store, error) {
	switch c.DB.Engine {
	case config.EngineSQLite:
		return metasqlite.Open(string(c.DB.File), metasqlite.Log(log))
	case config.EngineMemory:
		return metamemory.New(), nil
	case config.EnginePostgres:
		return postgres.Open(ctx, postgresOptions(c, log))
	}
	return nil, kind.Errorf(kind.Unsupported, "this program has no databases of kind %s", c.DB.Engine)
}

// prepareMeta makes the tables of an empty database.
func prepareMeta(ctx context.Context, c config.Metastore, log *slog.Logger) error {
	if c.DB.Engine != config.EnginePostgres {
		return nil // the others make them when they are opened
	}
	err := postgres.Create(ctx, postgresOptions(c, log))
	if kind.Of(err) == kind.Exist {
		return nil
	}
	return err
}

func postgresOptions(c config.Metastore, log *slog.Logger) postgres.Options {
	return postgres.Options{URL: c.DB.Address(), MinConns: c.MinConns, MaxConns: c.MaxConns, Log: log}
}

// openBlocks opens the blockstore, with every block checked on its way.
func openBlocks(ctx context.Context, c config.Config, env node.BlocksEnv) (blockstore.Store, error) {
	s, err := registry(c, env).Open(ctx, c.Blockstore.Tree, env.Log)
	if err != nil {
		return nil, err
	}
	return blockstore.NewVerified(s), nil
}
