package array

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Held is which members hold a block, by how many bytes, -1 where absent.
type Held struct {
	ID    blockstore.ID
	Sizes []int64
}

// Holds reports whether member i holds the block.
func (h Held) Holds(i int) bool { return h.Sizes[i] >= 0 }

// Size is the largest of the sizes.
func (h Held) Size() int64 { return slices.Max(h.Sizes) }

// Merge lists what the members hold, in the order of ids. A member that isn't
// in use, or fails, is left out from then on: Err tells.
type Merge struct {
	a    *Array
	bufs [][]blockstore.Info
	last []blockstore.ID
	done []bool
	Err  []error // by member; nil: its list is whole
}

// NewMerge starts a list of the ids above after.
func (a *Array) NewMerge(after blockstore.ID) *Merge {
	n := len(a.members)
	m := &Merge{a, make([][]blockstore.Info, n), make([]blockstore.ID, n), make([]bool, n), make([]error, n)}
	for i := range m.last {
		m.last[i] = after
	}
	return m
}

// mergePage is how many ids of a member are taken at a time.
const mergePage = 1000

// Next gives the next blocks, none at the end.
func (m *Merge) Next(ctx context.Context) ([]Held, error) {
	if err := m.fill(ctx); err != nil {
		return nil, fmt.Errorf("%v: list: %w", m.a.level, err)
	}
	var held []Held
	for len(held) < mergePage {
		var least *blockstore.Info
		for i, buf := range m.bufs {
			switch {
			case len(buf) > 0 && (least == nil || bytes.Compare(buf[0].ID[:], least.ID[:]) < 0):
				least = &buf[0]
			case len(buf) == 0 && !m.done[i]:
				return held, nil // its next page may begin anywhere
			}
		}
		if least == nil {
			break
		}
		held = append(held, m.take(least.ID))
	}
	return held, nil
}

// take takes id off the buffers.
func (m *Merge) take(id blockstore.ID) Held {
	h := Held{id, make([]int64, len(m.bufs))}
	for i, buf := range m.bufs {
		h.Sizes[i] = -1
		if len(buf) > 0 && buf[0].ID == id {
			h.Sizes[i] = buf[0].Size
			m.bufs[i] = buf[1:]
		}
	}
	return h
}

// fill gets a page of each member of which none is left.
func (m *Merge) fill(ctx context.Context) error {
	var wg sync.WaitGroup
	for i := range m.bufs {
		if len(m.bufs[i]) == 0 && !m.done[i] {
			wg.Go(func() { m.page(ctx, i) })
		}
	}
	wg.Wait()
	return ctx.Err()
}

func (m *Merge) page(outer context.Context, i int) {
	ctx, cancel := context.WithTimeoutCause(outer, m.a.o.ReadTimeout, errLate)
	defer cancel()
	var page []blockstore.Info
	last := m.last[i]
	err := m.a.do(ctx, m.a.members[i], func(ctx context.Context, s blockstore.Store) error {
		for info, err := range s.List(ctx, last) {
			if err != nil {
				return err
			}
			if compare(info.ID, last) <= 0 { // it would never end
				return fmt.Errorf("lists %v after %v: %w", info.ID, last, kind.Corrupt)
			}
			last = info.ID
			page = append(page, info)
			if len(page) == mergePage {
				break
			}
		}
		return nil
	})
	m.bufs[i] = page
	m.done[i] = len(page) < mergePage
	if len(page) > 0 {
		m.last[i] = page[len(page)-1].ID
	}
	if err != nil && outer.Err() == nil {
		m.bufs[i], m.done[i], m.Err[i] = nil, true, err
	}
}

// Missing is how many members' lists are not whole though they may hold blocks:
// not those that came back empty.
func (m *Merge) Missing() (n int) {
	for _, err := range m.Err {
		if err != nil && kind.Of(err) != kind.NotExist {
			n++
		}
	}
	return n
}

// Incomplete is an error of kind Unavailable if at least need members are
// missing, so that a block that need members were asked to hold may be on these
// alone.
func (m *Merge) Incomplete(need int) error {
	if m.Missing() < need {
		return nil
	}
	return fmt.Errorf("%v: list: %w: %w", m.a.level, kind.Unavailable, because(m.Err...))
}

func compare(a, b blockstore.ID) int { return bytes.Compare(a[:], b[:]) }
