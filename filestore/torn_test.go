package filestore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

// stamped gives contents that tell whether they are whole: 4 bytes that all the
// others follow from.
func stamped(seed uint32, n int) []byte {
	b := make([]byte, 8+n)
	binary.BigEndian.PutUint32(b, seed)
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	copy(b[8:], random(n, byte(seed)))
	return b
}

func whole(b []byte) bool {
	return len(b) >= 8 && bytes.Equal(b, stamped(binary.BigEndian.Uint32(b), int(binary.BigEndian.Uint32(b[4:]))%(1<<24)))
}

// TestNothingIsEverTorn has several gateways put, rename, remove and read the
// same few names at once, while the metastore loses races and replies. Whatever
// is read is whole, and check finds nothing wrong in the end.
func TestNothingIsEverTorn(t *testing.T) {
	t.Parallel()
	for _, sd := range seeds(1) {
		t.Run(fmt.Sprint("seed=", sd), func(t *testing.T) {
			t.Parallel()
			s := newStorage(t)
			fs := s.gateway()
			observer, root := newTree(t, fs)
			for _, d := range []string{"a", "b"} {
				observer.mkdir(d)
			}
			var g errgroup.Group
			for i := range 3 {
				f := metastoretest.NewFaulty(shared{s.meta}, sd+uint64(i))
				for _, fault := range []metastoretest.Fault{metastoretest.LoseRace, metastoretest.LostReply, metastoretest.Retry, metastoretest.FailRead} {
					f.Set(fault, 3)
				}
				tr := mount(t, s.open(func(o *filestore.Options) { o.Meta, o.ChunkSize, o.DraftBytes = f, 256<<10, 200<<10 }), root)
				for j := range 3 {
					rng := rand.New(rand.NewPCG(sd, uint64(10*i+j)))
					g.Go(func() error {
						for range 30 {
							if err := tornStep(t.Context(), tr.Tree, rng, j); err != nil {
								return err
							}
						}
						return nil
					})
				}
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			all, err := dump(t.Context(), observer.Tree)
			if err != nil {
				t.Fatal(err)
			}
			for p, c := range all {
				if c != "/" && !whole([]byte(c[1:])) {
					t.Errorf("%s is torn", p)
				}
			}
			expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
		})
	}
}

// tornStep does one thing. Errors that others' work explains are none.
func tornStep(ctx context.Context, t *filestore.Tree, rng *rand.Rand, session int) error {
	name := func() filestore.Path {
		return path([...]string{"", "a/", "b/"}[rng.IntN(3)] + [...]string{"x", "y", "z"}[rng.IntN(3)])
	}
	var err error
	p := name()
	switch rng.IntN(5) {
	case 0, 1:
		n := [...]int{10, 5000, 60_000, 600_000}[rng.IntN(4)]
		if rng.IntN(2) == 0 {
			// In place: cut to zero and written anew. On the same node that may be
			// seen half way and mixed, as POSIX says, so only one session of each
			// gateway does it to a name, and nobody reads it before the end.
			p = path(fmt.Sprint("in place ", session))
			err = put(ctx, t, p, stamped(rng.Uint32(), n))
			break
		}
		tmp := path(fmt.Sprint("tmp-", rng.Uint64()))
		if err = put(ctx, t, tmp, stamped(rng.Uint32(), n)); err == nil {
			err = t.Rename(ctx, tmp, p, filestore.Replace)
		}
	case 2:
		err = t.Rename(ctx, p, name(), filestore.Replace)
	case 3:
		err = t.Remove(ctx, p)
	case 4:
		var got []byte
		if got, err = slurp(ctx, t, p); err == nil && !whole(got) {
			return fmt.Errorf("%v is torn: %d bytes", p, len(got))
		}
	}
	switch kind.Of(err) {
	case 0, kind.NotExist, kind.Unavailable, kind.Conflict:
		return nil
	}
	if errors.Is(err, kind.Canceled) {
		return nil
	}
	return fmt.Errorf("%v: %w", p, err)
}
