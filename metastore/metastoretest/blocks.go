package metastoretest

import (
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func blockChecks() []Check {
	return []Check{
		on("Blocks", blocks),
		on("Register", register),
		on("RegisterTwice", registerTwice),
		on("RegisterAllOrNothing", registerAllOrNothing),
		on("Link", link),
		on("LinkLiveAgain", linkLiveAgain),
		on("LinkMissing", linkMissing),
		on("LinkOfOtherDraft", linkOfOtherDraft),
		on("LinkOwnLive", linkOwnLive),
	}
}

func leaseChecks() []Check {
	return []Check{
		on("DraftEnded", draftEnded),
		on("DraftLapsed", draftLapsed),
		on("Heartbeat", heartbeat),
		on("HeartbeatRenewsDrafts", heartbeatRenewsDrafts),
	}
}

// blocks: rows in the order asked, asked twice too, and of absent ids none.
func blocks(f fixture) error {
	d := random[metastore.DraftID]()
	b := metastore.BlockRow{ID: random[metastore.ID](), Len: 7, Owner: random[metastore.SlotID]()}
	if err := f.s.Register(f.ctx, random[metastore.GatewayID](), d, []metastore.BlockRow{b}); err != nil {
		return err
	}
	l, err := f.live()
	if err != nil {
		return err
	}
	absent := random[metastore.ID]()
	got, err := f.s.Blocks(f.ctx, []metastore.ID{l.ID, absent, b.ID, l.ID})
	if err != nil {
		return err
	}
	if len(got) != 4 || got[0].BlockRow != l || got[0].State != metastore.BlockLive || got[3] != got[0] || got[1] != (metastore.Block{BlockRow: metastore.BlockRow{ID: absent}}) {
		return fmt.Errorf("blocks of a live one, none, a new one and the first again: %+v", got)
	}
	if n := got[2]; n.BlockRow != b || n.State != metastore.BlockNew || n.Draft != d || n.Seen.IsZero() || !n.CondemnedAt.IsZero() || n.Inline {
		return fmt.Errorf("a new block: %+v", n)
	}
	if err := f.condemn(l.ID); err != nil {
		return err
	}
	got, err = f.s.Blocks(f.ctx, []metastore.ID{l.ID})
	if err == nil && (got[0].CondemnedAt.IsZero() || got[0].CondemnedSeq == 0) {
		return fmt.Errorf("a condemned block: %+v", got[0])
	}
	none, err2 := f.s.Blocks(f.ctx, nil)
	if len(none) != 0 {
		return fmt.Errorf("blocks of nothing: %d rows", len(none))
	}
	return first(err, err2)
}

func register(f fixture) error {
	d := random[metastore.DraftID]()
	row := metastore.BlockRow{ID: random[metastore.ID](), Len: 12345, Owner: random[metastore.SlotID]()}
	if err := f.s.Register(f.ctx, random[metastore.GatewayID](), d, []metastore.BlockRow{row}); err != nil {
		return err
	}
	b, there, err := f.block(row.ID)
	if err != nil {
		return err
	}
	if !there || b.BlockRow != row || b.State != metastore.BlockNew || b.Draft != d || b.Inline || !b.CondemnedAt.IsZero() || b.Seen.IsZero() {
		return fmt.Errorf("registered row: there %t, %+v", there, b)
	}
	return nil
}

func registerTwice(f fixture) error {
	d := random[metastore.DraftID]()
	b, err := f.register(d)
	if err != nil {
		return err
	}
	again := f.s.Register(f.ctx, random[metastore.GatewayID](), random[metastore.DraftID](), []metastore.BlockRow{b})
	if err := wantKind("registering what has a row", again, kind.Conflict); err != nil {
		return err
	}
	if now, _, err := f.block(b.ID); err != nil || now.Draft != d {
		return fmt.Errorf("a refused Register changed the row (%v)", err)
	}
	twin := metastore.BlockRow{ID: random[metastore.ID](), Len: 1}
	err = f.s.Register(f.ctx, random[metastore.GatewayID](), d, []metastore.BlockRow{twin, twin})
	return first(wantKind("an id twice in one call", err, kind.Conflict), f.noBlock(twin.ID))
}

func (f fixture) noBlock(id metastore.ID) error {
	_, there, err := f.block(id)
	if err == nil && there {
		return fmt.Errorf("a refused call left a block row")
	}
	return err
}

func registerAllOrNothing(f fixture) error {
	d := random[metastore.DraftID]()
	old, err := f.register(d)
	if err != nil {
		return err
	}
	before, err := f.usage()
	if err != nil {
		return err
	}
	fresh := metastore.BlockRow{ID: random[metastore.ID](), Len: 1}
	err = f.s.Register(f.ctx, random[metastore.GatewayID](), d, []metastore.BlockRow{fresh, old})
	if err := first(wantKind("one of two has a row", err, kind.Conflict), f.noBlock(fresh.ID)); err != nil {
		return err
	}
	after, err := f.usage()
	if err == nil && after != before {
		return fmt.Errorf("a refused Register changed the usage from %v to %v", before, after)
	}
	return err
}

type usage struct{ blocks, bytes int64 }

func (f fixture) usage() (u usage, err error) {
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return u, err
	}
	defer v.Close()
	u.blocks, u.bytes, err = v.Usage(f.ctx)
	return u, err
}

