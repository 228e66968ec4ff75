package postgresql_test

import (
	"net/url"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/postgresql"
	"github.com/truckee-fs/truckee/tests/drill"
	"github.com/truckee-fs/truckee/tests/testbed"
)

func open(t *testing.T, o postgresql.Options) *postgresql.Store {
	t.Helper()
	s, err := postgresql.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	o := postgresql.Options{URL: testbed.Database(t)}
	reopen := func(t *testing.T) blockstore.Store { return open(t, o) }
	blockstoretest.Run(t, reopen, blockstoretest.Reopen(reopen))
}

func TestFaults(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(testbed.Service(t, "TRUCKEE_TEST_POSTGRES"))
	if err != nil {
		t.Fatal("TRUCKEE_TEST_POSTGRES is no URL")
	}
	password, _ := u.User.Password()
	drill.Run(t, drill.Driver{
		Server: u.Host, Secrets: []string{password},
		Open: func(t *testing.T, addr string) blockstore.Store {
			u, err := url.Parse(testbed.Database(t))
			if err != nil {
				t.Fatal(err)
			}
			u.Host = addr
			return open(t, postgresql.Options{URL: u.String(), Timeout: drill.Stall})
		},
	})
}
