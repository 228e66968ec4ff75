package collect

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// marker is what a metastore leaves beside the blocks that it names (formats
// 11):
//
//	0  8  "TkStore1"    8  16 the metastore's uuid    24 16 collection nonce
//	40 8  when it was written, unix ns (informative)    48 16 first half of SHA-256 over bytes 0..47
//
// The nonce is the number of the newest collection, u64, and 8 random bytes. A
// collection writes it to the metastore first and then here. So a marker with a
// higher number than the metastore's, or another nonce of the same one, means
// that a copy of the metastore collects here: this one was restored from a
// backup, or cloned. A number that is one lower is a collection that was cut
// short between the two; the next one first writes that one's here.
type marker struct {
	uuid, nonce [16]byte
	at          int64
}

const (
	markerMagic = "TkStore1"
	markerSize  = 64
	markerSum   = 48
)

func (m marker) encode() []byte {
	b := make([]byte, 0, markerSize)
	b = append(b, markerMagic...)
	b = append(b, m.uuid[:]...)
	b = append(b, m.nonce[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(m.at))
	sum := sha256.Sum256(b)
	return append(b, sum[:markerSize-markerSum]...)
}

// decodeMarker reads a marker. Corrupt if it is none.
func decodeMarker(b []byte) (m marker, err error) {
	sum := sha256.Sum256(b[:min(len(b), markerSum)])
	if len(b) != markerSize || string(b[:8]) != markerMagic || !bytes.Equal(sum[:markerSize-markerSum], b[markerSum:]) {
		return m, fmt.Errorf("the blockstore's marker is none that this version knows: %w", kind.Corrupt)
	}
	copy(m.uuid[:], b[8:])
	copy(m.nonce[:], b[24:])
	m.at = int64(binary.BigEndian.Uint64(b[40:]))
	return m, nil
}

// claimState says whose a blockstore is.
type claimState uint8

const (
	claimOurs     claimState = iota
	claimNone                // nobody has marked it, nor have we
	claimLost                // we have marked it, and there is no marker any more
	claimForeign             // another metastore's
	claimOvertake            // ours, but a copy of this metastore has collected since
	claimUnclear             // a marker that can't be read
	claimMute                // the store keeps no marker
)

// claim is what the marker says to this metastore.
type claim struct {
	state    claimState
	identity metastore.Identity
	other    [16]byte // of a foreign marker
	number   uint64   // of one that names this metastore
	behind   bool     // ours, left so by a collection that was cut short
}

// refuses tells why nothing may be swept; nil if it may.
func (c claim) refuses() error {
	const way = "; if that is meant, run gc --adopt-store"
	switch c.state {
	case claimForeign:
		return kind.Errorf(kind.Denied, "the blockstore belongs to another metastore (%s, this one is %s): what that one needs may look like garbage here%s",
			hex.EncodeToString(c.other[:4]), hex.EncodeToString(c.identity.UUID[:4]), way)
	case claimOvertake:
		return kind.Errorf(kind.Denied, "a copy of this metastore collects on the blockstore, or this one was restored from a backup: what the copy needs may look like garbage here%s", way)
	case claimLost:
		return kind.Errorf(kind.Denied, "the blockstore has lost its marker: it is another one than before, or came back empty%s", way)
	case claimUnclear:
		return kind.Errorf(kind.Denied, "the blockstore's marker can't be read, or its parts belong to different stores%s", way)
	}
	return nil
}

// claim reads the marker and holds it against the metastore's identity.
func (e *Env) claim(ctx context.Context) (claim, error) {
	id, err := retry.Value(ctx, func() (metastore.Identity, error) { return e.Meta.Identity(ctx) })
	if err != nil {
		return claim{}, fmt.Errorf("read the metastore's identity: %w", err)
	}
	c := claim{identity: id}
	data, err := retry.Value(ctx, func() ([]byte, error) { return blockstore.GetMarker(ctx, e.Blocks) })
	switch kind.Of(err) {
	case 0:
	case kind.Unsupported:
		c.state = claimMute
		return c, nil
	case kind.Conflict, kind.Corrupt:
		c.state = claimUnclear
		return c, nil
	default:
		return c, fmt.Errorf("read the blockstore's marker: %w", err)
	}
	if data == nil {
		c.state = claimNone
		if id.Nonce != [16]byte{} {
			c.state = claimLost
		}
		return c, nil
	}
	m, err := decodeMarker(data)
	c.number = numberOf(m.nonce)
	switch {
	case err != nil:
		c.state = claimUnclear
	case m.uuid != id.UUID:
		c.state, c.other, c.number = claimForeign, m.uuid, 0
	case m.nonce != id.Nonce && c.number+1 != numberOf(id.Nonce):
		c.state = claimOvertake
	default:
		c.behind = m.nonce != id.Nonce
	}
	return c, nil
}

func numberOf(nonce [16]byte) uint64 { return binary.BigEndian.Uint64(nonce[:8]) }

// Claim looks whether the blockstore is this metastore's own, and marks it if it
// is nobody's. Denied if another metastore has marked it, or if a copy of this one
// has collected there since this one did: two of them would take each other's
// blocks for garbage. Both can be served from, but nothing is collected before
// Collect with Adopt.
func (k *Collector) Claim(ctx context.Context) error {
	c, err := k.env.claim(ctx)
	if err != nil {
		return fmt.Errorf("claim the blockstore: %w", err)
	}
	if c.state == claimNone {
		if err := unlessDenied(k.env.setMarker(ctx, c.identity)); err != nil {
			return fmt.Errorf("claim the blockstore: %w", err)
		}
		return nil
	}
	return c.refuses()
}

// Adopt takes the blockstore over for this metastore, whatever its marker says:
// after the metastore was restored from a backup, or when the metastore that the
// blocks belonged to is gone. Where that one is in use all the same, it notices
// that by its next collection, and collects no more.
func (k *Collector) Adopt(ctx context.Context) error {
	marked, err := k.env.turn(ctx, true)
	if err == nil && !marked {
		err = fmt.Errorf("the credentials don't allow to mark it: %w", kind.Denied)
	}
	if err != nil {
		return fmt.Errorf("adopt the blockstore: %w", err)
	}
	return nil
}

// turn gives the metastore and the marker a new nonce, before a collection. With
// adopt it does so whatever the marker says. It reports false, and everything is
// as it was, if the credentials don't allow to write the marker. Denied if the
// marker says no.
func (e *Env) turn(ctx context.Context, adopt bool) (marked bool, err error) {
	c, err := e.claim(ctx)
	if err != nil {
		return false, err
	}
	if c.state == claimNone || c.behind {
		// So that a run cut short leaves a marker that the next one understands,
		// however many runs in a row are.
		if err := e.setMarker(ctx, c.identity); err != nil {
			return false, unlessDenied(err)
		}
	}
	number := numberOf(c.identity.Nonce) + 1
	switch no := c.refuses(); {
	case no != nil && !adopt:
		return false, no
	case no != nil:
		e.Log.Warn("the blockstore is taken over", slog.String("reason", no.Error()))
		number = max(number, c.number+1) // not to look like a collection cut short
	}
	meta, old := e.Meta.Collector(), c.identity.Nonce
	rand.Read(c.identity.Nonce[8:])
	binary.BigEndian.PutUint64(c.identity.Nonce[:], number)
	if err := meta.SetNonce(ctx, old, c.identity.Nonce); err != nil {
		return false, fmt.Errorf("begin a collection: %w", err)
	}
	if c.state == claimMute {
		return true, nil
	}
	err = e.setMarker(ctx, c.identity)
	if errors.Is(err, kind.Denied) {
		return false, meta.SetNonce(ctx, c.identity.Nonce, old)
	}
	return true, err
}

func unlessDenied(err error) error {
	if errors.Is(err, kind.Denied) {
		return nil
	}
	return err
}

func (e *Env) setMarker(ctx context.Context, id metastore.Identity) error {
	m := marker{uuid: id.UUID, nonce: id.Nonce, at: e.Now().UnixNano()}
	err := retry.Do(ctx, func() error { return blockstore.SetMarker(ctx, e.Blocks, m.encode()) })
	if err != nil {
		return fmt.Errorf("mark the blockstore: %w", err)
	}
	return nil
}

// SameOwner reports whether two markers of blockstores are of one metastore, be it
// of different collections.
func SameOwner(a, b []byte) bool {
	x, err1 := decodeMarker(a)
	y, err2 := decodeMarker(b)
	return err1 == nil && err2 == nil && x.uuid == y.uuid
}
