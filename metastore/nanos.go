package metastore

import (
	"math"
	"time"
)

// Nanos gives a time as drivers and dumps keep it: ns since 1970, UTC. What 64
// bits can't hold (before 1678, after 2262) is the nearest that they can, so
// that a pin until the year 9999 does not expire at once.
func Nanos(t time.Time) int64 {
	switch {
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	}
	return t.UnixNano()
}

// AfterNanos gives now + d, not beyond the last time that there is.
func AfterNanos(now int64, d time.Duration) int64 {
	if d > 0 && now > math.MaxInt64-int64(d) {
		return math.MaxInt64
	}
	return now + int64(d)
}
