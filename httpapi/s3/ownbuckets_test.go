package s3_test

import (
	"strings"
	"testing"
)

// An account lists the buckets of its root: those of one that had the same name, and
// another root, are nobody's to see here.
func TestBucketsAreListedByRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("before")
	w.addUser("ann") // has another root from now on
	w.bucket("since")
	list := string(w.do("ann", "GET", "/", nil).want(t, 200).body)
	if strings.Contains(list, "before") || !strings.Contains(list, "<Name>since</Name>") {
		t.Error(list)
	}
	w.do("ann", "GET", "/before", nil).want(t, 403, "AccessDenied")
}
