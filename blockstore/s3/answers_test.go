package s3

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// scripted is a store at a server that answers as the handler says.
func scripted(t *testing.T, h http.HandlerFunc) *Store {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	s, err := open(t.Context(), &Options{Endpoint: server.URL, Bucket: "b", Key: "the-access-key", Secret: "the-secret-key"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
}

func TestKindsOfAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		code   string
		want   kind.Kind
	}{
		{404, "NoSuchKey", kind.NotExist},
		{404, "NoSuchBucket", kind.Unavailable},
		{403, "AccessDenied", kind.Denied},
		{403, "InvalidAccessKeyId", kind.Denied},
		{403, "SignatureDoesNotMatch", kind.Denied},
		{403, "RequestTimeTooSkewed", kind.Unavailable},
		{403, "QuotaExceeded", kind.NoSpace},
		{400, "ExpiredToken", kind.Denied},
		{400, "BadDigest", kind.Unavailable},
		{400, "RequestTimeout", kind.Unavailable},
		{400, "InvalidRequest", kind.Invalid},
		{409, "OperationAborted", kind.Unavailable},
		{413, "EntityTooLarge", kind.TooLarge},
		{429, "TooManyRequests", kind.Unavailable},
		{500, "InternalError", kind.Unavailable},
		{501, "NotImplemented", kind.Unsupported},
		{503, "SlowDown", kind.Unavailable},
		{503, "ServiceUnavailable", kind.Unavailable},
		{507, "XMinioStorageFull", kind.NoSpace},
		{507, "InsufficientStorage", kind.NoSpace},
		{301, "PermanentRedirect", kind.Invalid},
	} {
		s := scripted(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			refuse(w, tt.status, tt.code, "you said the-access-key and the-secret-key")
		})
		id, block := storecheck.Chunk(100)
		_, get := s.Get(t.Context(), id)
		_, stat := s.Stat(t.Context(), id)
		for op, err := range map[string]error{"put": s.Put(t.Context(), id, block), "get": get, "stat": stat} {
			if kind.Of(err) != tt.want {
				t.Errorf("%s, %d %s: %v, want kind %v", op, tt.status, tt.code, err, tt.want)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "the-access") || strings.Contains(text, "the-secret") {
				t.Errorf("%s, %d %s: %q shows a credential", op, tt.status, tt.code, text)
			}
		}
	}
}

// A wrong clock is told as such, and not as wrong credentials.
func TestAWrongClock(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, 403, clockCode, "The difference between the request time and the current time is too large.")
	}))
	t.Cleanup(server.Close)
	_, err := Open(t.Context(), Options{Endpoint: server.URL, Region: "r", Bucket: "b", Key: "k", Secret: "s"})
	if kind.Of(err) != kind.Unavailable || !strings.Contains(err.Error(), "the clock of this machine") {
		t.Errorf("got %v", err)
	}
}

// A server that stops at a header which it doesn't know gets it once.
func TestGoesOnWithoutChecksums(t *testing.T) {
	t.Parallel()
	var refused, taken atomic.Int32
	s := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.Header.Get("X-Amz-Checksum-Crc32c") != "" {
			refused.Add(1)
			refuse(w, 501, "NotImplemented", "A header you provided implies functionality that is not implemented")
			return
		}
		if taken.Add(1); len(body) < 100 || err != nil {
			t.Errorf("%d bytes, %v", len(body), err)
		}
	})
	for range 3 {
		id, block := storecheck.Chunk(100)
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
	}
	if refused.Load() != 1 || taken.Load() != 3 {
		t.Errorf("%d puts refused, %d taken", refused.Load(), taken.Load())
	}
}

func TestDeletesOneByOneWhereThereAreNoBatches(t *testing.T) {
	t.Parallel()
	var batches, singles atomic.Int32
	s := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			batches.Add(1)
			if r.Header.Get("Content-Md5") == "" {
				t.Error("a batch without MD5")
			}
			refuse(w, 501, "NotImplemented", "no")
			return
		}
		singles.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
	ids := make([]blockstore.ID, 20)
	for i := range ids {
		ids[i], _ = storecheck.Chunk(i + 1)
	}
	for range 2 {
		if err := s.DeleteBatch(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
	}
	if batches.Load() != 1 || singles.Load() != 40 {
		t.Errorf("%d batches, %d single deletes", batches.Load(), singles.Load())
	}
}

// What a batch could not delete is told, with its kind; what was absent is not.
func TestBatchTellsWhatItCouldNotDelete(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]kind.Kind{"AccessDenied": kind.Denied, "InternalError": kind.Unavailable, "NoSuchKey": 0} {
		s := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `<DeleteResult><Error><Key>blocks/00/00</Key><Code>%s</Code><Message>for the-secret-key</Message></Error></DeleteResult>`, code)
		})
		err := s.DeleteBatch(t.Context(), []blockstore.ID{{1}})
		if kind.Of(err) != want || err != nil && strings.Contains(err.Error(), "the-secret") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// Servers that know no ranges, list in their own order, or say nonsense about
// sizes harm nobody.
func TestOddServers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	id, block := storecheck.Chunk(5000)

	s := scripted(t, func(w http.ResponseWriter, _ *http.Request) { // no ranges
		w.Header().Set("Content-Length", strconv.Itoa(len(block)))
		_, _ = w.Write(block)
	})
	if part, err := s.GetRange(ctx, id, 100, 50); err != nil || string(part) != string(block[100:150]) {
		t.Errorf("range from a server without: %d bytes, %v", len(part), err)
	}
	if part, err := s.GetRange(ctx, id, 1<<20, 50); err != nil || len(part) != 0 {
		t.Errorf("range past the end from a server without: %d bytes, %v", len(part), err)
	}
	if info, err := s.Stat(ctx, id); err != nil || info.Size != int64(len(block)) {
		t.Errorf("stat at a server without ranges: %v, %v", info, err)
	}

	s = scripted(t, func(w http.ResponseWriter, _ *http.Request) { // more than was asked for
		w.Header().Set("Content-Range", "bytes 0-99999999/100000000")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(make([]byte, 1000))
	})
	if part, err := s.GetRange(ctx, id, 0, 10); kind.Of(err) != kind.Corrupt {
		t.Errorf("a longer range than asked for: %d bytes, %v", len(part), err)
	}

	s = scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "9000000000")
		w.WriteHeader(http.StatusOK)
	})
	if data, err := s.Get(ctx, id); kind.Of(err) != kind.Corrupt {
		t.Errorf("an endless block: %d bytes, %v", len(data), err)
	}

	low, high := blockstore.ID{1}, blockstore.ID{2}
	s = scripted(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<ListBucketResult><Contents><Key>blocks/02/%v</Key><Size>5</Size></Contents><Contents><Key>blocks/01/%v</Key><Size>5</Size></Contents></ListBucketResult>`, high, low)
	})
	var last error
	for _, err := range s.List(ctx, blockstore.ID{}) {
		last = err
	}
	if kind.Of(last) != kind.Unsupported {
		t.Errorf("a list out of order: %v", last)
	}

	for _, token := range []string{"", "<NextContinuationToken>again</NextContinuationToken>"} {
		s = scripted(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<ListBucketResult><IsTruncated>true</IsTruncated>"+token+"</ListBucketResult>")
		})
		last = nil
		for _, err := range s.List(ctx, blockstore.ID{}) {
			last = err
		}
		if kind.Of(last) != kind.Unavailable {
			t.Errorf("a list that never ends: %v", last)
		}
	}
}
