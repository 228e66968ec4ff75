package metastore_test

import (
	"math"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

func TestNanos(t *testing.T) {
	tests := []struct {
		name string
		at   time.Time
		want int64
	}{
		{"epoch", time.Unix(0, 0), 0},
		{"a nanosecond before", time.Unix(0, -1), -1},
		{"today", time.Unix(1_800_000_000, 5), 1_800_000_000_000_000_005},
		{"year 9999", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), math.MaxInt64},
		{"the first there is", time.Unix(0, math.MinInt64), math.MinInt64},
		{"the second", time.Unix(0, math.MinInt64+1), math.MinInt64 + 1},
		{"the last", time.Unix(0, math.MaxInt64), math.MaxInt64},
		{"the last but one", time.Unix(0, math.MaxInt64-1), math.MaxInt64 - 1},
		{"zero", time.Time{}, math.MinInt64},
	}
	for _, tt := range tests {
		if got := metastore.Nanos(tt.at); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if got := metastore.AfterNanos(5, math.MaxInt64); got != math.MaxInt64 {
		t.Errorf("a lease for ever ends at %d", got)
	}
	if got := metastore.AfterNanos(5, -time.Second); got != 5-int64(time.Second) {
		t.Errorf("a lease that lapsed ends at %d", got)
	}
}
