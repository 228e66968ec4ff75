package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/dump"
)

// Restore fills the empty database of the node in BASEDIR, whose lock the caller
// holds, with what Backup wrote. The master key and the accounts must be there.
// Nothing is changed if in is damaged, cut off, or of a node with another master
// key. The backup is held again under the name given. ErrDamage: it was restored,
// and blocks are missing.
func Restore(ctx context.Context, o node.Options, in io.Reader, name string, out io.Writer) error {
	r, err := dump.NewReader(in)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "a backup of %s, made by %s\n", r.About.Created.UTC().Format(time.RFC3339), Printable(r.About.Program))
	n, err := node.Restore(ctx, o, r.Rows())
	if err != nil {
		return err
	}
	h := hold{id: newHoldID(), made: r.About.Created, name: name}
	if h.seq, err = n.Meta.Collector().Pin(ctx, time.Now().Add(forever), h.why()); err == nil {
		fmt.Fprintf(out, "collection keeps what the backup needs until `truckee backup release %s`\n", h.id)
		err = restored(ctx, n, out)
	}
	if closeErr := n.Close(); err == nil {
		err = closeErr
	}
	return err
}

// restored tells what came back, and takes it for the newest on purpose.
func restored(ctx context.Context, n *node.Node, out io.Writer) error {
	found, err := n.FS.Rollbacks(ctx)
	if err != nil && kind.Of(err) != kind.Unsupported {
		return err
	}
	gone := 0
	for _, r := range found {
		if r.Unreadable || r.Found.Version == 0 {
			gone++
		}
	}
	accepted := 0
	if len(found) > 0 {
		if accepted, err = n.FS.AcceptRollback(ctx, found); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "restored; %d directories are older than this node has seen them, which is accepted, and %d that it has seen were made later and are gone\n", accepted, gone)
	if err := adopt(ctx, n, out); err != nil {
		return err
	}
	named := 0
	m, err := missing(ctx, n.Meta, n.Blocks, func(id blockstore.ID) {
		if named++; named <= maxMissing {
			fmt.Fprintf(out, "MISSING block %v\n", id)
		}
	})
	if err != nil {
		return fmt.Errorf("compare with the blockstore: %w", err)
	}
	fmt.Fprintf(out, "of its %d blocks %d are in the blockstore and %d are missing; %d blocks there are unknown to it\n",
		m.wanted, m.wanted-m.missing, m.missing, m.unknown)
	if m.missing > 0 {
		fmt.Fprintln(out, "put the missing blocks back, from a copy of the blockstore; `truckee check` names the files that want them")
		return ErrDamage
	}
	fmt.Fprintln(out, "`truckee check` verifies all of it")
	return nil
}

// comparison counts the blocks that a metastore wants.
type comparison struct{ wanted, missing, unknown int64 }

// maxMissing is how many missing blocks are named.
const maxMissing = 20

// missing goes over the block index and the blockstore, both in the order of the
// ids, and names the blocks that aren't there.
func missing(ctx context.Context, meta metastore.Store, blocks blockstore.Store, name func(blockstore.ID)) (c comparison, err error) {
	v, err := meta.Collector().Snapshot(ctx)
	if err != nil {
		return c, err
	}
	defer v.Close()
	next, stop := iter.Pull2(blocks.List(ctx, blockstore.ID{}))
	defer stop()
	there := puller{next: next}
	there.advance()
	for row, err := range v.AllBlocks(ctx) {
		if err != nil {
			return c, err
		}
		for ; there.more && bytes.Compare(there.id[:], row.ID[:]) < 0; there.advance() {
			c.unknown++
		}
		if there.err != nil {
			return c, there.err
		}
		is := there.more && metastore.ID(there.id) == row.ID
		if is {
			there.advance()
		}
		if row.State != metastore.BlockLive || row.Inline {
			continue
		}
		c.wanted++
		if is {
			continue
		}
		c.missing++
		name(blockstore.ID(row.ID))
	}
	for ; there.more; there.advance() {
		c.unknown++
	}
	return c, there.err
}
