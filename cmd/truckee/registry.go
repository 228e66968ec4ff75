package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/cached"
	"github.com/truckee-fs/truckee/blockstore/guard"
	"github.com/truckee-fs/truckee/blockstore/late"
	"github.com/truckee-fs/truckee/blockstore/local"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/postgresql"
	"github.com/truckee-fs/truckee/blockstore/raid0"
	"github.com/truckee-fs/truckee/blockstore/raid1"
	"github.com/truckee-fs/truckee/blockstore/raid5"
	"github.com/truckee-fs/truckee/blockstore/s3"
	"github.com/truckee-fs/truckee/blockstore/swift"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// registry is the table of the blockstores' drivers.
func registry(c config.Config, env node.BlocksEnv) blockstore.Registry {
	b := blocks{env, c.Metastore.DB}
	table := blockstore.Registry{
		"memory": func(context.Context, blockstore.Config, blockstore.Env) (blockstore.Store, error) {
			return memory.New(), nil
		},
		"local":      b.local,
		"s3":         b.s3,
		"swift":      b.swift,
		"postgresql": b.postgresql,
		"raid0":      b.raid0,
		"raid1":      b.raid1,
		"raid5":      b.raid5,
		"cached":     b.cached,
	}
	for _, driver := range []string{"s3", "swift", "postgresql"} {
		table[driver] = guarded(table[driver], env)
	}
	return table
}

// guarded has a store behind a network tried again, bounded, and left alone for a
// while when it doesn't answer.
func guarded(open blockstore.Opener, env node.BlocksEnv) blockstore.Opener {
	return func(ctx context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
		s, err := open(ctx, c, e)
		if err != nil {
			return nil, err
		}
		return guard.New(s, guard.Options{
			Name: storeName(c, e), InFlight: number(c.Fields["in_flight"]), Observe: observer(env),
			Broken: func(_ string, broken bool) {
				if broken {
					e.Log.Warn("a blockstore doesn't answer; it is left alone for a while", "store", c)
				} else {
					e.Log.Info("the blockstore answers again", "store", c)
				}
			},
		}), nil
	}
}

// storeName is what metrics call a store: its driver, and before it the place in
// the tree of the configuration, unless it is the whole.
func storeName(c blockstore.Config, e blockstore.Env) string {
	if e.Name == "" {
		return c.Driver
	}
	return e.Name + ":" + c.Driver
}

// observer passes on what a guard sees.
func observer(env node.BlocksEnv) func(guard.Attempt) {
	if env.Observe == nil {
		return nil
	}
	return func(a guard.Attempt) { env.Observe(a.Store, string(a.Op), a.Took, a.Bytes, a.Kind.Word()) }
}

// blocks opens blockstores.
type blocks struct {
	env node.BlocksEnv
	db  config.Database
}

