package accounts_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestOpenFileRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		kind kind.Kind // 0: any
		want string
	}{
		{"absent", func(*testing.T, string) {}, 0, "no such file"},
		{"a directory", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, kind.Invalid, "no regular file"},
		{"readable by the group", chmodded(0o640), kind.Denied, "chmod 600"},
		{"readable by others", chmodded(0o604), kind.Denied, "chmod 600"},
		{"writable by the group", chmodded(0o620), kind.Denied, "chmod 600"},
		{"a mistake", func(t *testing.T, path string) { rewrite(t, path, "", "alice") }, kind.Invalid, "accounts:2: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "accounts")
			tt.make(t, path)
			_, err := accounts.OpenFile(path, accounts.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q and the path in it", err, tt.want)
			}
			if tt.kind != 0 && kind.Of(err) != tt.kind {
				t.Errorf("kind of %v is %v, want %v", err, kind.Of(err), tt.kind)
			}
		})
	}
}

func chmodded(mode os.FileMode) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		rewrite(t, path, "alice pw "+root(1).Reveal())
		must(t, os.Chmod(path, mode))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func logsIn(t *testing.T, f *accounts.File, name, password string) bool {
	t.Helper()
	_, err := f.Authenticate(t.Context(), name, accounts.Password(password))
	if err != nil && kind.Of(err) != kind.Denied {
		t.Fatal(err)
	}
	return err == nil
}

func TestChangedFileIsReadAgain(t *testing.T) {
	path := write(t, "alice one "+root(1).Reveal())
	var log logBuffer
	f, err := accounts.OpenFile(path, accounts.Options{Log: log.logger()})
	must(t, err)

	// The same size, at once, maybe within one tick of the file system's clock.
	rewrite(t, path, "alice two "+root(1).Reveal())
	if logsIn(t, f, "alice", "one") || !logsIn(t, f, "alice", "two") {
		t.Error("the new password isn't in force")
	}
	if n := strings.Count(log.String(), "read again"); n != 1 {
		t.Errorf("%d records of reading again, want 1:\n%s", n, log.String())
	}
}

func TestWrongFileKeepsTheOldAccounts(t *testing.T) {
	path := write(t, "alice one "+root(1).Reveal())
	var log logBuffer
	f, err := accounts.OpenFile(path, accounts.Options{Log: log.logger()})
	must(t, err)

	complaints := 0
	for _, step := range []struct {
		name   string
		change func()
	}{
		{"a mistake", func() { rewrite(t, path, "alice two") }},
		{"another mistake", func() { rewrite(t, path, "alice three") }},
		{"open to others", func() { must(t, os.Chmod(path, 0o644)) }},
		{"gone", func() { must(t, os.Remove(path)) }},
	} {
		step.change()
		complaints++
		for range 3 {
			if !logsIn(t, f, "alice", "one") {
				t.Errorf("%s: the old account is gone", step.name)
			}
		}
		if n := strings.Count(log.String(), "accounts file is wrong"); n != complaints {
			t.Fatalf("%s: %d complaints, want %d:\n%s", step.name, n, complaints, log.String())
		}
	}
	rewrite(t, path, "alice one "+root(1).Reveal(), "bob new "+root(2).Reveal())
	if !logsIn(t, f, "bob", "new") {
		t.Error("the mended file isn't in force")
	}
}

func TestWatchNoticesMistakesWithoutALogin(t *testing.T) {
	path := write(t, "alice one "+root(1).Reveal())
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		f, err := accounts.OpenFile(path, accounts.Options{Log: log.logger()})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ticks := make(chan time.Time)
		done := make(chan struct{})
		go func() { defer close(done); f.Watch(ctx, ticks) }()
		rewrite(t, path, "alice")
		ticks <- time.Time{}
		synctest.Wait()
		if !strings.Contains(log.String(), "accounts file is wrong") {
			t.Errorf("no complaint:\n%s", log.String())
		}
		cancel()
		<-done
	})
}

func TestWarnings(t *testing.T) {
	tahoe := "URI:DIR2-LIT:"
	path := write(t, "alice one "+root(1).Reveal(), "bob "+cheap+" "+root(2).Reveal(), "tina "+cheap+" "+tahoe)
	var log logBuffer
	_, err := accounts.OpenFile(path, accounts.Options{
		Log:     log.logger(),
		CanOpen: func(c caps.Cap) bool { return c.Form() == caps.FormSlot },
	})
	must(t, err)
	for _, want := range []string{"plain text", "accounts=1", "account=alice", "can't open", "account=tina"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "bob") {
		t.Errorf("a warning about bob:\n%s", log.String())
	}

	log.text.Reset()
	_, err = accounts.OpenFile(write(t, "# nobody"), accounts.Options{Log: log.logger()})
	must(t, err)
	if !strings.Contains(log.String(), "nobody can log in") {
		t.Errorf("no warning about an empty file:\n%s", log.String())
	}
}
