package swift_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/ncw/swift/v2"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	driver "github.com/truckee-fs/truckee/blockstore/swift"
	"github.com/truckee-fs/truckee/tests/drill"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// options are for a container of the test's own.
func options(t testing.TB) driver.Options {
	t.Helper()
	o := driver.Options{
		AuthURL: testbed.Service(t, "TRUCKEE_TEST_SWIFT_AUTH_URL"), Tenant: os.Getenv("TRUCKEE_TEST_SWIFT_TENANT"),
		User: os.Getenv("TRUCKEE_TEST_SWIFT_USER"), Password: os.Getenv("TRUCKEE_TEST_SWIFT_PASSWORD"),
		Container: "test-" + strings.ToLower(rand.Text()[:16]),
	}
	c := client(o)
	if err := c.ContainerCreate(t.Context(), o.Container, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		names, err := c.ObjectNamesAll(ctx, o.Container, nil)
		if err != nil {
			t.Error(err)
		}
		for _, name := range names {
			if err := c.ObjectDelete(ctx, o.Container, name); err != nil {
				t.Error(err)
			}
		}
		if err := c.ContainerDelete(ctx, o.Container); err != nil {
			t.Error(err)
		}
	})
	return o
}

// client is the library's own, for what the driver doesn't do.
func client(o driver.Options) *swift.Connection {
	return &swift.Connection{AuthUrl: o.AuthURL, UserName: o.Tenant + ":" + o.User, ApiKey: o.Password}
}

func open(t *testing.T, o driver.Options) *driver.Store {
	t.Helper()
	s, err := driver.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	o := options(t)
	reopen := func(t *testing.T) blockstore.Store { return open(t, o) }
	blockstoretest.Run(t, reopen, blockstoretest.Reopen(reopen))
}

func TestFaults(t *testing.T) {
	t.Parallel()
	o := options(t)
	u, err := url.Parse(o.AuthURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("drills", func(t *testing.T) {
		drill.Run(t, drill.Driver{
			Server: u.Host, Secrets: []string{o.Password}, HTTP: true, ChecksPuts: true,
			Open: func(t *testing.T, addr string) blockstore.Store {
				o := o
				o.AuthURL, o.Timeout = "http://"+addr+u.Path, drill.Stall
				o.Prefix = t.Name() // a store of its own
				return open(t, o)
			},
		})
	})
}