// local opens a directory. One that was there and is gone, or is empty, is not made
// anew: it would hide that a disk isn't mounted. A RAID tells an empty one by itself.
func (b blocks) local(_ context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
	dir := c.Fields["dir"]
	if _, err := os.Stat(dir); err != nil && !b.env.Fresh {
		return nil, kind.Errorf(kind.Unavailable, "the directory can't be found; if its disk was replaced, make it: %w", err)
	}
	s, err := local.Open(dir, local.Options{Log: e.Log, Existing: !b.env.Fresh && !b.env.Empty && !e.InArray})
	if kind.Of(err) == kind.NotExist {
		err = fmt.Errorf("%w; if its blocks are lost for good, `truckee init --blocks-lost` begins anew there", err)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (b blocks) s3(ctx context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
	f := c.Fields
	o := s3.Options{
		Endpoint: f["endpoint"], Region: f["region"], Bucket: f["bucket"], Prefix: f["prefix"],
		Key: f["key"], Secret: f["secret"], SessionToken: f["session_token"], CAFile: f["ca_file"],
		Timeout: duration(f["timeout"]), InFlight: number(f["in_flight"]), Log: e.Log,
	}
	if style := f["path_style"]; style != "" {
		is := style == "true"
		o.PathStyle = &is
	}
	return s3.Open(ctx, o)
}

func (b blocks) swift(ctx context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
	f := c.Fields
	return swift.Open(ctx, swift.Options{
		AuthURL: f["auth_url"], AuthVersion: number(f["auth_version"]), Tenant: f["tenant"], Container: f["container"],
		User: f["user"], Password: f["password"], Domain: f["domain"], ProjectDomain: f["project_domain"],
		Region: f["region"], Prefix: f["prefix"], CAFile: f["ca_file"],
		Timeout: duration(f["timeout"]), InFlight: number(f["in_flight"]), Log: e.Log,
	})
}

// postgresql opens a table, of the metastore's database if no other is named.
func (b blocks) postgresql(ctx context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
	f := c.Fields
	o := postgresql.Options{URL: f["url"], Password: f["password"], Timeout: duration(f["timeout"]), MaxConns: number(f["in_flight"]), Log: e.Log}
	if o.URL == "" {
		if o.URL = b.db.Address(); o.URL == "" {
			return nil, kind.Errorf(kind.Invalid, "POSTGRESQL means the database of --db, and that is %s: name the one for the blocks, postgresql://…", b.db)
		}
	}
	return postgresql.Open(ctx, o)
}

func (b blocks) raid0(ctx context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
	members, err := b.members(ctx, c, e)
	if err != nil {
		return nil, err
	}
	s, err := raid0.Open(ctx, members, raid0.Options{
		Queue: b.env.Queue, Log: e.Log,
		ReadTimeout: duration(c.Fields["read_timeout"]), WriteTimeout: duration(c.Fields["write_timeout"]),
	})
	return opened(s, err, members)
}

func (b blocks) raid1(ctx context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
	members, err := b.members(ctx, c, e)
	if err != nil {
		return nil, err
	}
	s, err := raid1.Open(ctx, members, raid1.Options{
		Write: raid1.Write(c.Fields["write"]), Queue: b.env.Queue, Log: e.Log, HedgeAfter: duration(c.Fields["hedge_after"]),
		ReadTimeout: duration(c.Fields["read_timeout"]), WriteTimeout: duration(c.Fields["write_timeout"]),
	})
	return opened(s, err, members)
}

func (b blocks) raid5(ctx context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
	members, err := b.members(ctx, c, e)
	if err != nil {
		return nil, err
	}
	s, err := raid5.Open(ctx, members, raid5.Options{
		Write: raid5.Write(c.Fields["write"]), Queue: b.env.Queue, Log: e.Log, HedgeAfter: duration(c.Fields["hedge_after"]),
		ReadTimeout: duration(c.Fields["read_timeout"]), WriteTimeout: duration(c.Fields["write_timeout"]),
	})
	return opened(s, err, members)
}

// cached opens what is cached, and the directory before it.
func (b blocks) cached(ctx context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
	size, err := config.ParseSize(c.Fields["size"])
	if err != nil {
		return nil, kind.Errorf(kind.Invalid, "size of the cache: %w", err)
	}
	inner, err := e.Open(ctx, 0)
	if err != nil {
		return nil, err
	}
	s, err := cached.Open(inner, c.Fields["dir"], cached.Options{Size: int64(size), Log: e.Log})
	if err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	if b.env.Cache != nil {
		b.env.Cache(storeName(c, e), s.Stats)
	}
	return s, nil
}

// opened is what a composition's Open gave; its nodes are closed if it failed.
func opened[S blockstore.Store](s S, err error, members []blockstore.Member) (blockstore.Store, error) {
	if err != nil {
		return nil, errors.Join(err, closeAll(members))
	}
	return s, nil
}

// patience is how long the start waits for a node of a RAID.
const patience = 10 * time.Second

// members opens the nodes of a RAID, all at the same time. Those that don't
// answer come later, but not while the node is being made: a new array needs all.
func (b blocks) members(ctx context.Context, c blockstore.Config, e blockstore.Env) ([]blockstore.Member, error) {
	members, errs := make([]blockstore.Member, len(c.Nodes)), make([]error, len(c.Nodes))
	var all sync.WaitGroup
	for i := range c.Nodes {
		all.Go(func() {
			name, log := e.Node(i)
			members[i].Name, members[i].Forgets = name, c.Nodes[i].Driver == "memory"
			open := func(ctx context.Context) (blockstore.Store, error) { return e.Open(ctx, i) }
			if b.env.Fresh {
				first, err := open(ctx)
				if err != nil {
					errs[i] = err
					return
				}
				open = firstly(first, open)
			}
			members[i].Store, errs[i] = openLater(ctx, open, log)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, closeAll(members))
	}
	return members, nil
}

// openLater opens a node, now or when it answers. One whose credentials don't
// hold any more is as good as down: its array may do without.
func openLater(ctx context.Context, open late.OpenFunc, log *slog.Logger) (blockstore.Store, error) {
	s, err := late.Open(ctx, func(ctx context.Context) (blockstore.Store, error) {
		s, err := open(ctx)
		if kind.Of(err) == kind.Denied {
			err = fmt.Errorf("%w: %w", kind.Unavailable, err)
		}
		return s, err
	}, patience, log)
	if err != nil {
		return nil, err // and no late.Store that is nil
	}
	return s, nil
}

// firstly is open, but that the first time a store is given that is open already.
func firstly(s blockstore.Store, open late.OpenFunc) late.OpenFunc {
	return func(ctx context.Context) (blockstore.Store, error) {
		if s == nil {
			return open(ctx)
		}
		first := s
		s = nil
		return first, nil
	}
}

func closeAll(members []blockstore.Member) error {
	var errs []error
	for _, m := range members {
		if m.Store != nil {
			errs = append(errs, m.Store.Close())
		}
	}
	return errors.Join(errs...)
}

// duration and number read fields that blockstore.Config has checked; what is
// absent is the driver's default, 0.
func duration(text string) time.Duration {
	d, _ := time.ParseDuration(text)
	return d
}

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
