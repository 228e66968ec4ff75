package filestore

import (
	"context"
	"sync"
	"time"
)

// A stream that comes in fills one cell after the other, and each is sealed when it is
// full. Many streams at a time would hold more cells that are half full than memory
// has room for, and each would go through the spool and back. So beyond its first
// frame a cell takes one of a few places, and a stream waits for one: but not too long,
// and no stream keeps a place for long, or gets one again before it has filled a cell
// in time without, so that slow ones hold up nobody and wait for nobody.
const (
	placeWait = time.Second
	placeTime = 250 * time.Millisecond
)

// places are half of what drafts may hold in memory.
func (o *Options) places() int { return int(max(2, o.DirtyBytes/2/int64(o.ChunkSize))) }

// place waits for a place, and returns what gives it back: once, however often it is
// called.
func (fs *FS) place(ctx context.Context) (leave func()) {
	select {
	case fs.places <- struct{}{}:
	default:
		wait := time.NewTimer(placeWait)
		defer wait.Stop()
		select {
		case fs.places <- struct{}{}:
		case <-wait.C:
			return func() {}
		case <-ctx.Done():
			return func() {}
		}
	}
	give := sync.OnceFunc(func() { <-fs.places })
	expiry := time.AfterFunc(placeTime, give)
	return func() {
		expiry.Stop()
		give()
	}
}
