package drill

import (
	"bytes"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
)

// Crash puts from several goroutines while crash kills the server of s and
// starts it again, several times, and then holds the store to every put that was
// acknowledged. Meanwhile calls may be Unavailable, and nothing else; afterwards
// the same open store works.
func Crash(t *testing.T, s blockstore.Store, crash func()) {
	var mu sync.Mutex // guards acknowledged
	acknowledged := map[blockstore.ID][]byte{}
	for range 3 {
		var wg sync.WaitGroup
		over, many := make(chan struct{}), make(chan struct{})
		var once sync.Once
		for range 6 {
			wg.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-over:
						return
					default:
					}
					id, block := storecheck.Chunk(1 + n%3*60_000)
					err := s.Put(t.Context(), id, block)
					if k := kind.Of(err); err != nil && k != kind.Unavailable {
						t.Errorf("put: %v", err)
					}
					if err != nil {
						continue
					}
					mu.Lock()
					if acknowledged[id] = block; len(acknowledged)%30 == 0 {
						once.Do(func() { close(many) })
					}
					mu.Unlock()
				}
			})
		}
		<-many
		crash()
		close(over)
		wg.Wait()
	}
	// The first calls may meet connections of before.
	var listed int
	err := retry.Do(t.Context(), func() error {
		listed = 0
		for info, err := range s.List(t.Context(), blockstore.ID{}) {
			if err != nil {
				return err
			}
			if _, ok := acknowledged[info.ID]; ok {
				listed++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if listed != len(acknowledged) {
		t.Errorf("%d of %d acknowledged blocks are listed", listed, len(acknowledged))
	}
	for id, block := range acknowledged {
		got, err := retry.Value(t.Context(), func() ([]byte, error) { return s.Get(t.Context(), id) })
		if err != nil || !bytes.Equal(got, block) {
			t.Errorf("an acknowledged block is %d bytes, %v", len(got), err)
		}
	}
}
