package filestore

import "sync"

// marks is the HighWater of an FS, which also tells who watches it what marks
// were before they were raised: a snapshot may be as old as the marks at its
// beginning, and no older.
type marks struct {
	HighWater

	mu       sync.Mutex // guards the field below, and holds Raise while there is a watch
	watching map[*markWatch]bool
}

// markWatch are the marks as they were when it began.
type markWatch struct {
	m   *marks
	was map[[32]byte]Mark // of slots that were raised since, zero: never seen before
}

func newMarks(w HighWater) *marks { return &marks{HighWater: w, watching: make(map[*markWatch]bool)} }

// Raise implements HighWater.
func (w *marks) Raise(m Mark) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for watch := range w.watching {
		if _, known := watch.was[m.Slot]; !known {
			watch.was[m.Slot], _ = w.HighWater.Mark(m.Slot)
		}
	}
	w.HighWater.Raise(m)
}

// watch begins to keep the marks as they are now.
func (w *marks) watch() *markWatch {
	w.mu.Lock()
	defer w.mu.Unlock()
	watch := &markWatch{m: w, was: make(map[[32]byte]Mark)}
	w.watching[watch] = true
	return watch
}

// end forgets them.
func (w *markWatch) end() {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	delete(w.m.watching, w)
}

// mark returns the mark that a slot had when the watch began; false if it had
// not been seen.
func (w *markWatch) mark(slot [32]byte) (Mark, bool) {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	if m, raised := w.was[slot]; raised {
		return m, m != Mark{}
	}
	return w.m.HighWater.Mark(slot)
}
