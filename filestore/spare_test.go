package filestore

import (
	"testing"
	"testing/synctest"
	"time"
)

// Memory is used again, never by two at a time, at most so much is kept, and what
// nobody needed for a while is let go.
func TestSpareMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &spare{most: 3}
		kept := func() (n int, looking bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.free), s.looking
		}
		if s.get() != nil {
			t.Error("there is memory before any was given")
		}
		pieces := map[*byte]bool{}
		for range 5 {
			p := make([]byte, 10)
			pieces[&p[0]] = true
			s.put(p)
		}
		for range 3 {
			p := s.get()
			if p == nil || !pieces[&p[0]] {
				t.Fatal("what was given isn't there, or was given twice")
			}
			delete(pieces, &p[0])
		}
		if s.get() != nil {
			t.Error("more is kept than may be")
		}
		for range 3 {
			s.put(make([]byte, 10))
		}
		time.Sleep(spareTime) // the look that the first put began sees that all was used
		synctest.Wait()
		p := s.get()
		s.put(p)
		time.Sleep(spareTime)
		synctest.Wait()
		if n, _ := kept(); n != 1 {
			t.Errorf("%d pieces are kept of three, one of which was used", n)
		}
		time.Sleep(2 * spareTime)
		synctest.Wait()
		if n, looking := kept(); n != 0 || looking {
			t.Errorf("%d pieces are kept that nobody uses", n)
		}
		s.put(make([]byte, 10))
		time.Sleep(3 * spareTime)
		synctest.Wait()
		if n, _ := kept(); n != 0 {
			t.Error("after a pause memory isn't let go any more")
		}
	})
}
