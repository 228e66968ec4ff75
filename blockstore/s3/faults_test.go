package s3_test

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/s3"
	"github.com/truckee-fs/truckee/tests/drill"
	"github.com/truckee-fs/truckee/tests/testbed"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			o := options(t, server)
			u, err := url.Parse(o.Endpoint)
			if err != nil {
				t.Fatal(err)
			}
			t.Run("drills", func(t *testing.T) {
				drill.Run(t, drill.Driver{
					Server: u.Host, Secrets: []string{o.Secret, o.Key}, HTTP: true, ChecksPuts: true,
					Open: func(t *testing.T, addr string) blockstore.Store {
						o := o
						o.Endpoint, o.Timeout = "http://"+addr, drill.Stall
						o.Prefix = t.Name() // a store of its own
						return open(t, o)
					},
				})
			})
		})
	}
}

// server is one that a test has for itself.
type server interface {
	Endpoint() string
	Start(ctx context.Context) error
	Stop() error
	Kill() error
}

func TestServerCrashes(t *testing.T) {
	t.Parallel()
	t.Run("Versity", func(t *testing.T) {
		t.Parallel()
		testbed.Service(t, "TRUCKEE_TEST_S3B_ENDPOINT") // the server is installed
		s, err := testbed.NewVersity(t.Context(), filepath.Join(t.TempDir(), "versity"))
		if err != nil {
			t.Fatal(err)
		}
		crash(t, s, s.Key, s.Secret)
	})
	t.Run("Ceph", func(t *testing.T) {
		t.Parallel()
		if servers["Ceph"] == "" {
			t.Skip("in the long set only: make soak")
		}
		s, err := testbed.NewRadosgw(t.Context(), filepath.Join(t.TempDir(), "radosgw"))
		if err != nil {
			t.Fatal(err)
		}
		crash(t, s, s.Key, s.Secret)
	})
}

// crash kills the server amid puts, and stops it in the end.
func crash(t *testing.T, server server, key, secret string) {
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	o := s3.Options{Endpoint: server.Endpoint(), Key: key, Secret: secret, Bucket: "crashes"}
	if _, err := client(o).CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &o.Bucket}); err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	defer s.Close()
	drill.Crash(t, s, func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
		if err := server.Start(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
