package swift_test

import (
	"net/url"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	driver "github.com/truckee-fs/truckee/blockstore/swift"
	"github.com/truckee-fs/truckee/tests/drill"
)

func BenchmarkBlocks(b *testing.B) {
	o := options(b)
	u, err := url.Parse(o.AuthURL)
	if err != nil {
		b.Fatal(err)
	}
	drill.Bench(b, u.Host, func(b *testing.B, addr string) blockstore.Store {
		o := o
		o.AuthURL = "http://" + addr + u.Path
		s, err := driver.Open(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		return s
	})
}
