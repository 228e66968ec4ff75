package sftpd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// A full disk is told, and doesn't fill the log, too.
func TestComplaints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &complaints{}
		try := func(k kind.Kind, n int) (told, held int) {
			for range n {
				if ok, h := c.pass(k); ok {
					told, held = told+1, held+h
				}
			}
			return told, held
		}
		for i, want := range [][2]int{{complaintsOf, 0}, {complaintsOf, 1000 - complaintsOf}} {
			if told, held := try(kind.NoSpace, 1000); told != want[0] || held != want[1] {
				t.Errorf("minute %d: %d told, %d were held back, want %v", i, told, held, want)
			}
			if told, _ := try(kind.Corrupt, 1); told != 1 {
				t.Error("another kind is held back")
			}
			time.Sleep(complaintsEvery)
		}
	})
	if ok, _ := (*complaints)(nil).pass(kind.NoSpace); !ok {
		t.Error("held back without a server")
	}
}

// TestAFullDiskDoesNotFloodTheLog: many files that fail, few records.
func TestAFullDiskDoesNotFloodTheLog(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	h.tree.fail("WriteAt", fmt.Errorf("spool: %w", kind.NoSpace))
	files := h.sftp(h.login())
	for i := range 100 {
		f, err := files.Create(fmt.Sprintf("/f%d", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("x")); err == nil {
			t.Error("written")
		}
		f.Close()
	}
	warnings := slices.DeleteFunc(strings.Split(h.log.String(), "\n"), func(l string) bool { return !strings.Contains(l, "level=WARN") })
	if n := len(warnings); n == 0 || n > complaintsOf {
		t.Errorf("%d warnings: %.500q", n, warnings)
	}
}
