package accounts

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/internal/bytesize"
)

// parseExpiry reads a time as OpenSSH's expiry-time has it, YYYYMMDD or
// YYYYMMDDHHMM[SS], local unless a Z follows, or as RFC 3339 has it.
func parseExpiry(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	digits, utc := strings.CutSuffix(text, "Z")
	zone := time.Local
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(digits) != len(layout) {
			continue
		}
		if t, err := time.ParseInLocation(layout, digits, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("it is a time, as 2030-12-31T23:59:59Z, 20301231 or 203012312359Z")
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 {
		return 0, errors.New("it is a whole number from 1")
	}
	return int(n), nil
}

// minRate keeps one read of the network from taking longer than a keepalive.
const minRate = 16 << 10

// parseRate reads UP/DOWN, or one rate for both, in bytes a second.
func parseRate(text string) (up, down int64, err error) {
	first, second, both := strings.Cut(text, "/")
	if up, err = parseBytes(first); err != nil {
		return 0, 0, err
	}
	if down = up; both {
		if down, err = parseBytes(second); err != nil {
			return 0, 0, err
		}
	}
	if min(up, down) < minRate {
		return 0, 0, fmt.Errorf("it is at least %dKiB a second", minRate>>10)
	}
	return up, down, nil
}

// parseBytes reads a number of bytes with an optional unit.
func parseBytes(text string) (int64, error) {
	n, err := bytesize.Parse(text)
	if err != nil { // which shows the text; those of lines don't
		return 0, errors.New("it is a size, as 10MiB: a whole number and KiB, MiB, GiB or TiB")
	}
	return n, nil
}
