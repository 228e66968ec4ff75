package filestore

import (
	"fmt"
	"iter"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// mergedEntry is an entry of a directory's tree or of its history.
type mergedEntry struct {
	*dirtree.Entry
	sortKey string // in the directory
	past    bool
}

// merged yields the entries of both in the order of their sort keys; of one key
// what is current first.
func merged(tree, history iter.Seq2[*dirtree.Entry, error]) iter.Seq2[mergedEntry, error] {
	return func(yield func(mergedEntry, error) bool) {
		next, stop := iter.Pull2(history)
		defer stop()
		past, err, more := nextPast(next)
		for e, terr := range tree {
			if terr != nil {
				yield(mergedEntry{}, terr)
				return
			}
			cur := mergedEntry{Entry: e, sortKey: e.SortKey()}
			for more && (err != nil || past.sortKey < cur.sortKey) {
				if !yield(past, err) || err != nil {
					return
				}
				past, err, more = nextPast(next)
			}
			if !yield(cur, nil) {
				return
			}
		}
		for more {
			if !yield(past, err) || err != nil {
				return
			}
			past, err, more = nextPast(next)
		}
	}
}

func nextPast(next func() (*dirtree.Entry, error, bool)) (mergedEntry, error, bool) {
	e, err, more := next()
	if !more || err != nil {
		return mergedEntry{}, err, more
	}
	sortKey, _, _, ok := dirtree.ParseHistoryKey(e.Name)
	if !ok {
		return mergedEntry{}, fmt.Errorf("a name in a history: %w", kind.Corrupt), true
	}
	return mergedEntry{Entry: e, sortKey: sortKey, past: true}, nil, true
}
