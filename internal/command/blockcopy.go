package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/internal/pace"
	"github.com/truckee-fs/truckee/metastore"
)

// BlockstoreCopy copies all blocks to another blockstore. It can be run again
// and again, beside clients, and copies what is missing there; with Switch, which
// needs a node that doesn't run, tahoe.cfg names the other one afterwards.
type BlockstoreCopy struct {
	To     []Secret // as -b takes them
	Rate   config.Size
	Switch bool
}

func (*BlockstoreCopy) name() string { return "blockstore.copy" }

func (o *BlockstoreCopy) run(ctx context.Context, n *node.Node, s control.Streams) (err error) {
	if o.Switch && n.Serving() {
		return kind.Errorf(kind.Conflict, "--switch needs a node that is stopped: what is written while it copies would be missing there")
	}
	texts := make([]string, len(o.To))
	for i, t := range o.To {
		texts[i] = string(t)
	}
	tree, err := config.ParseBlockstores(n.BaseDir, texts)
	if err != nil {
		return err
	}
	if tree.SamePlace(n.Config.Blockstore.Tree) {
		return kind.Errorf(kind.Invalid, "the blocks are there already")
	}
	if tree.Forgets() {
		return kind.Errorf(kind.Invalid, "blocks in memory would be gone at once")
	}
	to, err := n.OpenBlocks(ctx, tree)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := copyMarker(ctx, n.Blocks, to); err != nil {
		return err
	}
	begin := time.Now()
	c := copying{
		unsound: map[blockstore.ID]bool{}, from: n.Blocks, to: to, rate: pace.New(int64(o.Rate)), tell: progress(s.Err, "copied"), queue: n.Queue(),
		damaged: func(id blockstore.ID) { fmt.Fprintf(s.Err, "DAMAGE block %v is damaged, and not copied\n", id) },
	}
	if err := c.run(ctx); err != nil {
		return err
	}
	lost := 0
	if o.Switch {
		if lost, err = c.complete(ctx, n.Meta); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.Out, "%d blocks with %d bytes copied in %s, %d were there already, %d that were collected meanwhile deleted there\n",
		c.copied.Load(), c.bytes.Load(), time.Since(begin).Round(time.Millisecond), c.there, c.deleted)
	if !o.Switch {
		fmt.Fprintf(s.Out, "the node still uses %s; to change over, stop it and run this again with --switch\n", n.Config.Blockstore.Tree)
		return c.outcome()
	}
	if err := config.KeepBlockstore(n.BaseDir, n.Config, tree); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "from its next start the node uses %s; %s is left as it is\n", tree, n.Config.Blockstore.Tree)
	if lost > 0 {
		fmt.Fprintf(s.Err, "%d blocks that files want are whole in neither of the two; `truckee check --deep` names the files\n", lost)
		return ErrDamage
	}
	return errors.Join(err, c.outcome())
}

// copyMarker has the other store know whose it is; one that is another's is refused.
func copyMarker(ctx context.Context, from, to blockstore.Store) error {
	mark, err := blockstore.GetMarker(ctx, from)
	if err != nil {
		return err
	}
	other, err := blockstore.GetMarker(ctx, to)
	if err != nil || mark == nil && other == nil {
		return err
	}
	if other != nil && !filestore.SameOwner(mark, other) {
		return kind.Errorf(kind.Conflict, "the other blockstore belongs to another database: give an empty one")
	}
	return blockstore.SetMarker(ctx, to, mark)
}

// copying goes over both stores in the order of the ids.
type copying struct {
	from, to blockstore.Store
	rate     *pace.Pace
	tell     func(blockstore.Totals)
	queue    blockstore.Queue // nil: nothing is known of blocks

	damaged func(blockstore.ID)    // is told of blocks that can't be copied
	telling sync.Mutex             // held while tell or damaged runs
	unsound map[blockstore.ID]bool // told of

	copied, bytes  atomic.Int64
	there, deleted int64
	extras         []blockstore.ID // only there
}

// copyAtOnce is how many blocks are on their way at the same time.
const copyAtOnce = 8

