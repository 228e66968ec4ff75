package s3

import (
	"io"
	"net/http"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A 404 that isn't S3's, of a proxy that has lost its way or of another web
// server, says nothing about a block, and nothing about the marker.
func TestNotFoundOfAnotherServer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"nothing": func(http.ResponseWriter) {},
		"text":    func(w http.ResponseWriter) { _, _ = io.WriteString(w, "404 page not found\n") },
		"html": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html><head><title>404 Not Found</title></head><body><hr>nginx</body></html>")
		},
		"xml without a code": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<Error><Message>gone</Message></Error>") },
		"json":               func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"code":"not_found"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scripted(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(404)
				answer(w)
			})
			id, _ := storecheck.Chunk(100)
			_, get := s.Get(t.Context(), id)
			_, part := s.GetRange(t.Context(), id, 10, 10)
			_, stat := s.Stat(t.Context(), id)
			marker, merr := s.Marker(t.Context())
			del, batch := s.Delete(t.Context(), id), s.DeleteBatch(t.Context(), []blockstore.ID{id})
			for op, err := range map[string]error{"get": get, "range": part, "stat": stat, "marker": merr, "delete": del, "delete batch": batch} {
				if kind.Of(err) != kind.Unavailable {
					t.Errorf("%s: %v, want kind %v", op, err, kind.Unavailable)
				}
			}
			if marker != nil {
				t.Errorf("a marker: %x", marker)
			}
		})
	}
}
