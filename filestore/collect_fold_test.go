package filestore_test

import (
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
)

// TestLongStreamSurvivesCheckAndCollection folds a stream's chunks into a tree
// while it runs: what a commit links of it is found by check, and kept.
func TestLongStreamSurvivesCheckAndCollection(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	fs.FoldAfter(4)
	tr, root := newTree(t, fs)
	want := random(5<<20+77, 1)
	tr.put("f", want)
	for range 2 {
		clock.Add(int64(10 * 24 * time.Hour))
		collect(t, fs, filestore.CollectOptions{Yes: true})
	}
	mount(t, s.gateway(), root).expect("f", want)
	expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
}