func (c *copying) run(ctx context.Context) error {
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(copyAtOnce)
	next, stop := iter.Pull2(c.to.List(ctx, blockstore.ID{}))
	defer stop()
	other := puller{next: next}
	other.advance()
	err := c.compare(ctx, running, group, &other)
	if err := errors.Join(group.Wait(), err, other.err); err != nil {
		return err
	}
	// What is left there comes after the last block here.
	for ; other.more; other.advance() {
		if err := c.extra(ctx, other.id); err != nil {
			return err
		}
	}
	return errors.Join(other.err, c.drop(ctx))
}

// compare starts a copy of each block that the other store lacks.
func (c *copying) compare(ctx, running context.Context, group *errgroup.Group, other *puller) error {
	for info, err := range c.from.List(running, blockstore.ID{}) {
		if err != nil {
			return err
		}
		for ; other.more && bytes.Compare(other.id[:], info.ID[:]) < 0; other.advance() {
			if err := c.extra(ctx, other.id); err != nil {
				return err
			}
		}
		switch {
		case other.err != nil || running.Err() != nil:
			return nil // it is told by the caller
		case other.more && other.id == info.ID:
			c.there++
			other.advance()
		default:
			group.Go(func() error { return c.one(running, info.ID) })
		}
	}
	return nil
}

// puller is a list of blocks, one at a time.
type puller struct {
	next func() (blockstore.Info, error, bool)
	id   blockstore.ID
	more bool
	err  error
}

func (p *puller) advance() {
	info, err, ok := p.next()
	p.id, p.err, p.more = info.ID, err, ok && err == nil
}

// outcome is ErrDamage if a block couldn't be copied because it is damaged.
func (c *copying) outcome() error {
	if len(c.unsound) > 0 {
		return ErrDamage
	}
	return nil
}

// one copies a block. One that was collected since it was listed is no error, and
// a damaged one holds up none of the others.
func (c *copying) one(ctx context.Context, id blockstore.ID) error {
	block, err := c.from.Get(ctx, id)
	switch kind.Of(err) {
	case kind.NotExist:
		return nil
	case kind.Corrupt:
		c.telling.Lock()
		defer c.telling.Unlock()
		if !c.unsound[id] {
			c.unsound[id] = true
			c.damaged(id)
		}
		return nil
	}
	if err == nil {
		err = c.rate.Wait(ctx, int64(len(block)))
	}
	if err == nil {
		err = c.to.Put(ctx, id, block)
	}
	if err != nil {
		return fmt.Errorf("copy block %v: %w", id, err)
	}
	n, size := c.copied.Add(1), c.bytes.Add(int64(len(block)))
	c.telling.Lock()
	defer c.telling.Unlock()
	c.tell(blockstore.Totals{Blocks: n, Bytes: size})
	return nil
}

// complete copies what the database wants and the lists didn't show: that of a
// store may lag behind, and what is not copied now is not there after the change.
// It tells how many blocks neither store has.
func (c *copying) complete(ctx context.Context, meta metastore.Store) (lost int, err error) {
	var ids []blockstore.ID
	if _, err := missing(ctx, meta, c.to, func(id blockstore.ID) { ids = append(ids, id) }); err != nil {
		return 0, fmt.Errorf("compare with the copy: %w", err)
	}
	for _, id := range ids {
		_, err := c.to.Stat(ctx, id)
		if err == nil {
			continue // there, and not in the list yet
		}
		if kind.Of(err) != kind.NotExist {
			return 0, fmt.Errorf("compare with the copy: %w", err)
		}
		before := c.copied.Load()
		if err := c.one(ctx, id); err != nil {
			return 0, err
		}
		if c.copied.Load() == before {
			lost++
		}
	}
	return lost, nil
}

// dropAtOnce is how many rows are asked for at a time.
const dropAtOnce = 500

// extra takes note of a block that only the other store has.
func (c *copying) extra(ctx context.Context, id blockstore.ID) error {
	if c.extras = append(c.extras, id); len(c.extras) < dropAtOnce {
		return nil
	}
	return c.drop(ctx)
}

// drop deletes those of the extras that were collected here; others were put
// since the list was begun.
func (c *copying) drop(ctx context.Context) error {
	ids := c.extras
	c.extras = nil
	if len(ids) == 0 || c.queue == nil {
		return nil
	}
	known, err := c.queue.Fates(ctx, ids)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if known[i] != blockstore.FateCollected {
			continue
		}
		if err := c.to.Delete(ctx, id); err != nil {
			return err
		}
		c.deleted++
	}
	return nil
}
