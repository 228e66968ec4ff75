package s3

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/blockstore/storecheck"
)

const unsignedPayload = "UNSIGNED-PAYLOAD"

// puts makes so many puts at a server and returns the requests that it saw: "s"
// with a signed body, "u" with an unsigned one.
func puts(t *testing.T, n int, h func(seen string, w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	var mu sync.Mutex // guards seen
	var seen strings.Builder
	s := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		how := "s"
		if r.Header.Get("X-Amz-Content-Sha256") == unsignedPayload {
			how = "u"
		}
		if !strings.Contains(r.Header.Get("Authorization"), "x-amz-checksum-crc32c") {
			t.Error("the signature leaves out the checksum")
		}
		_, _ = io.Copy(io.Discard, r.Body)
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

// Without TLS a body is hashed for the signature only as long as no other check of
// it is known to be made.
func TestBodiesAreSignedUntilTheServerChecksThem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string // of the requests for puts 1, 2 …
		puts       int
		serve      func(seen string, w http.ResponseWriter, r *http.Request)
	}{
		{"knows no checksums", "sss", 3, func(string, http.ResponseWriter, *http.Request) {}},
		{"tells another checksum", "sss", 3, func(_ string, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Checksum-Crc32c", "AAAAAA==")
		}},
		{"checks", "suu", 3, func(_ string, w http.ResponseWriter, r *http.Request) { tell(w, r) }},
		{"checks, and wants signatures", "susss", 4, func(seen string, w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(seen, "u") {
				refuse(w, 403, "AccessDenied", "Payload must be signed")
				return
			}
			tell(w, r)
		}},
		{"checks what is signed only", "susss", 4, func(seen string, w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(seen, "s") {
				tell(w, r)
			}
		}},
	} {
		if got := puts(t, tt.puts, tt.serve); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
