package s3_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3"
	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
)

// recorder keeps records, or fails to.
type recorder struct {
	mu     sync.Mutex
	all    []audit.Record
	ready  error
	record error
}

// Digests has the SHA-256 of what is written recorded.
func (*recorder) Digests() bool { return true }

func (r *recorder) Ready() error { return r.ready }

func (r *recorder) Record(rec audit.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, rec)
	return r.record
}

func (r *recorder) last() audit.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == 0 {
		return audit.Record{}
	}
	return r.all[len(r.all)-1]
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// Each request has one record, whatever comes of it.
func TestRecords(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	w := newWorld(t, func(s *s3.Server) { s.Audit = rec })
	put := func(header ...string) { w.do("ann", "PUT", "/data/a%20b", []byte("hello"), header...) }
	tests := []struct {
		do   func()
		want string // service, op, request, account, path, read, written, outcome
	}{
		{func() { w.do("ann", "PUT", "/data", nil) }, "s3 mkdir CreateBucket ann /data 0 0 ok"},
		{func() { put() }, "s3 write PutObject ann /data/a b 0 5 ok"},
		{func() { put("If-None-Match", "*") }, "s3 write PutObject ann /data/a b 0 0 precondition"},
		{func() { put("Content-Md5", md5Of("other")) }, "s3 write PutObject ann /data/a b 0 0 invalid"},
		{func() { w.get("data", "a b", "Range", "bytes=1-3") }, "s3 read GetObject ann /data/a b 3 0 ok"},
		{func() { w.get("data", "none") }, "s3 read GetObject ann /data/none 0 0 not_exist"},
		{func() { w.do("bob", "GET", "/data/a%20b", nil) }, "s3 read GetObject bob /data/a b 0 0 denied"},
		{func() { w.do("", "GET", "/data/a%20b", nil) }, "s3 read GetObject  /data/a b 0 0 denied"},
		{func() { w.do("ann", "GET", "/data", nil) }, "s3 list ListObjects ann /data 0 0 ok"},
		{func() { w.do("ann", "PUT", "/data/c", nil, "X-Amz-Copy-Source", "/data/a%20b") }, "s3 copy CopyObject ann /data/a b 5 0 ok"},
		{func() { w.do("ann", "DELETE", "/data/c", nil) }, "s3 remove DeleteObject ann /data/c 0 0 ok"},
		{func() {
			w.do("", "GET", "/data?nonsense", nil, "Authorization", "AWS4-HMAC-SHA256 Credential=KEYANN/20260101/r/s3/aws4_request,SignedHeaders=host,Signature="+strings.Repeat("0", 64), "X-Amz-Date", "20260101T000000Z")
		}, "s3 refused  KEYANN /data 0 0 denied"},
		// What is refused before it is known what it wants.
		{func() { w.do("", "PUT", "/data/%ff?X-Amz-Signature=secret", nil).want(t, 400, "InvalidURI") }, "s3 refused   /data/%ff 0 0 invalid"},
		{func() { w.do("ann", "GET", "/data/"+strings.Repeat("k", 5000), nil).want(t, 400, "KeyTooLongError") }, "s3 refused   /data/" + strings.Repeat("k", 3194) + " 0 0 invalid"},
		{func() { w.do("ann", "PATCH", "/data/a", nil).want(t, 405, "MethodNotAllowed") }, "s3 refused  ann /data/a 0 0 invalid"},
	}
	for i, tt := range tests {
		tt.do()
		r := rec.last()
		got := fmt.Sprint(r.Service, " ", r.Op, " ", r.Request, " ", r.Account, " ", r.Path, " ", r.Read, " ", r.Written, " ", audit.Outcome(r.Err))
		if got != tt.want || rec.count() != i+1 {
			t.Errorf("%d records, the last %q, want %q", rec.count(), got, tt.want)
		}
		if r.Session == "" || r.Remote == "" {
			t.Errorf("no session or remote: %+v", r)
		}
	}
	before := rec.count()
	w.do("ann", "POST", "/data?delete", []byte("<Delete><Object><Key>one</Key></Object><Object><Key>two</Key><VersionId>null</VersionId></Object></Delete>")).want(t, 200)
	w.do("bob", "POST", "/data?delete", []byte("<Delete><Object><Key>a b</Key></Object></Delete>")).want(t, 200)
	w.do("", "POST", "/data?delete", []byte("<Delete><Object><Key>a b</Key></Object></Delete>")).want(t, 200)
	var many []string
	for _, r := range rec.all[before:] {
		many = append(many, strings.TrimSpace(fmt.Sprint(r.Request, " ", r.Account, " ", r.Path, " ", audit.Outcome(r.Err), " ", r.Detail)))
	}
	slices.Sort(many)
	if got, want := strings.Join(many, "; "), "DeleteObjects  /data ok; DeleteObjects ann /data ok; DeleteObjects ann /data/one ok; "+
		"DeleteObjects ann /data/two ok version null; DeleteObjects bob /data ok; DeleteObjects bob /data/a b denied"; got != want {
		t.Errorf("records of many deletions: %s", got)
	}
	rec.record = kind.Unavailable
	w.do("ann", "PUT", "/data/k", []byte("x")).want(t, 503, "SlowDown")
	rec.ready = kind.Unavailable
	w.do("ann", "GET", "/data/k", nil).want(t, 503, "SlowDown")
}

// A SHA-256 that the client named, and that was checked, stands in the record of
// what was written by it; nothing is hashed for the record's sake.
func TestRecordsOfDigests(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	w := newWorld(t, plainKeys, func(s *s3.Server) { s.Audit = rec })
	w.do("ann", "PUT", "/data", nil)
	sum := sha256.Sum256([]byte("hello"))
	named := fmt.Sprintf("sha256:%x", sum)
	for _, tt := range []struct {
		header []string
		want   string
	}{
		{[]string{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"}, ""},
		{[]string{"X-Amz-Content-Sha256", hex.EncodeToString(sum[:])}, named},
		{[]string{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum[:])}, named},
		{[]string{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "X-Amz-Checksum-Crc32", "NhCmhg=="}, ""},
	} {
		w.do("ann", "PUT", "/data/f", []byte("hello"), tt.header...).want(t, 200)
		if got := rec.last().Digest; got != tt.want {
			t.Errorf("%v: digest %q, want %q", tt.header, got, tt.want)
		}
	}
	// Of what a client's key hides nothing stands anywhere that guesses could be held against.
	w.do("ann", "PUT", "/data/f", []byte("hello"), sealed(sealPrefix, strings.Repeat("k", 32))...).want(t, 200)
	if got := rec.last().Digest; got != "" {
		t.Errorf("under a client's key: digest %q", got)
	}
}
