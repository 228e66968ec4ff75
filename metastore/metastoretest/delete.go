package metastoretest

import (
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func deleteChecks() []Check {
	return []Check{
		on("BeginDeleteNeedsCondemned", beginDeleteNeedsCondemned),
		on("BeginDeleteNeedsGrace", beginDeleteNeedsGrace),
		on("BeginDeleteSparesReaders", beginDeleteSparesReaders),
		on("BeginDeleteIgnoresLapsed", beginDeleteIgnoresLapsed),
		on("LinkBeatsBeginDelete", linkBeatsBeginDelete),
		on("EndDelete", endDelete),
		on("EndDeleteDropsInline", endDeleteDropsInline),
		on("DeletedStaysDeleted", deletedStaysDeleted),
	}
}

func (f fixture) notDeletable(why string, id metastore.ID, before time.Time) error {
	rows, err := f.s.Collector().BeginDelete(f.ctx, []metastore.ID{id}, before)
	if err != nil {
		return fmt.Errorf("beginDelete: %w", err)
	}
	if len(rows) != 0 {
		return fmt.Errorf("beginDelete took a block that %s", why)
	}
	return f.state(id, metastore.BlockLive)
}

func beginDeleteNeedsCondemned(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := f.notDeletable("is not condemned", b.ID, far()); err != nil {
		return err
	}
	return f.beginDelete(b.ID)
}

func beginDeleteNeedsGrace(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := f.condemn(b.ID); err != nil {
		return err
	}
	return f.notDeletable("was condemned too lately", b.ID, time.Now().Add(-time.Hour))
}

func beginDeleteSparesReaders(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	opened, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	if _, err := f.create(); err != nil { // the condemning mark is at a later commit
		return err
	}
	g := random[metastore.GatewayID]()
	if err := first(f.s.Heartbeat(f.ctx, g, opened, time.Hour), f.condemn(b.ID)); err != nil {
		return err
	}
	if err := f.notDeletable("an open handle of a live gateway may read", b.ID, far()); err != nil {
		return err
	}
	if err := f.s.Heartbeat(f.ctx, g, 0, time.Hour); err != nil { // closed
		return err
	}
	return f.beginDelete(b.ID)
}

func beginDeleteIgnoresLapsed(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	opened, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	if _, err := f.create(); err != nil {
		return err
	}
	if err := f.s.Heartbeat(f.ctx, random[metastore.GatewayID](), opened, time.Nanosecond); err != nil {
		return err
	}
	return f.beginDelete(b.ID)
}

func linkBeatsBeginDelete(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := first(f.condemn(b.ID), f.commit(&metastore.Request{Links: []metastore.ID{b.ID}})); err != nil {
		return err
	}
	return f.notDeletable("was linked since it was condemned", b.ID, far())
}

func endDelete(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	// Only what is in state deleting may end so.
	if err := first(f.s.Collector().EndDelete(f.ctx, []metastore.ID{b.ID}), f.state(b.ID, metastore.BlockLive)); err != nil {
		return err
	}
	before, err := f.usage()
	if err != nil {
		return err
	}
	if err := first(f.beginDelete(b.ID), f.s.Collector().EndDelete(f.ctx, []metastore.ID{b.ID}), f.state(b.ID, metastore.BlockDeleted)); err != nil {
		return err
	}
	after, err := f.usage()
	if err == nil && (after.blocks != before.blocks-1 || after.bytes != before.bytes-b.Len) {
		return fmt.Errorf("usage went from %v to %v by deleting one block of %d", before, after, b.Len)
	}
	return err
}

func endDeleteDropsInline(f fixture) error {
	n, row := inline()
	if err := f.commit(&metastore.Request{Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row}}); err != nil {
		return err
	}
	if err := f.beginDelete(n.ID); err != nil {
		return err
	}
	if data, err := f.node(n.ID); err != nil || data == nil {
		return fmt.Errorf("beginDelete dropped an inline block's bytes already (%v)", err)
	}
	return first(f.s.Collector().EndDelete(f.ctx, []metastore.ID{n.ID}), f.noNode(n.ID), f.state(n.ID, metastore.BlockDeleted))
}

// far is a time after every condemnation.
func far() time.Time { return time.Now().Add(1000 * time.Hour) }

// delete brings a live or new block to state deleting.
func (f fixture) beginDelete(id metastore.ID) error {
	if err := f.condemn(id); err != nil {
		return err
	}
	rows, err := f.s.Collector().BeginDelete(f.ctx, []metastore.ID{id}, far())
	if err != nil {
		return fmt.Errorf("beginDelete: %w", err)
	}
	if len(rows) != 1 || rows[0].ID != id || rows[0].State != metastore.BlockDeleting {
		return fmt.Errorf("beginDelete of a condemned block gave %v", rows)
	}
	return nil
}

// deletedStaysDeleted: no id ever comes back to life.
func deletedStaysDeleted(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := first(f.beginDelete(b.ID), f.cannotRevive(b, metastore.BlockDeleting)); err != nil {
		return err
	}
	if err := f.s.Collector().EndDelete(f.ctx, []metastore.ID{b.ID}); err != nil {
		return fmt.Errorf("endDelete: %w", err)
	}
	return f.cannotRevive(b, metastore.BlockDeleted)
}

func (f fixture) cannotRevive(b metastore.BlockRow, state metastore.BlockState) error {
	d := random[metastore.DraftID]()
	if _, err := f.register(d); err != nil {
		return err
	}
	n, _ := inline()
	n.ID = b.ID
	return first(
		wantKind("registering it", f.s.Register(f.ctx, random[metastore.GatewayID](), d, []metastore.BlockRow{b}), kind.Conflict),
		wantKind("linking it", f.commit(&metastore.Request{Links: []metastore.ID{b.ID}, Draft: d}), kind.Conflict),
		wantKind("making it live", f.commit(&metastore.Request{
			Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{{ID: b.ID, Len: int64(len(n.Data))}},
		}), kind.Conflict),
		f.s.Collector().Absolve(f.ctx, []metastore.ID{b.ID}),
		f.state(b.ID, state),
	)
}
