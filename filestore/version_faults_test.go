package filestore_test

import (
	"fmt"
	"strings"
	gosync "sync"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

// Commits that lose races, and whose answers or calls are lost, make each version
// once: what was acknowledged is there by its id, and nothing was made twice.
func TestVersionsUnderLostReplies(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { t.Parallel(); versionsUnderLostReplies(t, seed) })
	}
}

func versionsUnderLostReplies(t *testing.T, seed uint64) {
	s := newStorage(t)
	faulty := metastoretest.NewFaulty(shared{s.meta}, seed)
	fs := s.open(func(o *filestore.Options) { o.Meta = faulty })
	tr, root := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	b.setVersioning(filestore.VersioningEnabled)
	for fault, percent := range map[metastoretest.Fault]int{
		metastoretest.LoseRace: 10, metastoretest.LostReply: 15, metastoretest.LostCall: 10, metastoretest.Retry: 10,
	} {
		faulty.Set(fault, percent)
	}
	type made struct {
		key, data string
		marker    bool
	}
	var mu gosync.Mutex
	acked, failed := make(map[string]made), make(map[string]bool) // by "key id"; by data
	var wg gosync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 20 {
				m := made{key: fmt.Sprintf("d/%d", n%2), data: strings.Repeat("x", 1+i*20+n)}
				var id filestore.VersionID
				var err error
				if m.marker = i == 3 && n%3 == 0; m.marker {
					var d filestore.Deleted
					d, err = b.DeleteObject(t.Context(), m.key, filestore.VersionID{}, filestore.DeleteOptions{})
					id = d.Version
				} else {
					var o filestore.Object
					o, err = b.tryPut(m.key, []byte(m.data), filestore.ObjectMeta{}, filestore.CommitOptions{})
					id = o.Version
				}
				mu.Lock()
				if err != nil {
					failed[m.data] = true
				} else {
					acked[m.key+" "+id.String()] = m
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	faulty.Heal()
	there := make(map[int64]int) // by size, which is a version's own
	page, err := b.ListVersions(t.Context(), filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 1000}})
	must(t, err)
	for _, i := range page.Items {
		o := i.Object
		m, is := acked[o.Key+" "+o.Version.String()]
		if is && (m.marker != o.DeleteMarker || !m.marker && int64(len(m.data)) != o.Size) {
			t.Errorf("version %v of %s is not what was acknowledged by that id", o.Version, o.Key)
		}
		if is {
			delete(acked, o.Key+" "+o.Version.String())
		} else if !o.DeleteMarker && !failed[strings.Repeat("x", int(o.Size))] {
			t.Errorf("a version of %d bytes that nobody has been told of", o.Size)
		}
		if !o.DeleteMarker {
			there[o.Size]++
		}
	}
	for what := range acked {
		t.Errorf("%s was acknowledged and isn't there", what)
	}
	for size, n := range there {
		if n > 1 {
			t.Errorf("the put of %d bytes made %d versions", size, n)
		}
	}
	r, err := fs.Check(t.Context(), filestore.CheckOptions{Deep: true, Recount: true, Trees: []filestore.NamedTree{{Name: "t", Cap: root}}})
	if err != nil || !r.Whole() || len(r.Recounts) > 0 {
		t.Errorf("check: %+v, %v", r, err)
	}
}
