package sftpd

import (
	"io"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

// TestFigures: what clients do is counted by what they ask for.
func TestFigures(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	c := h.login()
	files := h.sftp(c)
	f, err := files.Create("/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("12345")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Stat("/none"); err == nil {
		t.Error("it is there")
	}
	f, err = files.Open("/f")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); err != nil || len(b) != 5 {
		t.Errorf("%q, %v", b, err)
	}
	h.exec(c, "scp -f /f", "\x00\x00\x00\x00")
	got := h.srv.Figures()
	if got.LoggedIn != 1 || got.Written != 5 || got.Read != 10 {
		t.Errorf("%+v", got)
	}
	for _, r := range got.ByKind {
		switch r.Op {
		case "open":
			if r.Count != 2 || len(r.Failures) != 0 {
				t.Errorf("%+v", r)
			}
		case "stat":
			if r.Failures[kind.NotExist] != 1 || len(r.Failures) != 1 {
				t.Errorf("%+v", r)
			}
		}
	}
	if len(got.ByKind) != 19 {
		t.Errorf("%d kinds of requests", len(got.ByKind))
	}
}
