package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/blockstore"
	blockmemory "github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
	"github.com/truckee-fs/truckee/internal/kind"
	metamemory "github.com/truckee-fs/truckee/metastore/memory"
)

// world is a server on stores in memory, with two accounts.
type world struct {
	t      testing.TB
	fs     *filestore.FS
	server *s3.Server
	http   *httptest.Server
	keys   *keys
	log    *safeBuffer
}

// user is an account with an access key.
type user struct {
	accounts.Account
	key    string
	secret string
}

type keys struct{ users map[string]user }

func (k *keys) S3Key(_ context.Context, id string) (accounts.Account, []byte, error) {
	u, ok := k.users[id]
	if !ok {
		return accounts.Account{}, nil, kind.NotExist
	}
	return u.Account, []byte(u.secret), nil
}

// safeBuffer is what a log goes to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newWorld(t testing.TB, change ...func(*s3.Server)) *world {
	t.Helper()
	return newWorldOn(t, blockmemory.New(), change...)
}

func newWorldOn(t testing.TB, blocks blockstore.Store, change ...func(*s3.Server)) *world {
	t.Helper()
	var master [32]byte
	_, _ = rand.Read(master[:])
	fs, err := filestore.New(t.Context(), filestore.Options{Blocks: blocks, Meta: metamemory.New(), Master: caps.KeyOf(master), SpoolDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, fs: fs, keys: &keys{map[string]user{}}, log: &safeBuffer{}}
	for _, name := range []string{"ann", "bob"} {
		w.addUser(name)
	}
	w.server = &s3.Server{
		Files: fs, Keys: w.keys, MinPart: -1, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Mount: func(ctx context.Context, a accounts.Account) (*filestore.Tree, error) {
			return fs.Mount(ctx, a.Root, filestore.MountOptions{Source: "account"})
		},
	}
	for _, c := range change {
		c(w.server)
	}
	w.http = httptest.NewServer(w.server)
	w.http.Client().Transport.(*http.Transport).DisableCompression = true
	t.Cleanup(func() {
		w.http.Close()
		fs.Close()
	})
	return w
}

// addUser makes an account with a root of its own.
func (w *world) addUser(name string) user {
	w.t.Helper()
	root, err := w.fs.CreateRoot(w.t.Context(), "account")
	if err != nil {
		w.t.Fatal(err)
	}
	u := user{accounts.Account{Name: name, Root: root}, "KEY" + strings.ToUpper(name), "secret of " + name}
	w.keys.users[u.key] = u
	return u
}

func (w *world) user(name string) user { return w.keys.users["KEY"+strings.ToUpper(name)] }

// tree is what the account's SFTP shows.
func (w *world) tree(name string) *filestore.Tree {
	w.t.Helper()
	t, err := w.fs.Mount(w.t.Context(), w.user(name).Root, filestore.MountOptions{Source: "account"})
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// aws is AWS's SDK for Go with its defaults.
func (w *world) aws(name string, change ...func(*awss3.Options)) *awss3.Client {
	u := w.user(name)
	return awss3.New(awss3.Options{
		BaseEndpoint: aws.String(w.http.URL), UsePathStyle: true, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(u.key, u.secret, ""),
		RetryMaxAttempts: 1, RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}, change...)
}

// minio is MinIO's client.
func (w *world) minio(name string) *minio.Client {
	w.t.Helper()
	u := w.user(name)
	c, err := minio.New(strings.TrimPrefix(w.http.URL, "http://"), &minio.Options{Creds: miniocredentials.NewStaticV4(u.key, u.secret, ""), MaxRetries: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// reply is an answer, read.
type reply struct {
	*http.Response
	body []byte
}

// code is the error code of the answer.
func (r reply) code() string {
	var e struct{ Code string }
	_ = xml.Unmarshal(r.body, &e)
	return e.Code
}

// request is one to be signed and sent. Target is the raw request target.
type request struct {
	method, target string
	header         http.Header
	body           []byte
	user           string // empty: anonymous
}

// do sends a signed request.
func (w *world) do(user, method, target string, body []byte, header ...string) reply {
	w.t.Helper()
	r := request{method: method, target: target, body: body, user: user, header: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		r.header.Add(header[i], header[i+1])
	}
	return w.send(r)
}

func (w *world) send(r request) reply {
	w.t.Helper()
	req := w.sign(r)
	res, err := w.http.Client().Transport.RoundTrip(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", r.method, r.target, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", r.method, r.target, err)
	}
	return reply{res, body}
}

// sign makes the request, signed unless it is anonymous or has an
// Authorization already.
func (w *world) sign(r request) *http.Request {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), r.method, w.http.URL, bytes.NewReader(r.body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.URL.Opaque = r.target
	for name, values := range r.header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	if r.user == "" || req.Header.Get("Authorization") != "" {
		return req
	}
	if req.Header.Get("X-Amz-Date") == "" && req.Header.Get("Date") == "" {
		req.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
	}
	if req.Header.Get("X-Amz-Content-Sha256") == "" {
		sum := sha256.Sum256(r.body)
		req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	}
	u := w.user(r.user)
	value, _ := signed(u, r.method, r.target, req.Host, req.Header)
	req.Header.Set("Authorization", value)
	return req
}

// want fails the test unless the answer has this status, and this code if one is
// given.
func (r reply) want(t testing.TB, status int, code ...string) reply {
	t.Helper()
	if r.StatusCode != status || len(code) > 0 && r.code() != code[0] {
		t.Errorf("%s %s: %d %s, want %d %v", r.Request.Method, r.Request.URL.Opaque, r.StatusCode, r.body, status, code)
	}
	return r
}

// bucket makes a bucket of ann's.
func (w *world) bucket(name string, header ...string) {
	w.t.Helper()
	w.do("ann", "PUT", "/"+name, nil, header...).want(w.t, 200)
}

// put puts an object of ann's.
func (w *world) put(bucket, key, data string, header ...string) reply {
	w.t.Helper()
	return w.do("ann", "PUT", "/"+bucket+"/"+sigv4.Escape(key, true), []byte(data), header...).want(w.t, 200)
}

func (w *world) get(bucket, key string, header ...string) reply {
	w.t.Helper()
	return w.do("ann", "GET", "/"+bucket+"/"+sigv4.Escape(key, true), nil, header...)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func ptr[T any](v T) *T { return &v }
