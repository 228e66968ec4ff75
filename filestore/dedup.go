package filestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// Under the policy dedup = account a chunk's key follows from its contents, so
// equal chunks have one id. That id may be in any state of its life (formats 11):
// it is used if it is new to the block index, if it is live, not condemned, and
// known to be in the blockstore, or if the same draft has stored it. In every
// other case the chunk is sealed under a random key, so no id ever comes back to
// life.

// errTaken says that a convergent id can't be used.
var errTaken = errors.New("the id can't be used")

// sealer is what chunks of the draft are sealed by; last tells whether it is the
// file's last chunk, which may be padded.
func (d *draft) sealer(last bool) filetree.Sealer {
	s := filetree.Sealer{ChunkSize: int(d.grid)}
	t := d.payer
	if t == nil {
		return s
	}
	if last {
		s.Pad = t.o.Pad
	}
	if t.o.Dedup && !d.unshared {
		s.Secret = t.convergenceSecret()
	}
	return s
}

// convergenceSecret is that of the root that the tree belongs to; zero: unknown.
func (t *Tree) convergenceSecret() caps.Key {
	switch {
	case t.part != nil:
		return t.part.secret
	case t.write != nil:
		return t.write.ConvergenceSecret()
	}
	return caps.Key{}
}

func convergent(s filetree.Sealer) bool { return !s.Secret.IsZero() }

// unshared is s with random keys.
func unshared(s filetree.Sealer) filetree.Sealer {
	s.Secret = caps.Key{}
	return s
}

func chunkRef(id blockstore.ID, key caps.Key, n int64) filetree.Ref {
	return filetree.Ref{ID: id, Key: key, Level: filetree.LevelChunk, Size: uint64(n)}
}

// mustUnshare reports whether a commit was refused because somebody else brought
// a chunk first, as far as can be told; the next attempt brings it under a random
// key.
func (d *draft) mustUnshare() bool {
	if d == nil || !d.hopes || d.unshared {
		return false
	}
	d.unshared = true
	return true
}

// sharing is what a writer knows about convergent blocks.
type sharing struct {
	mu     sync.Mutex // guards the fields below
	there  *simplelru.LRU[blockstore.ID, time.Time]
	flying map[blockstore.ID]bool
}

// confirmedBlocks bounds how many blocks are remembered as stored, confirmedAge
// how long: a store may lose what nobody asks for.
const (
	confirmedBlocks = 1 << 15
	confirmedAge    = 24 * time.Hour
)

// take notes that a block is on its way, and reports false if it is already.
func (s *sharing) take(id blockstore.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flying[id] {
		return false
	}
	if s.flying == nil {
		s.flying = make(map[blockstore.ID]bool)
	}
	s.flying[id] = true
	return true
}

func (s *sharing) land(id blockstore.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flying, id)
}

// confirm notes that a block is in the blockstore.
func (s *sharing) confirm(id blockstore.ID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.there == nil {
		s.there, _ = simplelru.NewLRU[blockstore.ID, time.Time](confirmedBlocks, nil) // the size is positive
	}
	s.there.Add(id, now)
}

func (s *sharing) confirmed(id blockstore.ID, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.there == nil {
		return false
	}
	at, ok := s.there.Get(id)
	return ok && now.Sub(at) < confirmedAge
}

// share has a block under a convergent key be in the blockstore: as it is there,
// or by storing it under l. errTaken if neither may be.
func (w *writer) share(ctx context.Context, l *lease, owner slotID, b filetree.Block) error {
	if !w.sharing.take(b.ID) {
		return errTaken // of another file, which may still fail
	}
	defer w.sharing.land(b.ID)
	row, err := w.row(ctx, b)
	if err != nil {
		return err
	}
	switch {
	case row.State == 0:
		if err := w.put(ctx, l, owner, b); err != nil {
			if errors.Is(err, kind.Conflict) {
				return errTaken // somebody else was faster
			}
			return err
		}
		w.sharing.confirm(b.ID, w.fs.now())
		return nil
	case row.State == metastore.BlockNew && row.Draft == l.id && w.sharing.confirmed(b.ID, w.fs.now()):
		return nil
	case usable(row, b):
		return w.sure(ctx, b)
	}
	return errTaken
}

// shared reports whether a small block under a convergent key is in the
// metastore. errTaken if it isn't and may not come to be.
func (w *writer) shared(ctx context.Context, b filetree.Block) (bool, error) {
	row, err := w.row(ctx, b)
	switch {
	case err != nil:
		return false, err
	case row.State == 0:
		return false, nil
	case !usable(row, b):
		return false, errTaken
	case row.Inline:
		return true, nil
	}
	return true, w.sure(ctx, b) // from a time when fewer blocks went to the metastore
}

func (w *writer) row(ctx context.Context, b filetree.Block) (metastore.Block, error) {
	rows, err := retry.Value(ctx, func() ([]metastore.Block, error) {
		return w.fs.o.Meta.Blocks(ctx, []metastore.ID{metastore.ID(b.ID)})
	})
	if err != nil {
		return metastore.Block{}, fmt.Errorf("look up a block: %w", err)
	}
	return rows[0], nil
}

// usable reports whether a commit may link what a row tells of.
func usable(row metastore.Block, b filetree.Block) bool {
	return row.State == metastore.BlockLive && row.CondemnedAt.IsZero() && row.Len == int64(len(b.Data))
}

// sure asks the blockstore for a live block that wasn't put or asked for within a
// day. errTaken if it isn't there, or the answer doesn't come.
func (w *writer) sure(ctx context.Context, b filetree.Block) error {
	now := w.fs.now()
	if w.sharing.confirmed(b.ID, now) {
		return nil
	}
	info, err := w.fs.o.Blocks.Stat(ctx, b.ID)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("ask for a block: %w", ctx.Err())
	case err == nil && info.Size == int64(len(b.Data)):
		w.sharing.confirm(b.ID, now)
		return nil
	case err == nil || errors.Is(err, kind.NotExist):
		w.fs.log.Error("a block that the index has is missing in the blockstore", slog.String("block", b.ID.String()))
	}
	return errTaken
}
