package blockstoretest

import (
	"strconv"

	"github.com/truckee-fs/truckee/blockstore"
)

// Members names stores as a configuration does: 0, 1 and so on.
func Members(stores ...blockstore.Store) []blockstore.Member {
	ms := make([]blockstore.Member, len(stores))
	for i, s := range stores {
		ms[i] = blockstore.Member{Name: strconv.Itoa(i), Store: s}
	}
	return ms
}

// NewFaulties makes n stores that fail on purpose, each over a fresh one, and gives
// them twice: as what they are, and as what a composition is made of.
func NewFaulties[S blockstore.Store](n int, fresh func() S) (fs []*Faulty, stores []blockstore.Store) {
	for range n {
		f := NewFaulty(fresh())
		fs, stores = append(fs, f), append(stores, f)
	}
	return fs, stores
}
