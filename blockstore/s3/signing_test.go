package s3

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// puts makes so many puts at a server and returns the requests that it saw: "s"
// with a signed body, "u" with an unsigned one, "w" with a wrong checksum.
func puts(t *testing.T, n int, h func(seen string, w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	var mu sync.Mutex // guards seen
	var seen strings.Builder
	s := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
		how := "s"
		if r.Header.Get("X-Amz-Content-Sha256") == "UNSIGNED-PAYLOAD" {
			how = "u"
		}
		if r.Header.Get("X-Amz-Checksum-Crc32c") != base64.StdEncoding.EncodeToString(sum) {
			if how += "w"; how != "uw" {
				t.Error("a wrong checksum with a signed body")
			}
			how = "w"
		}
		if !strings.Contains(r.Header.Get("Authorization"), "x-amz-checksum-crc32c") {
			t.Error("the signature leaves out the checksum")
		}
		mu.Lock()
		seen.WriteString(how)
		before := seen.String()
		mu.Unlock()
		h(before, w, r)
	})
	for range n {
		id, block := storecheck.Chunk(5000)
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Error(err)
		}
	}
	return seen.String()
}

func tell(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amz-Checksum-Crc32c", r.Header.Get("X-Amz-Checksum-Crc32c"))
}

// Without TLS a body is hashed for the signature until the server has proved that
// it makes another check of it.
func TestBodiesAreSignedUntilTheServerChecksThem(t *testing.T) {
	t.Parallel()
	type serve = func(seen string, w http.ResponseWriter, r *http.Request)
	checks := func(bare serve) serve { // refuses a wrong checksum
		return func(seen string, w http.ResponseWriter, r *http.Request) {
			switch seen[len(seen)-1] {
			case 'w':
				refuse(w, 400, "BadDigest", "The CRC32C you specified did not match what we received.")
			case 'u':
				bare(seen, w, r)
			default:
				tell(w, r)
			}
		}
	}
	nothing := func(string, http.ResponseWriter, *http.Request) {}
	for _, tt := range []struct {
		name, want string // of the requests for puts 1, 2 …
		serve      serve
	}{
		{"knows no checksums", "s s s", nothing},
		{"tells another checksum", "s s s", func(_ string, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Checksum-Crc32c", "AAAAAA==")
		}},
		{"checks", "sws u u", checks(func(_ string, w http.ResponseWriter, r *http.Request) { tell(w, r) })},
		{"tells what it was told, unchecked", "sws s s", func(_ string, w http.ResponseWriter, r *http.Request) { tell(w, r) }},
		{"wants signatures", "sws s s", func(seen string, w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(seen, "w") {
				refuse(w, 403, "AccessDenied", "Payload must be signed")
				return
			}
			tell(w, r)
		}},
		{"is away when it is asked", "sws sws u", func(seen string, w http.ResponseWriter, r *http.Request) {
			if seen == "sw" {
				refuse(w, 503, "SlowDown", "Later")
				return
			}
			checks(func(_ string, w http.ResponseWriter, r *http.Request) { tell(w, r) })(seen, w, r)
		}},
		{"checks, and comes to want signatures", "sws us s", checks(func(_ string, w http.ResponseWriter, _ *http.Request) {
			refuse(w, 403, "AccessDenied", "Payload must be signed")
		})},
		{"checks what is signed only", "sws us s", checks(nothing)},
	} {
		if got, want := puts(t, strings.Count(tt.want, " ")+1, tt.serve), strings.ReplaceAll(tt.want, " ", ""); got != want {
			t.Errorf("%s: %s, want %s", tt.name, got, want)
		}
	}
}

// Of the servers of the tests, Versity checks; Swift knows no checksums, or, newer, checks.
func TestServersThatCheckBodies(t *testing.T) {
	t.Parallel()
	for server, want := range map[string][]int32{"TRUCKEE_TEST_S3": {bodiesUnknown, bodiesBare}, "TRUCKEE_TEST_S3B": {bodiesBare}} {
		s, err := open(t.Context(), &Options{
			Endpoint: testbed.Service(t, server+"_ENDPOINT"), Region: os.Getenv(server + "_REGION"),
			Key: os.Getenv(server + "_KEY"), Secret: os.Getenv(server + "_SECRET"), Bucket: "test-" + strings.ToLower(rand.Text()[:16]),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx := t.Context()
		if _, err := s.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.bucket}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			id, block := storecheck.Chunk(5000)
			if err := retry.Do(ctx, func() error { return s.Put(ctx, id, block) }); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Get(ctx, id); err != nil || !bytes.Equal(got, block) {
				t.Errorf("%s: %d bytes, %v", server, len(got), err)
			}
			if err := retry.Do(ctx, func() error { return s.Delete(ctx, id) }); err != nil {
				t.Error(err)
			}
		}
		if got := s.bodies.Load(); !slices.Contains(want, got) {
			t.Errorf("%s: state %d, want %d", server, got, want)
		}
		if _, err := s.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &s.bucket}); err != nil {
			t.Error(err)
		}
	}
}
