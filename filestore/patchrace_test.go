package filestore_test

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Handles of two gateways write pages of the same chunks and commit them all the time,
// and streams read beside them: every page is always one that was written, and in
// the end the last.
func TestPatchesOfManyWritersAtOnce(t *testing.T) {
	t.Parallel()
	const chunk, size, page, writers, rounds = 256 << 10, 1 << 20, 4096, 4, 12
	s := newStorage(t)
	a := s.gateway(smallChunks)
	root := newMulti(t, a).root
	gateways := []*filestore.FS{a, s.gateway(smallChunks)}
	trees := []tree{mount(t, a, root), mount(t, gateways[1], root)}
	trees[0].put("bucket/f", make([]byte, size))
	var g errgroup.Group
	want := make([]byte, size)
	for w := range writers {
		f := trees[w%2].open("bucket/f", forWriting)
		g.Go(func() error {
			for i := range rounds {
				for c := range size / chunk {
					at := c*chunk + (i%3*writers+w)*2*page
					p := bytes.Repeat([]byte{byte(1 + i*writers + w)}, page)
					if _, err := f.WriteAt(t.Context(), p, int64(at)); err != nil {
						return err
					}
					copy(want[at:], p)
				}
				err := f.Sync(t.Context())
				for kind.Of(err) == kind.Conflict { // the other gateway was faster each time
					err = f.Sync(t.Context())
				}
				if err != nil {
					return err
				}
			}
			return f.Close(t.Context())
		})
	}
	for r := range 2 {
		g.Go(func() error {
			b, err := gateways[r].Bucket(t.Context(), "bucket")
			if err != nil {
				return err
			}
			for range rounds {
				o, err := b.Open(t.Context(), "f", filestore.VersionID{})
				if err != nil {
					return err
				}
				got := make([]byte, size)
				stream := o.Stream(t.Context(), 0, size)
				for n, at := 0, 0; at < size && err == nil; at += n {
					n, err = stream.Read(t.Context(), got[at:])
				}
				stream.Close()
				o.Close()
				if err != nil {
					return err
				}
				for at := 0; at < size; at += page {
					if p := got[at : at+page]; !bytes.Equal(p, bytes.Repeat(p[:1], page)) {
						return fmt.Errorf("the page at %d is of two writes", at)
					}
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, tr := range trees {
		tr.expect("bucket/f", want)
	}
	mount(t, s.gateway(), root).expect("bucket/f", want)
	expectWhole(t, a, filestore.NamedTree{Name: "test", Cap: root})
}
