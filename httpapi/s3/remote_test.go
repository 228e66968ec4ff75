package s3_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3"
)

// The address of a client is what the nearest proxy that isn't trusted, or the client,
// can't have invented.
func TestClientsBehindProxies(t *testing.T) {
	t.Parallel()
	trusted := func(networks ...string) func(*s3.Server) {
		return func(s *s3.Server) {
			for _, n := range networks {
				s.Proxies = append(s.Proxies, netip.MustParsePrefix(n))
			}
		}
	}
	here, others := trusted("127.0.0.0/8", "10.0.0.0/8"), trusted("10.0.0.0/8")
	const client = "192.0.2.7"
	for _, tt := range []struct {
		name    string
		server  func(*s3.Server)
		header  []string
		allowed bool // by a policy for the client's address
	}{
		{"no proxy is trusted", func(*s3.Server) {}, []string{client}, false},
		{"others are", others, []string{client}, false},
		{"nobody says", here, nil, false},
		{"the proxy says", here, []string{client}, true},
		{"with a port", here, []string{client + ":4711"}, true},
		{"as IPv6", here, []string{"::ffff:" + client}, true},
		{"through another", here, []string{client + ", 10.1.2.3"}, true},
		{"in two lines", here, []string{client, "10.1.2.3"}, true},
		{"what the client has invented", here, []string{client + ", 198.51.100.1"}, false},
		{"what it has invented, in two lines", here, []string{client, "198.51.100.1"}, false},
		{"behind what is no address", here, []string{client + ", unknown"}, false},
		{"rubbish before", here, []string{"rubbish,," + client}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.server)
			w.bucket("bucket")
			w.put("bucket", "k", "x")
			policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
				"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*",
				"Condition": map[string]any{"IpAddress": map[string]string{"aws:SourceIp": client + "/32"}},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			w.do("ann", "DELETE", "/bucket?publicAccessBlock", nil)
			w.do("ann", "PUT", "/bucket?policy", policy).want(t, 204)
			r := request{method: "GET", target: "/bucket/k", header: map[string][]string{"X-Forwarded-For": tt.header}}
			want := 403
			if tt.allowed {
				want = 200
			}
			w.send(r).want(t, want)
		})
	}
}

// Only a trusted proxy's word makes a request one over TLS.
func TestTLSAtTheProxy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		trusted bool
		proto   string
		want    int
	}{{true, "https", 200}, {true, "http", 403}, {true, "https, http", 403}, {false, "https", 403}} {
		w := newWorld(t, func(s *s3.Server) {
			if tt.trusted {
				s.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
			}
		})
		w.bucket("bucket")
		w.put("bucket", "k", "x")
		w.do("ann", "PUT", "/bucket?policy", []byte(`{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*",
			"Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}`)).want(t, 204)
		w.get("bucket", "k", "X-Forwarded-Proto", tt.proto).want(t, tt.want)
	}
}

// Behind a proxy that is believed a client that speaks TLS with it may send keys, and
// hears of https.
func TestTLSOfProxies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) { s.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	w.bucket("data")
	secret := randomBytes(32)
	sum := md5.Sum(secret)
	sse := []string{
		"X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256", "X-Amz-Server-Side-Encryption-Customer-Key", base64.StdEncoding.EncodeToString(secret),
		"X-Amz-Server-Side-Encryption-Customer-Key-Md5", base64.StdEncoding.EncodeToString(sum[:]),
	}
	w.do("ann", "PUT", "/data/k", []byte("x"), sse...).want(t, 400, "InvalidRequest")
	w.do("ann", "PUT", "/data/k", []byte("x"), append(sse, "X-Forwarded-Proto", "http")...).want(t, 400, "InvalidRequest")
	w.do("ann", "PUT", "/data/k", []byte("x"), append(sse, "X-Forwarded-Proto", "https")...).want(t, 200)
	for proto, scheme := range map[string]string{"": "http", "https": "https"} {
		id := w.begin("/data/k")
		etag := w.part("/data/k", id, 1, "x").want(t, 200).Header.Get("ETag")
		r := w.complete("/data/k", id, completion(1, etag), "X-Forwarded-Proto", proto).want(t, 200)
		if !strings.Contains(string(r.body), "<Location>"+scheme+"://") {
			t.Errorf("by %q: %s", proto, r.body)
		}
	}
}
