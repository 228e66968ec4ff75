package storecheck

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// expectMarker holds the store to one marker.
func expectMarker(ctx context.Context, s blockstore.Store, want []byte) error {
	got, err := blockstore.GetMarker(ctx, s)
	if err != nil {
		return fmt.Errorf("marker: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("marker of %d bytes gives %d, or other ones", len(want), len(got))
	}
	return nil
}

// markerKept: every store keeps one marker, the last that it was given, and
// neither keeps nor hands out a slice that others write to.
func markerKept(ctx context.Context, s blockstore.Store) error {
	for _, text := range []string{"one", "a longer one", "1"} {
		given := []byte(text)
		if err := blockstore.SetMarker(ctx, s, given); err != nil {
			return fmt.Errorf("set marker: %w", err)
		}
		clear(given)
		if err := expectMarker(ctx, s, []byte(text)); err != nil {
			return err
		}
		got, err := blockstore.GetMarker(ctx, s)
		if err != nil {
			return err
		}
		clear(got)
		if err := expectMarker(ctx, s, []byte(text)); err != nil {
			return fmt.Errorf("after the slice given by marker changed: %w", err)
		}
	}
	return nil
}

func markerSizes(ctx context.Context, s blockstore.Store) error {
	largest := make([]byte, blockstore.MarkerRoom)
	rand.Read(largest)
	for _, data := range [][]byte{largest, largest[:1], largest[1:]} {
		if err := blockstore.SetMarker(ctx, s, data); err != nil {
			return fmt.Errorf("set marker of %d bytes: %w", len(data), err)
		}
		if err := expectMarker(ctx, s, data); err != nil {
			return err
		}
	}
	if err := expectKind("set marker of no bytes", blockstore.SetMarker(ctx, s, nil), kind.Invalid); err != nil {
		return err
	}
	err := blockstore.SetMarker(ctx, s, make([]byte, blockstore.MaxMarker+1))
	if err := expectKind("set marker of more than MaxMarker bytes", err, kind.TooLarge); err != nil {
		return err
	}
	if err := expectMarker(ctx, s, largest[1:]); err != nil {
		return fmt.Errorf("after markers were refused: %w", err)
	}
	return nil
}

// markerIsNoBlock: no call for blocks shows the marker, or touches it.
func markerIsNoBlock(ctx context.Context, s blockstore.Store) (err error) {
	count := func() (n int, err error) {
		for _, err := range s.List(ctx, blockstore.ID{}) {
			if err != nil {
				return 0, err
			}
			n++
		}
		return n, nil
	}
	n, err := count()
	if err != nil {
		return err
	}
	marker := []byte("no block")
	if err := blockstore.SetMarker(ctx, s, marker); err != nil {
		return err
	}
	now, err := count()
	if err != nil {
		return err
	}
	if now != n {
		return fmt.Errorf("list yields %d blocks, and %d once a marker is set", n, now)
	}
	id := blockstore.NodeID(marker)
	_, absent := s.Get(ctx, id)
	if err := expectKind("get by the hash of the marker", absent, kind.NotExist); err != nil {
		return err
	}
	blocks, clean := put(ctx, s, &err, 10, 5000)
	clean()
	if err != nil {
		return err
	}
	if err := expectMarker(ctx, s, marker); err != nil {
		return fmt.Errorf("after %d blocks came and went: %w", len(blocks), err)
	}
	return nil
}

// markerWhole: who reads while others write meets one of their markers, whole.
func markerWhole(ctx context.Context, s blockstore.Store) error {
	write := func(worker int) []byte { return bytes.Repeat([]byte{byte('a' + worker)}, 100+worker) }
	if err := blockstore.SetMarker(ctx, s, write(0)); err != nil {
		return err
	}
	return each(func(worker int) error {
		for range 5 {
			if worker%4 == 0 {
				if err := blockstore.SetMarker(ctx, s, write(worker)); err != nil {
					return fmt.Errorf("set marker beside others: %w", err)
				}
				continue
			}
			got, err := blockstore.GetMarker(ctx, s)
			if err != nil {
				return fmt.Errorf("marker beside others that set it: %w", err)
			}
			if len(got) == 0 {
				return errors.New("marker beside others that set it gives none")
			}
			if !bytes.Equal(got, write(int(got[0]-'a'))) {
				return fmt.Errorf("marker beside others that set it gives %d bytes from %q on, which nobody set", len(got), got[0])
			}
		}
		return nil
	})
}
