package node

import (
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/config"
)

// A store behind a network gets more blocks on their way, unless the
// configuration says how many.
func TestFlightFollowsTheStore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stores     []string
		configured config.Size
		want       int64 // 0: the filestore's default
	}{
		{[]string{"local:/a"}, 0, 0},
		{[]string{"MOCKED"}, 0, 0},
		{[]string{"RAID1:0:local:/a", "RAID1:1:local:/b"}, 0, 0},
		{[]string{"s3::r:b:k:s"}, 0, networkFlight},
		{[]string{"postgresql://db/x"}, 0, networkFlight},
		{[]string{"RAID1:0:local:/a", "RAID1:1:s3::r:b:k:s"}, 0, networkFlight},
		{[]string{"s3::r:b:k:s"}, 16 << 20, 16 << 20},
		{[]string{"local:/a"}, 64 << 20, 64 << 20},
	} {
		tree, err := config.ParseBlockstores("/base", tt.stores)
		if err != nil {
			t.Fatal(err)
		}
		got := filestoreOptions(config.Filestore{FlightMemory: tt.configured}, tree, filestore.Options{}).FlightBytes
		if got != tt.want {
			t.Errorf("%q, configured %v: %d, want %d", tt.stores, tt.configured, got, tt.want)
		}
	}
}
