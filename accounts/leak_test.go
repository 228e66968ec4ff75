package accounts_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/accounts"
)

// No verb, no encoding and no log record shows what the file holds.
func TestNothingSecretIsShown(t *testing.T) {
	_, text := edKey(t, 1)
	secrets := []string{"sekrit-password", cheap, cheap[30:60], root(1).Reveal(), root(1).Reveal()[10:40]}
	path := write(t, "alice sekrit-password "+root(1).Reveal(), "bob "+cheap+" "+root(1).Reveal(), "bob "+text+" "+root(1).Reveal())
	var log logBuffer
	f, err := accounts.OpenFile(path, accounts.Options{Log: log.logger()})
	must(t, err)
	account, err := f.Lookup("alice")
	must(t, err)
	_, denied := f.Authenticate(t.Context(), "bob", accounts.Password("sekrit-password"))

	var editor *accounts.Editor
	must(t, accounts.Edit(path, func(e *accounts.Editor) error { editor = e; return nil }))
	rewrite(t, path, "alice sekrit-password "+root(1).Reveal()+" sekrit-password")
	f.Refresh()

	var shown strings.Builder
	jsonLog := slog.New(slog.NewJSONHandler(&shown, nil))
	for _, v := range []any{account, &account, f, f.Accounts(), denied, accounts.Password("sekrit-password"), editor, *editor} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p", "%t", "%f"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		if b, err := json.Marshal(v); err == nil {
			shown.Write(b)
		}
		jsonLog.Info("x", "v", v, "group", slog.GroupValue(slog.Any("v", v)))
		log.logger().Info("x", "v", v)
	}
	for _, out := range []string{shown.String(), log.String()} {
		for _, s := range secrets {
			if strings.Contains(out, s) || strings.Contains(out, fmt.Sprintf("%x", s)) {
				i := strings.Index(out, s)
				t.Errorf("%q is shown: …%s", s, out[max(0, i-100):min(len(out), i+100)])
			}
		}
	}
}
