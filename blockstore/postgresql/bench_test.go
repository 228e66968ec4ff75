package postgresql_test

import (
	"net/url"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/postgresql"
	"github.com/truckee-fs/truckee/tests/drill"
	"github.com/truckee-fs/truckee/tests/testbed"
)

func BenchmarkBlocks(b *testing.B) {
	address := testbed.Database(b)
	u, err := url.Parse(address)
	if err != nil {
		b.Fatal("no URL")
	}
	drill.Bench(b, u.Host, func(b *testing.B, addr string) blockstore.Store {
		u := *u
		u.Host = addr
		s, err := postgresql.Open(b.Context(), postgresql.Options{URL: u.String(), MaxConns: 32})
		if err != nil {
			b.Fatal(err)
		}
		return s
	})
}
