package s3_test

import (
	"net/url"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/s3"
	"github.com/truckee-fs/truckee/tests/drill"
)

func BenchmarkBlocks(b *testing.B) {
	for name, server := range servers {
		b.Run(name, func(b *testing.B) {
			o := options(b, server)
			u, err := url.Parse(o.Endpoint)
			if err != nil {
				b.Fatal(err)
			}
			drill.Bench(b, u.Host, func(b *testing.B, addr string) blockstore.Store {
				o := o
				o.Endpoint = "http://" + addr
				s, err := s3.Open(b.Context(), o)
				if err != nil {
					b.Fatal(err)
				}
				return s
			})
		})
	}
}
