package storecheck

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Verb is one thing that a store was asked to do.
type Verb struct {
	Name string        // put, get, range, stat, list, marker, delete
	Err  error         // nil: it did
	Took time.Duration // until it answered
}

// Report is what a store did of what it was asked.
type Report struct {
	Verbs []Verb
	// Left names the block that the probe put and couldn't delete; zero if none is left.
	Left blockstore.ID
}

// Can reports whether the store did what name says.
func (r Report) Can(name string) bool {
	for _, v := range r.Verbs {
		if v.Name == name {
			return v.Err == nil
		}
	}
	return false
}

// Readable reports whether files can be read from the store, Writable whether
// they can be written to it too, Collectable whether space can be given back.
func (r Report) Readable() bool { return r.Can("get") && r.Can("stat") }

// Writable: see Readable.
func (r Report) Writable() bool { return r.Readable() && r.Can("put") }

// Collectable: see Readable.
func (r Report) Collectable() bool { return r.Can("delete") }

// Probe finds out which verbs the credentials of a store allow, by doing each on
// a block of its own, which it then deletes. The marker is read, never set. Where
// put is denied, the verbs that need the block count as allowed when the store
// says that it is absent.
func Probe(ctx context.Context, s blockstore.Store) Report {
	var r Report
	id, block := Chunk(1000)
	do := func(name string, f func() error) bool {
		begin := time.Now()
		err := f()
		r.Verbs = append(r.Verbs, Verb{name, err, time.Since(begin)})
		return err == nil
	}
	stored := do("put", func() error { return s.Put(ctx, id, block) })
	absentIsFine := func(err error) error {
		if !stored && kind.Of(err) == kind.NotExist {
			return nil
		}
		return err
	}
	do("get", func() error {
		got, err := s.Get(ctx, id)
		if err == nil && !bytes.Equal(got, block) {
			err = fmt.Errorf("get gives %d other bytes than were put: %w", len(got), kind.Corrupt)
		}
		return absentIsFine(err)
	})
	do("range", func() error {
		got, err := blockstore.GetRange(ctx, s, id, 10, 20)
		if err == nil && !bytes.Equal(got, block[10:30]) {
			err = fmt.Errorf("a range gives %d other bytes than were put: %w", len(got), kind.Corrupt)
		}
		return absentIsFine(err)
	})
	do("stat", func() error {
		_, err := s.Stat(ctx, id)
		return absentIsFine(err)
	})
	do("list", func() error {
		for _, err := range s.List(ctx, blockstore.ID{}) {
			return err
		}
		return nil
	})
	do("marker", func() error {
		_, err := blockstore.GetMarker(ctx, s)
		return err
	})
	if !do("delete", func() error { return s.Delete(ctx, id) }) && stored {
		r.Left = id
	}
	return r
}
