package filestore

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// CreateRoot makes a new, empty directory, enters it in the root table with the
// source given, and returns its write capability: the only copy that there is.
func (fs *FS) CreateRoot(ctx context.Context, source string) (caps.Write, error) {
	slot := randomSlot(caps.SlotDirectory)
	root := fs.rootRow(slot.Read().Verify(), source)
	id := slotID(slot.ID())
	err := fs.commit.do(ctx, &op{root: id, apply: func(_ context.Context, b *batch) error {
		b.create(slot, slotID{}, id)
		b.own().roots = append(b.own().roots, root)
		return nil
	}})
	if err != nil {
		return caps.Write{}, wrap("create root", err)
	}
	return caps.OfSlotWrite(slot), nil
}

// rootRow is the row of the root table for a slot.
func (fs *FS) rootRow(v caps.SlotVerify, source string) metastore.Root {
	return metastore.Root{ID: slotID(v.ID()), Sealed: fs.sealRoot(v), Source: source, Seen: fs.now()}
}

// RootState is how a root's slot is.
type RootState uint8

// The states of roots.
const (
	RootLive    RootState = iota + 1
	RootRemoved           // its directory was removed
	RootMissing           // there is no slot: damage
)

// RootInfo describes a row of the root table: a directory, or mutable file, from
// which collection marks.
type RootInfo struct {
	ID     [32]byte
	Source string    // "account", "cli", "api"
	Seen   time.Time // when it was entered or, to a day, used last
	State  RootState
	Files  int64 // entries made by commits that came through it, less those removed
	Bytes  int64 // of those entries' files
}

// Roots lists the root table, in the order of the ids.
func (fs *FS) Roots(ctx context.Context) ([]RootInfo, error) {
	view, err := fs.o.Meta.Collector().Snapshot(ctx)
	if err != nil {
		return nil, wrap("list roots", err)
	}
	defer view.Close()
	var infos []RootInfo
	for root, err := range view.AllRoots(ctx) {
		if err != nil {
			return nil, wrap("list roots", err)
		}
		infos = append(infos, RootInfo{ID: root.ID, Source: root.Source, Seen: root.Seen})
	}
	for i := range infos {
		info := &infos[i]
		recs, err := view.Slots(ctx, []slotID{info.ID})
		if err != nil {
			return nil, wrap("list roots", err)
		}
		switch rec := recs[0]; {
		case rec.Bytes == nil:
			info.State = RootMissing
		case metastore.IsTombstone(rec.Bytes):
			info.State = RootRemoved
		default:
			info.State = RootLive
		}
		if info.Files, info.Bytes, err = view.Charged(ctx, info.ID); err != nil {
			return nil, wrap("list roots", err)
		}
	}
	return infos, nil
}

// ForgetRoot takes a root out of the root table: what nothing else leads to is
// garbage from then on, and collected after the grace time. A gateway where
// somebody goes on using the root enters it again within a heartbeat. NotExist if
// it isn't in the table.
func (fs *FS) ForgetRoot(ctx context.Context, id [32]byte) error {
	is, err := retry.Value(ctx, func() ([]bool, error) { return fs.o.Meta.IsRoot(ctx, []slotID{id}) })
	if err == nil && !is[0] {
		err = fmt.Errorf("%v is in no row of the root table: %w", slotID(id), kind.NotExist)
	}
	if err == nil {
		err = fs.o.Meta.Commit(ctx, &metastore.Request{ForgetRoots: []slotID{id}})[0]
	}
	return wrap("forget root", err)
}
