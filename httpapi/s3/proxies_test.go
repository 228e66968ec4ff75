package s3_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3"
)

// through sends what ann signed, after a proxy has changed it.
func (w *world) through(target string, header http.Header, change func(*http.Request)) reply {
	w.t.Helper()
	req := w.sign(request{method: "GET", target: target, header: header, user: "ann"})
	change(req)
	res, err := w.http.Client().Transport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{res, body}
}

func TestProxies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) {
		s.PublicHosts = []string{"files.example.org", "*.s3.example.org"}
		s.Domains = []string{"s3.example.org"}
	})
	w.bucket("data")
	w.put("data", "a+b c(d)", "x")
	const target = "/data/a%2Bb%20c%28d%29"
	local := strings.TrimPrefix(w.http.URL, "http://")
	public := func(host string) http.Header { return http.Header{"Host": {host}} }
	forwarded := func(host string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("X-Forwarded-Host", host)
			r.Host = local
		}
	}
	tests := []struct {
		name   string
		target string
		header http.Header
		change func(*http.Request)
		status int
	}{
		{"nothing", target, nil, func(*http.Request) {}, 200},
		{"the host, told", target, public("files.example.org"), forwarded("files.example.org"), 200},
		{"the host, told with more of them", target, public("files.example.org"), forwarded("files.example.org, inner"), 200},
		{"the host, not told", target, public("files.example.org"), func(r *http.Request) { r.Host = local }, 403},
		{"nothing, of what is signed without the port", target, public("127.0.0.1"), func(r *http.Request) { r.Host = local }, 200},
		{"nothing, of what is signed with another port", target, public("127.0.0.1:1"), func(r *http.Request) { r.Host = local }, 403},
		{"the host, told by nobody that we know", target, public("evil.example.org"), forwarded("evil.example.org"), 403},
		{"a bucket's host", strings.TrimPrefix(target, "/data"), public("data.s3.example.org"), forwarded("data.s3.example.org"), 200},
		{"which bucket's host it was", "/a%2Bb%20c%28d%29", public("other.s3.example.org"), func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "data.s3.example.org") }, 403},
		{"a bucket's host into a path", target, public("other.s3.example.org"), func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "files.example.org") }, 403},
		{"the coding that is accepted", target, http.Header{"Accept-Encoding": {"identity"}}, func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") }, 200},
		{"how the path is encoded", target, nil, func(r *http.Request) { r.URL.Opaque = "/data/a%2bb%20c(d)" }, 200},
		{"the path", target, nil, func(r *http.Request) { r.URL.Opaque = "/data/a%2Bb%20c%28e%29" }, 403},
		{"a header that S3 acts upon", target, nil, func(r *http.Request) { r.Header.Set("X-Amz-Checksum-Mode", "ENABLED") }, 403},
		{"a header of its own", target, nil, func(r *http.Request) { r.Header.Set("X-Amz-Cf-Id", "x") }, 200},
	}
	for _, tt := range tests {
		if r := w.through(tt.target, tt.header, tt.change); r.StatusCode != tt.status || tt.status == 200 && string(r.body) != "x" {
			t.Errorf("a proxy changes %s: %d %s", tt.name, r.StatusCode, r.body)
		}
	}
}
