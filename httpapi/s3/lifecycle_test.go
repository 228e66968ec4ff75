package s3_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3"
	"github.com/truckee-fs/truckee/httpapi/s3/lifecycle"
)

// lifecyclePass is a pass at the server's time. Its days are well inside of the clock
// skew that signatures may have.
func lifecyclePass(w *world) *lifecycle.Pass {
	return &lifecycle.Pass{Files: w.fs, Day: time.Minute, Now: w.server.Now}
}

func TestAPassOfLifecycles(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWorld(t, func(s *s3.Server) { s.Now = func() time.Time { return now } })
	rules := []byte(`<LifecycleConfiguration><Rule><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>
		<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>`)
	for _, bucket := range []string{"plain", "versioned"} {
		w.bucket(bucket)
		w.do("ann", "PUT", "/"+bucket+"?lifecycle", rules).want(t, 200)
	}
	w.do("ann", "PUT", "/versioned?versioning", []byte("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")).want(t, 200)
	w.put("plain", "tmp/a", "old")
	w.put("plain", "keep", "old")
	w.do("ann", "POST", "/plain/tmp/u?uploads", nil).want(t, 200)
	w.put("versioned", "tmp/a", "first")
	w.put("versioned", "tmp/a", "second")
	pass := func(want lifecycle.Ended) {
		t.Helper()
		done, err := lifecyclePass(w).Run(t.Context())
		want.Buckets = 2
		if err != nil || done != want {
			t.Errorf("%+v, %v; want %+v", done, err, want)
		}
	}
	pass(lifecycle.Ended{})
	now = now.Add(90 * time.Second)
	// The first version stood until the second one came: both are over.
	pass(lifecycle.Ended{Objects: 2, Versions: 1, Bytes: int64(len("old") + len("first"))})
	w.get("plain", "tmp/a").want(t, 404)
	w.get("plain", "keep").want(t, 200)
	w.get("versioned", "tmp/a").want(t, 404)
	now = now.Add(time.Minute)
	pass(lifecycle.Ended{Versions: 1, Uploads: 1, Bytes: int64(len("second"))})
	now = now.Add(time.Minute)
	pass(lifecycle.Ended{Versions: 1}) // the marker, which hides nothing any more
	pass(lifecycle.Ended{})
	if r := w.do("ann", "GET", "/versioned?versions", nil); strings.Contains(string(r.body), "tmp/a") {
		t.Errorf("%s", r.body)
	}
}

// What is locked stays, and the pass goes on with the rest.
func TestAPassLeavesWhatIsLocked(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWorld(t, func(s *s3.Server) { s.Now = func() time.Time { return now } })
	w.bucket("bkt", "X-Amz-Bucket-Object-Lock-Enabled", "true")
	w.do("ann", "PUT", "/bkt?lifecycle", []byte(`<LifecycleConfiguration><Rule><Filter/><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>`)).want(t, 200)
	w.put("bkt", "held", "x", "X-Amz-Object-Lock-Legal-Hold", "ON")
	w.put("bkt", "held", "y")
	w.put("bkt", "free", "x")
	w.put("bkt", "free", "y")
	now = now.Add(2 * time.Minute)
	if done, err := lifecyclePass(w).Run(t.Context()); err != nil || done.Versions != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	b, err := w.fs.Bucket(t.Context(), "bkt")
	if err != nil {
		t.Fatal(err)
	}
	page, err := b.ListVersions(t.Context(), filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: 10}})
	if err != nil || len(page.Items) != 3 {
		t.Errorf("%d versions, %v", len(page.Items), err)
	}
	if r := w.do("ann", "GET", "/bkt/held", nil); r.StatusCode != http.StatusOK {
		t.Errorf("%d", r.StatusCode)
	}
}

