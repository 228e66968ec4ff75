package filestore

import "sync"

// Mark is the newest record of a slot that a gateway has accepted (formats 5,
// Freshness). Records are ordered by (Epoch, Version).
type Mark struct {
	Slot    [32]byte
	Epoch   uint32
	Version uint64
	Hash    [32]byte // SHA-256 over the record
}

// Before reports whether m is of an older record than o, by (epoch, version).
func (m Mark) Before(o Mark) bool {
	if m.Epoch != o.Epoch {
		return m.Epoch < o.Epoch
	}
	return m.Version < o.Version
}

// HighWater remembers the newest record seen of every slot, outside of the
// database that could be rolled back. It is safe for concurrent use. Package
// filestore/highwater keeps one in a file.
type HighWater interface {
	// Mark returns the mark of a slot; false if it was never seen.
	Mark(slot [32]byte) (Mark, bool)

	// Raise notes m unless the mark at hand is as new. It doesn't wait for a
	// disk: a crash may forget the last second.
	Raise(m Mark)

	// NextEpoch is the least epoch that the next record of a slot may have:
	// above 0 after a rollback was accepted for it.
	NextEpoch(slot [32]byte) uint32
}

// memoryWater is the HighWater of an FS that was given none.
type memoryWater struct {
	mu    sync.Mutex // guards the fields below
	marks map[[32]byte]Mark
}

func newMemoryWater() *memoryWater { return &memoryWater{marks: make(map[[32]byte]Mark)} }

func (w *memoryWater) Mark(slot [32]byte) (Mark, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.marks[slot]
	return m, ok
}

func (w *memoryWater) Raise(m Mark) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := w.marks[m.Slot]; !ok || old.Before(m) {
		w.marks[m.Slot] = m
	}
}

func (w *memoryWater) NextEpoch([32]byte) uint32 { return 0 }
