package postgres_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/postgres"
	"github.com/truckee-fs/truckee/tests/testbed"
)

func record(version uint64) []byte {
	b := make([]byte, metastore.RecordSize)
	rand.Read(b[200:])
	binary.BigEndian.PutUint64(b[40:], version)
	return b
}

// directory is one slot with the nodes that a benchmark replaces.
type directory struct {
	id    metastore.SlotID
	hash  [32]byte
	nodes []metastore.ID
}

const nodeSize = 3 << 10

// replace adds to r a new version of d, with n nodes in place of those before.
func (d *directory) replace(r *metastore.Request, n int) {
	r.Slots = append(r.Slots, metastore.SlotChange{ID: d.id, Base: d.hash, Seal: func(old metastore.Record) (metastore.Sealed, error) {
		b := record(old.Version + 1)
		d.hash = sha256.Sum256(b)
		return metastore.Sealed{Version: old.Version + 1, Bytes: b}, nil
	}})
	r.Dead = append(r.Dead, d.nodes...)
	d.nodes = d.nodes[:0]
	for range n {
		data := make([]byte, nodeSize)
		rand.Read(data)
		id := metastore.ID(sha256.Sum256(data))
		r.Nodes = append(r.Nodes, metastore.NewNode{ID: id, Data: data, Slot: d.id})
		d.nodes = append(d.nodes, id)
	}
}

// writersAtOnce has n goroutines share b.N commits.
func writersAtOnce(b *testing.B, n int, commit func(writer int) error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := commit(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkCommits is the commit of a directory each: a slot, a node of 3 KiB, a
// dead one. Beside it stands what the server does with the same bytes, 3 KiB and
// 400 bytes in a row each of two tables with a key, in a transaction of one round
// trip (raw), or as pgbench would send it, statement by statement (raw-steps).
func BenchmarkCommits(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("store/writers=%d", writers), func(b *testing.B) { benchStore(b, writers) })
		b.Run(fmt.Sprintf("raw/writers=%d", writers), func(b *testing.B) { benchRaw(b, writers, rawBatch) })
		b.Run(fmt.Sprintf("raw-steps/writers=%d", writers), func(b *testing.B) { benchRaw(b, writers, rawSteps) })
	}
}

func benchStore(b *testing.B, writers int) {
	o := postgres.Options{URL: testbed.Database(b)}
	if err := postgres.Create(b.Context(), o); err != nil {
		b.Fatal(err)
	}
	s := open(b, o)
	dirs := make([]*directory, writers)
	for i := range dirs {
		dirs[i] = &directory{id: metastore.SlotID{1, byte(i)}}
		var r metastore.Request
		dirs[i].replace(&r, 1)
		if err := s.Commit(b.Context(), &r)[0]; err != nil {
			b.Fatal(err)
		}
	}
	before, err := s.Query(b.Context(), "SELECT count(batch) FROM log")
	if err != nil {
		b.Fatal(err)
	}
	writersAtOnce(b, writers, func(i int) error {
		var r metastore.Request
		dirs[i].replace(&r, 1)
		return s.Commit(context.Background(), &r)[0]
	})
	after, err := s.Query(b.Context(), "SELECT count(batch) FROM log")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/float64(after-before), "commits/batch")
}

func benchRaw(b *testing.B, writers int, commit func(context.Context, *pgx.Conn, [][]byte) error) {
	config, err := pgxpool.ParseConfig(testbed.Database(b))
	if err != nil {
		b.Fatal(err)
	}
	config.MaxConns = int32(writers)
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	for _, sql := range []string{
		"CREATE TABLE a (id bytea PRIMARY KEY, data bytea NOT NULL)", "CREATE TABLE b (id bytea PRIMARY KEY, data bytea NOT NULL)",
		"ALTER TABLE a ALTER COLUMN data SET STORAGE EXTERNAL",
	} {
		if _, err := pool.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	writersAtOnce(b, writers, func(int) error {
		rows := [][]byte{make([]byte, 32), make([]byte, nodeSize), make([]byte, 400)}
		for _, r := range rows {
			rand.Read(r)
		}
		return pool.AcquireFunc(context.Background(), func(c *pgxpool.Conn) error { return commit(context.Background(), c.Conn(), rows) })
	})
}

const (
	rawNode = "INSERT INTO a VALUES ($1, $2)"
	rawSlot = "INSERT INTO b VALUES ($1, $2)"
)

func rawBatch(ctx context.Context, c *pgx.Conn, rows [][]byte) error {
	b := &pgx.Batch{}
	b.Queue("begin")
	b.Queue(rawNode, rows[0], rows[1])
	b.Queue(rawSlot, rows[0], rows[2])
	b.Queue("commit")
	return c.SendBatch(ctx, b).Close()
}

func rawSteps(ctx context.Context, c *pgx.Conn, rows [][]byte) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, rawNode, rows[0], rows[1]); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, rawSlot, rows[0], rows[2])
		return err
	})
}
