package main

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/postgres"
	"github.com/truckee-fs/truckee/metastore/sqlite"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// engine is a metastore on an engine, and the engine without it.
type engine struct {
	store metastore.Store
	// bare makes one commit of as many bytes, durable when it returns.
	bare  func(ctx context.Context, writer int) error
	close func() error
}

var engines = map[string]func(ctx context.Context, dir string) (*engine, error){
	"sqlite": openSQLite, "postgresql": openPostgres,
}

// bareRows are the two rows of one bare commit, each with a key of 32 bytes.
func bareRows() (key, node, row []byte) {
	key, node, row = make([]byte, 32), make([]byte, nodeSize), make([]byte, rowSize)
	rand.Read(key)
	rand.Read(node)
	rand.Read(row)
	return key, node, row
}

func openSQLite(_ context.Context, dir string) (*engine, error) {
	s, err := sqlite.Open(filepath.Join(dir, "truckee.sqlite"))
	if err != nil {
		return nil, err
	}
	bare, err := openBareSQLite(filepath.Join(dir, "bare.sqlite"))
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &engine{
		store: s, bare: func(context.Context, int) error { return bare.commit() },
		close: func() error { return errors.Join(bare.close(), s.Close()) },
	}, nil
}

// openPostgres starts a server of its own, durable as one is by default.
func openPostgres(ctx context.Context, dir string) (e *engine, err error) {
	server, err := testbed.NewPostgres(ctx, filepath.Join(dir, "postgresql"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, server.Stop())
		}
	}()
	o := postgres.Options{URL: server.URL("postgres")}
	if err := postgres.Create(ctx, o); err != nil {
		return nil, err
	}
	s, err := postgres.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(ctx, server.URL("postgres")+"&pool_max_conns=16")
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for _, table := range []string{"bare_node", "bare_row"} {
		if _, err := pool.Exec(ctx, "CREATE TABLE "+table+" (key bytea PRIMARY KEY, data bytea NOT NULL)"); err != nil {
			pool.Close()
			return nil, errors.Join(err, s.Close())
		}
	}
	return &engine{
		store: s, bare: func(ctx context.Context, _ int) error { return barePostgres(ctx, pool) },
		close: func() error {
			pool.Close()
			return errors.Join(s.Close(), server.Stop())
		},
	}, nil
}

// barePostgres sends a transaction in one round trip.
func barePostgres(ctx context.Context, pool *pgxpool.Pool) error {
	key, node, row := bareRows()
	var b pgx.Batch
	b.Queue("INSERT INTO bare_node VALUES ($1, $2)", key, node)
	b.Queue("INSERT INTO bare_row VALUES ($1, $2)", key, row)
	return pool.SendBatch(ctx, &b).Close()
}
