package raid5

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// forge replaces the piece of a member by another one whose checksum is right.
func forge(t *testing.T, m *memory.Store, id blockstore.ID, change func(h *header, body []byte) []byte) {
	t.Helper()
	b, err := m.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	h, body, err := parsePiece(id, b)
	if err != nil {
		t.Fatal(err)
	}
	body = change(&h, body)
	forged := append(make([]byte, headerSize), body...)
	sealPiece(forged, h.n, h.k, h.length, id)
	if err := m.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := m.Put(t.Context(), id, forged); err != nil {
		t.Fatal(err)
	}
}

// A member that makes up pieces with right checksums is found out, as long as it
// is alone: the id of the block decides, and its piece is replaced.
func TestForgedPieces(t *testing.T) {
	t.Parallel()
	forgeries := map[string]func(h *header, body []byte) []byte{
		"other bytes":     func(_ *header, b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"the length":      func(_ *header, b []byte) []byte { b[3] ^= 1; return b },
		"a shorter block": func(h *header, b []byte) []byte { h.length -= 7; return b[:h.size(h.k)] },
		"a longer block":  func(h *header, b []byte) []byte { h.length += 2; return append(b, make([]byte, 9)...)[:h.size(h.k)] },
		"more members":    func(h *header, b []byte) []byte { h.n++; return append(b, make([]byte, 999)...)[:h.size(h.k)] },
		"another number": func(h *header, b []byte) []byte {
			h.k = (h.k + 1) % h.n
			return append(b, make([]byte, 9)...)[:h.size(h.k)]
		},
		"a block of nothing": func(h *header, _ []byte) []byte { h.length = 0; return make([]byte, h.size(h.k)) },
	}
	for name, change := range forgeries {
		for victim := range 4 {
			synctest.Test(t, func(t *testing.T) {
				var ms []blockstore.Member
				var inner []*memory.Store
				for i := range 4 {
					m := memory.New()
					inner = append(inner, m)
					ms = append(ms, blockstore.Member{Name: fmt.Sprint(i), Store: m})
				}
				s, err := Open(t.Context(), ms, Options{Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				blocks := map[blockstore.ID][]byte{}
				for range 8 {
					id, block := storecheck.Chunk(5000)
					blocks[id] = block
					if err := s.Put(t.Context(), id, block); err != nil {
						t.Fatal(err)
					}
					forge(t, inner[victim], id, change)
				}
				s.lengths.Purge()
				for id, want := range blocks {
					got, err := s.Get(t.Context(), id)
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("%s by member %d: %d bytes, %v", name, victim, len(got), err)
					}
				}
				time.Sleep(time.Minute)
				for range 2 {
					_, err = s.Scrub(t.Context(), blockstore.ScrubOptions{}, func(f blockstore.Finding) {
						if f.Member != fmt.Sprint(victim) || !f.Mended {
							t.Errorf("%s by member %d: %v", name, victim, f)
						}
					})
					if err != nil {
						t.Error(err)
					}
				}
				for i, m := range inner {
					for id, block := range blocks {
						right := encode(make([]byte, stripe{4, len(block)}.storedSize()), 4, id, block)[pieceOn(id, 4, i)]
						if got, err := m.Get(t.Context(), id); err != nil || !bytes.Equal(got, right) {
							t.Errorf("%s by member %d: member %d has another piece than it should: %v", name, victim, i, err)
						}
					}
				}
			})
		}
	}
}

// Two members that lie are too many: nothing is given then.
func TestTwoForgers(t *testing.T) {
	t.Parallel()
	var ms []blockstore.Member
	var inner []*memory.Store
	for i := range 4 {
		m := memory.New()
		inner = append(inner, m)
		ms = append(ms, blockstore.Member{Name: fmt.Sprint(i), Store: m})
	}
	s, err := Open(context.Background(), ms, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id, block := storecheck.Chunk(5000)
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{1, 3} {
		forge(t, inner[i], id, func(_ *header, b []byte) []byte { b[10] ^= 1; return b })
	}
	if got, err := s.Get(t.Context(), id); kind.Of(err) != kind.Corrupt || got != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	var lost int
	_, err = s.Scrub(t.Context(), blockstore.ScrubOptions{}, func(f blockstore.Finding) {
		if f.Fault == blockstore.FaultLost {
			lost++
		}
	})
	if err != nil || lost == 0 {
		t.Errorf("%d lost, %v", lost, err)
	}
}
