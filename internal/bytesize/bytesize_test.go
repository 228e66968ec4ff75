package bytesize_test

import (
	"math"
	"testing"

	"github.com/truckee-fs/truckee/internal/bytesize"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "17": 17, "17B": 17, "4KiB": 4096, "4 KiB": 4096, "3MiB": 3 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40,
		"5kB": 5000, "5MB": 5e6, "5GB": 5e9, "5TB": 5e12, "9223372036854775807": math.MaxInt64,
	} {
		if n, err := bytesize.Parse(text); err != nil || n != want {
			t.Errorf("%q: %d, %v, want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "1K", "1mib", "0x10", "9223372036854775808", "8388608TiB", "1MiBB"} {
		if n, err := bytesize.Parse(text); err == nil {
			t.Errorf("%q is read as %d", text, n)
		}
	}
}

func FuzzFormat(f *testing.F) {
	for _, n := range []int64{0, 1, 1023, 1024, 1 << 20, 3 << 30, 1 << 40, math.MaxInt64} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		if n < 0 {
			return
		}
		if again, err := bytesize.Parse(bytesize.Format(n)); err != nil || again != n {
			t.Errorf("%d is written as %s, and read as %d, %v", n, bytesize.Format(n), again, err)
		}
	})
}
