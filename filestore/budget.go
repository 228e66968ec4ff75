package filestore

import "sync/atomic"

// budget counts bytes against a limit. Taking never waits: who finds it spent
// makes room elsewhere.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take counts n bytes, and reports whether the limit still holds.
func (b *budget) take(n int64) bool { return b.used.Add(n) <= b.limit }

func (b *budget) give(n int64) { b.used.Add(-n) }

func (b *budget) spent() bool { return b.used.Load() > b.limit }
