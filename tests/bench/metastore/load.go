package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

// nodeSize is what a directory's leaf has on average.
const nodeSize = 3 << 10

// rowSize is what a commit brings besides its node: the record, and the ids of
// slot, node and dead node.
const rowSize = metastore.RecordSize + 3*32

// directory is one slot and its one node.
type directory struct {
	id   metastore.SlotID
	hash [32]byte
	node metastore.ID
}

// directories are those of one run, a writer each.
type directories struct {
	store metastore.Store
	all   []*directory
}

func newDirectories(ctx context.Context, s metastore.Store, n int) (*directories, error) {
	d := &directories{store: s, all: make([]*directory, n)}
	for i := range d.all {
		d.all[i] = &directory{}
		rand.Read(d.all[i].id[:])
		if err := d.commit(ctx, i); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// commit replaces the node of a writer's directory.
func (d *directories) commit(ctx context.Context, writer int) error {
	dir := d.all[writer]
	data := make([]byte, nodeSize)
	rand.Read(data)
	node := metastore.ID(sha256.Sum256(data))
	var hash [32]byte
	r := &metastore.Request{
		Slots: []metastore.SlotChange{{ID: dir.id, Base: dir.hash, Seal: func(old metastore.Record) (metastore.Sealed, error) {
			b := make([]byte, metastore.RecordSize)
			rand.Read(b[160:])
			binary.BigEndian.PutUint64(b[40:], old.Version+1)
			hash = sha256.Sum256(b)
			return metastore.Sealed{Version: old.Version + 1, Bytes: b}, nil
		}}},
		Nodes: []metastore.NewNode{{ID: node, Data: data, Slot: dir.id}},
	}
	if dir.node != (metastore.ID{}) {
		r.Dead = []metastore.ID{dir.node}
	}
	if err := d.store.Commit(ctx, r)[0]; err != nil {
		return err
	}
	dir.hash, dir.node = hash, node
	return nil
}

// rate has n writers commit for the span, and gives commits a second.
func (m measurement) rate(ctx context.Context, n int, commit func(ctx context.Context, writer int) error) (float64, error) {
	var done atomic.Int64
	errs := make([]error, n)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for errs[i] == nil && time.Since(start) < m.span {
				if errs[i] = commit(ctx, i); errs[i] == nil {
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	rate := float64(done.Load()) / time.Since(start).Seconds()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return rate, nil
}
