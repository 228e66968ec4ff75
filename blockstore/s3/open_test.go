package s3_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/s3"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// An operator who mistyped something is told what, and no secret is.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := options(t, server)
			for what, tt := range map[string]struct {
				change func(*s3.Options)
				want   kind.Kind
				says   []string
			}{
				"no such bucket": {func(o *s3.Options) { o.Bucket = "nobody-made-this" }, kind.NotExist, []string{"nobody-made-this", good.Endpoint, "create it"}},
				"wrong secret":   {func(o *s3.Options) { o.Secret = "a-wrong-secret" }, kind.Denied, []string{good.Bucket, "check access key and secret"}},
				"unknown key":    {func(o *s3.Options) { o.Key = "a-wrong-key" }, kind.Denied, []string{good.Bucket, "check access key and secret"}},
				"nobody there":   {func(o *s3.Options) { o.Endpoint = "http://127.0.0.1:1" }, kind.Unavailable, []string{"127.0.0.1:1", "refused"}},
				"https expected": {func(o *s3.Options) { o.Endpoint = strings.TrimPrefix(o.Endpoint, "http://") }, kind.Unavailable, []string{"https://"}},
			} {
				bad := good
				tt.change(&bad)
				s, err := s3.Open(t.Context(), bad)
				if err == nil {
					s.Close()
				}
				if kind.Of(err) != tt.want {
					t.Errorf("%s: %v, want kind %v", what, err, tt.want)
					continue
				}
				for _, words := range tt.says {
					if !strings.Contains(err.Error(), words) {
						t.Errorf("%s: %q does not say %q", what, err, words)
					}
				}
				for _, secret := range []string{bad.Secret, bad.Key} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%s: %q shows a credential", what, err)
					}
				}
			}
		})
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for what, o := range map[string]s3.Options{
		"no bucket":           {Endpoint: "http://127.0.0.1:1", Key: "k", Secret: "s"},
		"key without secret":  {Endpoint: "http://127.0.0.1:1", Bucket: "b", Key: "k"},
		"secret without key":  {Endpoint: "http://127.0.0.1:1", Bucket: "b", Secret: "s"},
		"another scheme":      {Endpoint: "ftp://127.0.0.1:1", Bucket: "b", Key: "k", Secret: "s"},
		"password in the URL": {Endpoint: "http://me:hunter22@127.0.0.1:1", Bucket: "b", Key: "k", Secret: "s"},
		"no region":           {Bucket: "b", Key: "k", Secret: "s"},
		"no such CA file":     {Endpoint: "https://127.0.0.1:1", Bucket: "b", Key: "k", Secret: "s", CAFile: "/nowhere.pem"},
	} {
		if _, err := s3.Open(t.Context(), o); kind.Of(err) != kind.Invalid || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// With the rights to put, get and list alone everything works but what deletes,
// and that is Denied.
func TestFewestRights(t *testing.T) {
	t.Parallel()
	o := options(t, servers["Versity"])
	limited := o
	limited.Key, limited.Secret = testbed.Service(t, "TRUCKEE_TEST_S3B_LIMITED_KEY"), os.Getenv("TRUCKEE_TEST_S3B_LIMITED_SECRET")
	if _, err := s3.Open(t.Context(), limited); kind.Of(err) != kind.Denied {
		t.Errorf("without any right: %v", err)
	}
	policy := strings.NewReplacer("USER", limited.Key, "BUCKET", o.Bucket).Replace(`{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Principal": {"AWS": ["USER"]}, "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::BUCKET"]},
		{"Effect": "Allow", "Principal": {"AWS": ["USER"]}, "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::BUCKET/*"]}]}`)
	if _, err := client(o).PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: &o.Bucket, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	s := open(t, limited)
	defer s.Close()
	id, block := storecheck.Chunk(100_000)
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	blockstoretest.Expect(t, s, map[blockstore.ID][]byte{id: block})
	if err := s.SetMarker(t.Context(), []byte("mine")); err != nil {
		t.Error(err)
	}
	if err := s.Delete(t.Context(), id); kind.Of(err) != kind.Denied {
		t.Errorf("delete: %v", err)
	}
	if err := s.DeleteBatch(t.Context(), []blockstore.ID{id}); kind.Of(err) != kind.Denied {
		t.Errorf("delete batch: %v", err)
	}
	blockstoretest.Expect(t, s, map[blockstore.ID][]byte{id: block})
}

// Over https the body is not hashed for the signature, and the server is checked
// by the authorities given.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	o := options(t, servers["Versity"])
	u, err := url.Parse(o.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	payload := make(chan string, 100)
	tls := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Host = r.In.Host // it is signed
		if r.In.Method == "PUT" {
			payload <- r.In.Header.Get("X-Amz-Content-Sha256")
		}
	}})
	tls.Config.ErrorLog = log.New(io.Discard, "", 0) // a client goes away amid the handshake
	tls.StartTLS()
	defer tls.Close()
	o.Endpoint = strings.TrimPrefix(tls.URL, "https://") // no scheme means https
	if _, err := s3.Open(t.Context(), o); kind.Of(err) != kind.Unavailable || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	o.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	if err := os.WriteFile(o.CAFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	defer s.Close()
	id, block := storecheck.Chunk(100_000)
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	if p := <-payload; p != "UNSIGNED-PAYLOAD" {
		t.Errorf("the signature covers the body: %s", p)
	}
	blockstoretest.Expect(t, s, map[blockstore.ID][]byte{id: block})
}

// Two stores in one bucket, and what else lies there, keep out of each other's way.
func TestPrefix(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, server)
			one, two := o, o
			one.Prefix, two.Prefix = "/deep/one/", "deep/one/blocks"
			a, b := open(t, one), open(t, two)
			defer a.Close()
			defer b.Close()
			id, block := storecheck.Chunk(1000)
			if err := a.Put(t.Context(), id, block); err != nil {
				t.Fatal(err)
			}
			if err := a.SetMarker(t.Context(), []byte("a")); err != nil {
				t.Fatal(err)
			}
			name := id.String()
			for _, key := range []string{"deep/one/blocks/readme", "deep/one/blocks/ff/" + strings.ToUpper(name), "deep/one/blocks/zz/" + name, "deep/one/blocks/" + name[:2] + "/" + name + ".tmp"} {
				if _, err := client(o).PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &o.Bucket, Key: &key, Body: strings.NewReader("x")}); err != nil {
					t.Fatal(err)
				}
			}
			blockstoretest.Expect(t, a, map[blockstore.ID][]byte{id: block})
			for info, err := range b.List(t.Context(), blockstore.ID{}) {
				t.Errorf("the other store lists %v, %v", info, err)
			}
			if m, err := b.Marker(t.Context()); m != nil || err != nil {
				t.Errorf("the other store's marker: %q, %v", m, err)
			}
			n := 0
			for info, err := range a.List(t.Context(), blockstore.ID{}) {
				if n++; err != nil || info.ID != id {
					t.Errorf("list: %v, %v", info, err)
				}
			}
			if n != 1 {
				t.Errorf("%d blocks listed", n)
			}
		})
	}
}
