package swift_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
)

// A block that is put once more, as by whoever tries again, is there meanwhile.
func TestABlockIsThereWhileItIsPutAgain(t *testing.T) {
	t.Parallel()
	s := open(t, options(t))
	id, block := storecheck.Chunk(10_000)
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	var puts sync.WaitGroup
	for range 2 {
		puts.Go(func() {
			for range 20 {
				if err := s.Put(t.Context(), id, block); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { puts.Wait(); close(done) }()
	for n := 0; ; n++ {
		select {
		case <-done:
			t.Logf("read %d times", n)
			return
		default:
		}
		var got []byte
		var err error
		switch n % 3 {
		case 0:
			got, err = s.Get(t.Context(), id)
		case 1:
			got, err = blockstore.GetRange(t.Context(), s, id, 0, int64(len(block)))
		case 2:
			_, err = s.Stat(t.Context(), id)
			got = block
		}
		if err != nil || !bytes.Equal(got, block) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
}
