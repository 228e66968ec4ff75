package swift_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/blockstore/storecheck"
	driver "github.com/truckee-fs/truckee/blockstore/swift"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Swift refuses a delete (409) that a newer put has overtaken. Which of the two
// the proxies took first is chance, so the delete is made again.
func TestDeleteThatMeetsANewerPut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		refused int64
		want    kind.Kind
	}{
		{"once", 1, 0},
		{"for ever", 1 << 30, kind.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var deletes atomic.Int64
			var server *httptest.Server
			server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/v1.0":
					w.Header().Set("X-Storage-Url", server.URL+"/v1/AUTH_proj")
					w.Header().Set("X-Auth-Token", "token")
				case r.Method == http.MethodDelete && deletes.Add(1) <= c.refused:
					w.WriteHeader(http.StatusConflict)
				case r.Method == http.MethodDelete:
					w.WriteHeader(http.StatusNoContent)
				default:
					_, _ = w.Write([]byte("[]")) // an empty listing
				}
			}))
			defer server.Close()
			s, err := driver.Open(t.Context(), driver.Options{AuthURL: server.URL + "/v1.0", Container: "c", User: "who", Password: "the-password"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			id, _ := storecheck.Chunk(100)
			if err := s.Delete(t.Context(), id); kind.Of(err) != c.want {
				t.Errorf("delete after %d attempts: %v", deletes.Load(), err)
			}
			if n := deletes.Load(); n < 2 || n > 10 {
				t.Errorf("%d attempts", n)
			}
		})
	}
}
