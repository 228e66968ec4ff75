package array

import (
	"context"
	"slices"

	"github.com/truckee-fs/truckee/blockstore"
)

// locks keep a repair of a block and its deletion apart, by id. They are
// channels, so that whoever waits can give up.
type locks [64]chan struct{}

func newLocks() *locks {
	var l locks
	for i := range l {
		l[i] = make(chan struct{}, 1)
	}
	return &l
}

// lock locks ids, and returns what unlocks them.
func (l *locks) lock(ctx context.Context, ids ...blockstore.ID) (unlock func(), err error) {
	stripes := make([]int, 0, min(len(ids), len(l)))
	for _, id := range ids {
		stripes = append(stripes, int(id[0])%len(l))
	}
	slices.Sort(stripes)
	stripes = slices.Compact(stripes)
	for n, i := range stripes {
		select {
		case l[i] <- struct{}{}:
		case <-ctx.Done():
			l.unlock(stripes[:n])
			return nil, ctx.Err()
		}
	}
	return func() { l.unlock(stripes) }, nil
}

func (l *locks) unlock(stripes []int) {
	for _, i := range stripes {
		<-l[i]
	}
}
