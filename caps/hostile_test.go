package caps_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
)

// A text of separators is refused for little more than its own length.
func TestManyFieldsCostLittle(t *testing.T) {
	const length = 1 << 20
	for _, name := range []string{"DIR3", "DIR3-RO", "MUT3-Verifier", "FILE3", "FILE3-Verifier", "DIR3-IMM", "CHK", "SSK", "MDMF"} {
		text := "URI:" + name + ":" + strings.Repeat(":", length)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := caps.Parse(text)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 2*length {
			t.Errorf("%s: %d colons: %v, %d bytes allocated", name, length, err, took)
		}
	}
}
