package command

import (
	"testing"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

// What a pin says is read again, whatever the file's name is; other pins are none.
func TestHolds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "/backup/a b", "a\nb \"c\" ü\xff", "backup"} {
		h := hold{id: newHoldID(), made: time.Now().UTC(), name: name, seq: 7}
		h.until = h.made.Add(forever)
		got, ok := parseHold(metastore.Pin{Seq: 7, Until: h.until, Why: h.why()})
		if !ok || got.id != h.id || got.name != name || !got.made.Equal(h.made) || got.seq != 7 || !got.endless() {
			t.Errorf("%q: %+v, %v", name, got, ok)
		}
	}
	for _, why := range []string{"", "backup", "backup a b c", "a snapshot", `backup 1 2026-01-02T03:04:05Z "x`} {
		if h, ok := parseHold(metastore.Pin{Why: why}); ok {
			t.Errorf("%q: %+v", why, h)
		}
	}
	h := hold{made: time.Now()}
	h.until = h.made.Add(time.Hour)
	if h.endless() {
		t.Error("an hour is endless")
	}
}
