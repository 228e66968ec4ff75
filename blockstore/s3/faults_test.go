package s3_test

import (
	"net/url"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/tests/drill"
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
