package s3_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/accounts"
)

// What bounds an access key in the accounts file holds for each of its requests: from
// where, until when, whether at all, and that there are no sessions.
func TestBoundsOfAccessKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	lines := []string{}
	bounds := map[string]struct {
		option string
		header []string
		status int
		code   string
	}{
		"FREE":      {"", nil, 200, ""},
		"HERE":      {"from=127.0.0.0/8", nil, 200, ""},
		"ELSEWHERE": {"from=192.0.2.0/24", nil, 403, "AccessDenied"},
		"LATER":     {"expires=2999-01-01T00:00:00Z", nil, 200, ""},
		"OVER":      {"expires=2020-01-01T00:00:00Z", nil, 403, "AccessDenied"},
		"OFF":       {"disabled=yes", nil, 403, "InvalidAccessKeyId"},
		"SESSION":   {"", []string{"X-Amz-Security-Token", "token"}, 400, "InvalidToken"},
	}
	for name, b := range bounds {
		u := user{w.user("ann").Account, "KEY" + name, "secret-of-" + name}
		w.keys.users[u.key] = u
		lines = append(lines, strings.TrimSpace("ann s3-key "+u.key+" "+u.secret+" "+w.user("ann").Root.Reveal()+" "+b.option)+"\n")
	}
	path := filepath.Join(t.TempDir(), "accounts")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := accounts.OpenFile(path, accounts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.server.Keys = file
	for name, b := range bounds {
		if r := w.do(name, "GET", "/data", nil, b.header...); r.StatusCode != b.status || r.code() != b.code {
			t.Errorf("%s, %s: %d %s, want %d %s", name, b.option, r.StatusCode, r.code(), b.status, b.code)
		}
	}
}
