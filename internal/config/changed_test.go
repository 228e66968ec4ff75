package config

import (
	"slices"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
)

func TestChanged(t *testing.T) {
	t.Parallel()
	var a Config
	a.SFTPD.Listeners = Listeners{{Profile: "legacy"}}
	same := a
	same.SFTPD.Listeners = Listeners{{Profile: "legacy"}}
	if names := Changed(a, same); names != nil {
		t.Errorf("equal ones: %v", names)
	}
	b := a
	b.SFTPD.MaxHandles, b.SFTPD.Listeners, b.GC.Interval = 7, nil, time.Hour
	b.Blockstore.Tree = blockstore.Config{Driver: "local"}
	if names, want := Changed(a, b), []string{"sftpd.listeners", "sftpd.max_handles", "gc.interval", "blockstore"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
	if b.SFTPD.MaxHandles != 7 || len(a.SFTPD.Listeners) != 1 {
		t.Error("what is compared changes")
	}
}
