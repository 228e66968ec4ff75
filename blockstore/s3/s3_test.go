package s3_test

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/s3"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// servers are those that the tests run on, by the prefix of their variables. Ceph's
// takes long to start and is one of them in the long set only.
var servers = func() map[string]string {
	all := map[string]string{"Swift": "TRUCKEE_TEST_S3", "Versity": "TRUCKEE_TEST_S3B"}
	if os.Getenv("TRUCKEE_TEST_S3C_ENDPOINT") != "" {
		all["Ceph"] = "TRUCKEE_TEST_S3C"
	}
	return all
}()

// options are for a bucket of the test's own on a server.
func options(t testing.TB, server string) s3.Options {
	t.Helper()
	o := s3.Options{
		Endpoint: testbed.Service(t, server+"_ENDPOINT"), Region: os.Getenv(server + "_REGION"),
		Key: os.Getenv(server + "_KEY"), Secret: os.Getenv(server + "_SECRET"),
		Bucket: "test-" + strings.ToLower(rand.Text()[:16]),
	}
	if _, err := client(o).CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &o.Bucket}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropBucket(t, o) })
	return o
}

// client is the SDK's own, for what the driver doesn't do.
func client(o s3.Options) *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: &o.Endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider(o.Key, o.Secret, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
}

func dropBucket(t testing.TB, o s3.Options) {
	ctx := context.WithoutCancel(t.Context())
	c := client(o)
	pages := awss3.NewListObjectsV2Paginator(c, &awss3.ListObjectsV2Input{Bucket: &o.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		for _, object := range page.Contents {
			if _, err := c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &o.Bucket, Key: object.Key}); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := c.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: &o.Bucket}); err != nil {
		t.Error(err)
	}
}

func open(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// retrying puts again what was Unavailable, as everybody does who uses a driver.
// Versity needs it in PutDeleteRace: its DELETE of the last object of a directory
// removes the directory that a PUT beside it is about to use.
type retrying struct{ *s3.Store }

func (r retrying) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	return retry.Do(ctx, func() error { return r.Store.Put(ctx, id, data) })
}

// Stat: Ceph's gateway answers 500 to who reads an object amid PUTs of the same one.
func (r retrying) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	return retry.Value(ctx, func() (blockstore.Info, error) { return r.Store.Stat(ctx, id) })
}

// DeleteBatch: under load the answer to one has been seen to break off.
func (r retrying) DeleteBatch(ctx context.Context, ids []blockstore.ID) error {
	return retry.Do(ctx, func() error { return r.Store.DeleteBatch(ctx, ids) })
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, server)
			reopen := func(t *testing.T) blockstore.Store { return retrying{open(t, o)} }
			blockstoretest.Run(t, reopen, blockstoretest.Reopen(reopen))
		})
	}
}
