// Package bytesize reads and writes numbers of bytes as people do: 64MiB.
package bytesize

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are those that a number may have behind it, the powers of 1024 first. A name
// comes before those that it ends in.
var units = [...]struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

// Parse reads a whole number with an optional unit: B, KiB, MiB, GiB, TiB (powers of
// 1024) or kB, MB, GB, TB (powers of 1000).
func Parse(text string) (int64, error) {
	number, unit := text, int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no size: a whole number and KiB, MiB, GiB or TiB", text)
	}
	if int64(n) > math.MaxInt64/unit {
		return 0, fmt.Errorf("%.40q is too large", text)
	}
	return int64(n) * unit, nil
}

// Format writes n in the largest power of 1024 that divides it.
func Format(n int64) string {
	for _, u := range units[:4] {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
