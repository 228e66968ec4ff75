package filestore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	blockmemory "github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/raid1"
	"github.com/truckee-fs/truckee/blockstore/raid5"
)

// Where blocks are redundant, a member that gives other bytes, or none, is
// nothing that a reader hears of: neither in a stream nor in small parts, and
// ranges aren't checked below.
func TestReadersHearNothingOfADamagedMember(t *testing.T) {
	t.Parallel()
	quiet := slog.New(slog.DiscardHandler)
	layouts := map[string]func(ms []blockstore.Member) (blockstore.Store, error){
		"raid1": func(ms []blockstore.Member) (blockstore.Store, error) {
			return raid1.Open(context.Background(), ms[:2], raid1.Options{Log: quiet})
		},
		"raid5": func(ms []blockstore.Member) (blockstore.Store, error) {
			return raid5.Open(context.Background(), ms, raid5.Options{Log: quiet})
		},
	}
	data := make([]byte, 2<<20+12345)
	rand.Read(data)
	lies := map[string]blockstoretest.Lie{
		"flipped in the middle": blockstoretest.Flip(200_000), "flipped at the end": blockstoretest.Flip(-1),
		"cut short": blockstoretest.Truncate(100_000), "lost": blockstoretest.Drop,
	}
	for layout, open := range layouts {
		for name, lie := range lies {
			for victim := range 2 {
				var fs []*blockstoretest.Faulty
				var ms []blockstore.Member
				for i := range 3 {
					f := blockstoretest.NewFaulty(blockmemory.New())
					fs, ms = append(fs, f), append(ms, blockstore.Member{Name: fmt.Sprint(i), Store: f})
				}
				blocks, err := open(ms)
				if err != nil {
					t.Fatal(err)
				}
				s := newStorage(t)
				s.blocks = blocks
				writer, root := newTree(t, s.open())
				writer.put("file", data)
				fs[victim].LieAlways(lie)
				tr := mount(t, s.open(), root)
				f := tr.open("file", forReading)
				for _, off := range []int64{5, 1 << 20, 3_000, int64(len(data)) - 100, 1<<20 - 50} {
					part := make([]byte, 100)
					if _, err := f.ReadAt(t.Context(), part, off); err != nil || !bytes.Equal(part, data[off:off+100]) {
						t.Errorf("%s, member %d %s: read at %d: %v", layout, victim, name, off, err)
					}
				}
				f.Discard()
				tr.expect("file", data)
			}
		}
	}
}