// What a lifecycle ends is as old as this server knows it to be, whatever times a
// client of SFTP sets: a file that is copied in with its old time stays as long as any
// other, and so does the version that it replaces.
func TestLifecyclesDoNotBelieveTimesOfFiles(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWorld(t, func(s *s3.Server) { s.Now = func() time.Time { return now } })
	for bucket, rule := range map[string]string{
		"plain":     "<Expiration><Days>1</Days></Expiration>",
		"versioned": "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>",
	} {
		w.bucket(bucket)
		w.do("ann", "PUT", "/"+bucket+"?lifecycle", []byte("<LifecycleConfiguration><Rule><Filter/><Status>Enabled</Status>"+rule+"</Rule></LifecycleConfiguration>")).want(t, 200)
	}
	w.do("ann", "PUT", "/versioned?versioning", []byte("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")).want(t, 200)
	tree := w.tree("ann")
	old := filestore.Attr{Set: filestore.AttrMtime, Mtime: time.Date(2001, 9, 9, 0, 0, 0, 0, time.UTC)}
	write := func(bucket, key string, timed bool) {
		t.Helper()
		f, err := tree.Open(t.Context(), filestore.Path{bucket, key}, filestore.OpenOptions{Write: true, Create: true, Truncate: true})
		if err == nil {
			_, err = f.WriteAt(t.Context(), []byte("data"), 0)
		}
		if err == nil && timed {
			err = f.SetAttr(t.Context(), old)
		}
		if err == nil {
			err = f.Close(t.Context())
		}
		if err == nil && !timed {
			err = tree.SetAttr(t.Context(), filestore.Path{bucket, key}, old, true)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"a", "b", "c"} {
		w.put("plain", key, "by S3")
		w.put("versioned", key, "by S3")
	}
	write("plain", "a", true)  // times by the handle
	write("plain", "b", false) // times by the path
	write("plain", "d", true)
	write("versioned", "a", true)
	write("versioned", "b", false)
	if err := tree.SetAttr(t.Context(), filestore.Path{"plain", "c"}, old, true); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", "c", "d"} {
		h := w.do("ann", "HEAD", "/plain/"+key, nil).want(t, 200).Header
		if h.Get("Last-Modified") != "Sun, 09 Sep 2001 00:00:00 GMT" || strings.Contains(h.Get("X-Amz-Expiration"), "2001") || h.Get("X-Amz-Expiration") == "" {
			t.Errorf("%s: %q, %q", key, h.Get("Last-Modified"), h.Get("X-Amz-Expiration"))
		}
	}
	pass := func(want lifecycle.Ended) {
		t.Helper()
		done, err := lifecyclePass(w).Run(t.Context())
		done.Bytes, want.Buckets = 0, 2
		if err != nil || done != want {
			t.Errorf("%+v, %v; want %+v", done, err, want)
		}
	}
	pass(lifecycle.Ended{})
	now = now.Add(90 * time.Second)
	pass(lifecycle.Ended{Objects: 4, Versions: 2})
}

// The least size of transitions comes back as it was put, by a header: Terraform's
// resource waits for that. It goes with the rules.
func TestTheLeastSizeOfTransitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	const header = "X-Amz-Transition-Default-Minimum-Object-Size"
	rules := []byte(`<LifecycleConfiguration><Rule><Filter/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`)
	for _, tt := range [][2]string{
		{"", "all_storage_classes_128K"},
		{"varies_by_storage_class", "varies_by_storage_class"},
		{"", "all_storage_classes_128K"},
		{"all_storage_classes_128K", "all_storage_classes_128K"},
	} {
		var more []string
		if tt[0] != "" {
			more = []string{header, tt[0]}
		}
		if got := w.do("ann", "PUT", "/bkt?lifecycle", rules, more...).want(t, 200).Header.Get(header); got != tt[1] {
			t.Errorf("put with %q: %q", tt[0], got)
		}
		if got := w.do("ann", "GET", "/bkt?lifecycle", nil).want(t, 200).Header.Get(header); got != tt[1] {
			t.Errorf("put with %q, got: %q", tt[0], got)
		}
	}
	w.do("ann", "PUT", "/bkt?lifecycle", rules, header, "tiny").want(t, 400, "InvalidArgument")
	w.do("ann", "DELETE", "/bkt?lifecycle", nil).want(t, 204)
	if got := w.do("ann", "GET", "/bkt?lifecycle", nil).want(t, 404).Header.Get(header); got != "" {
		t.Errorf("without rules: %q", got)
	}
}

// As many rules as there may be can be put, and one more can't.
func TestALifecycleOfManyRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	rules := func(n int) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "<Rule><ID>the rule of team %d</ID><Filter><Prefix>teams/%d/scratch/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>7</Days></Expiration></Rule>", i, i)
		}
		return []byte("<LifecycleConfiguration>" + b.String() + "</LifecycleConfiguration>")
	}
	w.do("ann", "PUT", "/bkt?lifecycle", rules(1001)).want(t, 400, "MalformedXML")
	w.do("ann", "PUT", "/bkt?lifecycle", rules(1000)).want(t, 200)
	w.put("bkt", "teams/999/scratch/x", "x")
	if got := w.do("ann", "HEAD", "/bkt/teams/999/scratch/x", nil).Header.Get("X-Amz-Expiration"); !strings.Contains(got, "999") {
		t.Errorf("%q", got)
	}
}
