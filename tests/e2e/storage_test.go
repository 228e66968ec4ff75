package e2e

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// bucket is a bucket of its own on an S3 server.
type bucket struct{ endpoint, name, key, secret string }

// newVersity starts an S3 server of the test's own, which may be stopped and
// filled as the test likes.
func newVersity(t *testing.T) *testbed.Versity {
	t.Helper()
	testbed.Service(t, "TRUCKEE_TEST_S3B_ENDPOINT") // where services run, it is installed
	s, err := testbed.NewVersity(t.Context(), filepath.Join(t.TempDir(), "versity"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// sharedS3 is a new bucket on the S3 server that all tests share, Versity's or, where
// that runs (make soak), Ceph's; it ends with the server.
func sharedS3(t *testing.T) bucket {
	t.Helper()
	server := "TRUCKEE_TEST_S3B"
	if os.Getenv("TRUCKEE_TEST_S3C_ENDPOINT") != "" {
		server = "TRUCKEE_TEST_S3C"
	}
	b := bucket{endpoint: testbed.Service(t, server+"_ENDPOINT"), key: testbed.Service(t, server+"_KEY"), secret: testbed.Service(t, server+"_SECRET")}
	b.create(t)
	return b
}

// create draws a name and makes the bucket.
func (b *bucket) create(t *testing.T) {
	t.Helper()
	b.name = "truckee-" + strings.ToLower(rand.Text()[:16])
	if _, err := b.client().CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &b.name}); err != nil {
		t.Fatal(err)
	}
}

func (b bucket) client() *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: &b.endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(b.key, b.secret, ""),
	})
}

// at is the same bucket as seen through another address, host:port.
func (b bucket) at(address string) bucket {
	b.endpoint = "http://" + address
	return b
}

// flag is the bucket as -b has it.
func (b bucket) flag() string {
	words := []string{"s3"}
	for _, field := range []string{b.endpoint, "us-east-1", b.name, b.key, b.secret} {
		words = append(words, strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(field))
	}
	return strings.Join(words, ":")
}

// objects counts what the bucket holds, and its bytes.
func (b bucket) objects(t *testing.T) (n int, size int64) {
	t.Helper()
	pages := awss3.NewListObjectsV2Paginator(b.client(), &awss3.ListObjectsV2Input{Bucket: &b.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			n, size = n+1, size+*o.Size
		}
	}
	return n, size
}

// newPostgres starts a PostgreSQL of the test's own, which may be restarted.
func newPostgres(t *testing.T) *testbed.Postgres {
	t.Helper()
	testbed.Service(t, "TRUCKEE_TEST_POSTGRES") // where services run, it is installed
	pg, err := testbed.NewPostgres(t.Context(), filepath.Join(t.TempDir(), "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	return pg
}

// create makes a node with the flags of init given, and doesn't start it. When the test
// ends it is stopped, and its log must not tell of a bug.
func create(t *testing.T, dir string, flags ...string) *testbed.Truckee {
	t.Helper()
	n, err := testbed.NewTruckee(t.Context(), binary, dir, clientKey, flags...)
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, n)
	return n
}

// join makes another gateway on the stores of n.
func join(t *testing.T, n *testbed.Truckee) *testbed.Truckee {
	t.Helper()
	other, err := n.Join(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, other)
	return other
}

// truckee runs a subcommand that must succeed.
func truckee(t *testing.T, n *testbed.Truckee, words ...string) string {
	t.Helper()
	out, err := n.Run(t.Context(), nil, words...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}
