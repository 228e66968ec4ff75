package postgres_test

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/postgres"
)

// TestAnOldPrimaryThatComesBack: after a standby has taken over, the old primary is
// started again as it was, and takes writes. Nothing is committed there, neither by
// who was connected nor by who comes, and the log says what is wrong.
func TestAnOldPrimaryThatComesBack(t *testing.T) {
	t.Parallel()
	old := ownServer(t)
	o := postgres.Options{URL: old.URL("postgres")}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := old.Stop(); err != nil {
		t.Fatal(err)
	}
	next, err := old.TakeOver(t.Context(), t.TempDir()+"/next")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := next.Stop(); err != nil {
			t.Error(err)
		}
	})
	var log logged
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	both := func(u *url.URL) { u.Host = fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d", old.Port, next.Port) }
	o.URL = edited(t, o.URL, both)
	s := open(t, o)
	if err := growOnce(t.Context(), s, metastore.SlotID{1}); err != nil {
		t.Fatal(err)
	}
	if err := old.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// All connections are lost, and made anew.
	sql(t, next.URL("postgres"), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'truckee'")
	later := open(t, o)
	for range 20 {
		for _, s := range []*postgres.Store{s, later} {
			if err := growOnce(t.Context(), s, metastore.SlotID{1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	records, err := later.Slots(t.Context(), []metastore.SlotID{{1}})
	if err != nil {
		t.Fatal(err)
	}
	if records[0].Version != 41 {
		t.Errorf("41 commits made version %d", records[0].Version)
	}
	if text := log.String(); !strings.Contains(text, "must not") || !strings.Contains(text, fmt.Sprintf("127.0.0.1:%d", old.Port)) {
		t.Errorf("the log says: %s", text)
	}
	if err := next.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := growOnce(t.Context(), s, metastore.SlotID{1}); kind.Of(err) != kind.Unavailable || !strings.Contains(err.Error(), "an old primary") {
		t.Errorf("with nothing but the old primary: %v", err)
	}
	if err := next.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// logged is a log that may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
