package filestore_test

import (
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
)

// How old an object is says the gateway's clock: when its contents came, or when it
// came into the bucket, and for a version when it was replaced.
func TestAgesAreByTheGatewaysClock(t *testing.T) {
	t.Parallel()
	b, tr := versionedBucket(t)
	long := filestore.Attr{Set: filestore.AttrMtime, Mtime: time.Unix(1e9, 0)}
	began := time.Now()
	age := func(name string, at time.Time) {
		t.Helper()
		if at.Before(began) || at.After(time.Now()) {
			t.Errorf("%s: %v", name, at)
		}
	}
	retime := func(p string) {
		t.Helper()
		if err := tr.SetAttr(t.Context(), path(p), long, true); err != nil {
			t.Fatal(err)
		}
	}
	tr.put("b/k", []byte("first"))
	if o := b.stat("k"); !o.Placed.IsZero() {
		t.Errorf("by no time of a client's: %v", o.Placed)
	}
	retime("b/k")
	retime("b/k") // what is kept is when the contents came, and not another time of the client's
	if o := b.stat("k"); !o.Mtime.Equal(long.Mtime) {
		t.Errorf("mtime %v", o.Mtime)
	} else {
		age("retimed", o.Placed)
	}
	tr.put("b/k", []byte("second"))
	if o := b.stat("k"); !o.Placed.IsZero() {
		t.Errorf("written anew: %v", o.Placed)
	}
	tr.put("outside", []byte("third"))
	retime("outside")
	tr.rename("outside", "b/k")
	age("moved in", b.stat("k").Placed)
	page, err := b.ListVersions(t.Context(), filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 10}})
	if err != nil || len(page.Items) != 3 {
		t.Fatalf("%d versions, %v", len(page.Items), err)
	}
	for i, item := range page.Items {
		if item.Object.Latest != item.Object.Superseded.IsZero() {
			t.Errorf("version %d: %v", i, item.Object.Superseded)
		}
		if !item.Object.Latest {
			age("superseded", item.Object.Superseded)
		}
	}
	if _, err := b.DeleteObject(t.Context(), "k", page.Items[0].Object.Version, filestore.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if o := b.stat("k"); !o.Superseded.IsZero() {
		t.Errorf("what is current again: %v", o.Superseded)
	}
}