func link(f fixture) error {
	d := random[metastore.DraftID]()
	b, err := f.register(d)
	if err != nil {
		return err
	}
	if err := f.condemn(b.ID); err != nil {
		return err
	}
	if err := f.commit(&metastore.Request{Links: []metastore.ID{b.ID}, Draft: d}); err != nil {
		return fmt.Errorf("linking a new block of the own draft: %w", err)
	}
	now, _, err := f.block(b.ID)
	if err == nil && (now.State != metastore.BlockLive || now.Draft != metastore.DraftID{} || !now.CondemnedAt.IsZero()) {
		return fmt.Errorf("linked row: %+v", now)
	}
	return err
}

func linkLiveAgain(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := f.condemn(b.ID); err != nil {
		return err
	}
	before, _, err := f.block(b.ID)
	if err != nil {
		return err
	}
	if err := f.commit(&metastore.Request{Links: []metastore.ID{b.ID}}); err != nil {
		return fmt.Errorf("linking a live block: %w", err)
	}
	now, _, err := f.block(b.ID)
	if err == nil && (now.State != metastore.BlockLive || !now.CondemnedAt.IsZero() || now.Seen.Before(before.Seen)) {
		return fmt.Errorf("row linked again: %+v", now)
	}
	return err
}

func linkMissing(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	r, err := f.create()
	if err != nil {
		return err
	}
	_, err = f.update(r, metastore.Request{Links: []metastore.ID{b.ID, random[metastore.ID]()}})
	return first(wantKind("linking a block without row", err, kind.Conflict), f.unchanged(r))
}

func linkOfOtherDraft(f fixture) error {
	mine, other := random[metastore.DraftID](), random[metastore.DraftID]()
	b, err := f.register(other)
	if err != nil {
		return err
	}
	if _, err := f.register(mine); err != nil {
		return err
	}
	for _, d := range []metastore.DraftID{mine, {}} {
		err := f.commit(&metastore.Request{Links: []metastore.ID{b.ID}, Draft: d})
		if err := first(wantKind("linking another draft's new block", err, kind.Conflict), f.state(b.ID, metastore.BlockNew)); err != nil {
			return err
		}
	}
	return nil
}

func linkOwnLive(f fixture) error {
	n, row := inline()
	return f.commit(&metastore.Request{
		Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row}, Links: []metastore.ID{n.ID},
	})
}

func draftEnded(f fixture) error {
	d := random[metastore.DraftID]()
	b, err := f.register(d)
	if err != nil {
		return err
	}
	if err := f.draftLives(d, true); err != nil {
		return err
	}
	if err := first(f.s.EndDraft(f.ctx, d), f.s.EndDraft(f.ctx, d)); err != nil {
		return fmt.Errorf("endDraft: %w", err)
	}
	err = f.commit(&metastore.Request{Links: []metastore.ID{b.ID}, Draft: d})
	return first(wantKind("linking with an ended draft", err, kind.Conflict),
		f.state(b.ID, metastore.BlockNew), f.draftLives(d, false))
}

func (f fixture) draftLives(d metastore.DraftID, want bool) error {
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	live, err := v.LiveDrafts(f.ctx)
	if err == nil && live[d] != want {
		return fmt.Errorf("liveDrafts has the draft: %t, want %t", live[d], want)
	}
	return err
}

// draftLapsed: with a lease of a nanosecond every draft of the gateway has
// lapsed by the next call.
func draftLapsed(f fixture) error {
	g, d := random[metastore.GatewayID](), random[metastore.DraftID]()
	if err := f.s.Heartbeat(f.ctx, g, 0, time.Nanosecond); err != nil {
		return fmt.Errorf("the first Heartbeat: %w", err)
	}
	b := metastore.BlockRow{ID: random[metastore.ID](), Len: 1}
	if err := f.s.Register(f.ctx, g, d, []metastore.BlockRow{b}); err != nil {
		return err
	}
	err := f.commit(&metastore.Request{Links: []metastore.ID{b.ID}, Draft: d})
	return first(wantKind("linking with a lapsed draft", err, kind.Conflict), f.draftLives(d, false))
}

func heartbeat(f fixture) error {
	g := random[metastore.GatewayID]()
	beat := func(ttl time.Duration) error { return f.s.Heartbeat(f.ctx, g, 0, ttl) }
	if err := first(beat(time.Hour), beat(time.Nanosecond)); err != nil {
		return fmt.Errorf("heartbeat in time: %w", err)
	}
	if err := wantKind("Heartbeat after the lease", beat(time.Hour), kind.Conflict); err != nil {
		return err
	}
	if err := beat(time.Hour); err != nil {
		return fmt.Errorf("heartbeat after it was told: %w", err)
	}
	return nil
}

func heartbeatRenewsDrafts(f fixture) error {
	g, d := random[metastore.GatewayID](), random[metastore.DraftID]()
	if err := f.s.Heartbeat(f.ctx, g, 0, time.Hour); err != nil {
		return err
	}
	b := metastore.BlockRow{ID: random[metastore.ID](), Len: 1}
	if err := f.s.Register(f.ctx, g, d, []metastore.BlockRow{b}); err != nil {
		return err
	}
	// The lease goes where the newest Heartbeat puts it, the draft's too.
	if err := first(f.draftLives(d, true), f.s.Heartbeat(f.ctx, g, 0, time.Nanosecond), f.draftLives(d, false)); err != nil {
		return err
	}
	// Told that it had lapsed, the gateway has a lease again, its drafts have none.
	return first(wantKind("Heartbeat after the lease", f.s.Heartbeat(f.ctx, g, 0, time.Hour), kind.Conflict), f.draftLives(d, false))
}
