package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// A mount at rest answers keepalives and so lives; an idle time-out ends it, but
// not while it has a file open for writing, and sshfs comes again.
func TestMountAtRest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		flags []string
		rest  time.Duration
		ends  bool
	}{
		// A client that doesn't answer is cut after four seconds.
		"keepalive": {[]string{"--sftpd-keepalive", "1s"}, 6 * time.Second, false},
		"idle":      {[]string{"--sftpd-idle-timeout", "500ms"}, 2 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := testbed.NewTruckee(t.Context(), binary, t.TempDir(), clientKey)
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Start(t.Context(), tt.flags...); err != nil {
				t.Fatal(err)
			}
			defer n.Stop()
			dir := mount(t, n.Endpoint, "reconnect")
			f, err := os.Create(filepath.Join(dir, "open"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("before the rest, "); err != nil {
				t.Fatal(err)
			}
			cuts := func() int { return strings.Count(n.Log(), "connection ended") }
			before := cuts() // on a busy machine the mount may have rested before the file was opened
			<-time.After(tt.rest)
			if cuts() > before {
				t.Fatal("cut with a file open for writing")
			}
			if _, err := f.WriteString("and after"); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if tt.ends {
				eventually(t, func() bool { return strings.Count(n.Log(), "connection ended: idle") > before })
			} else {
				<-time.After(tt.rest)
				if cuts() > before || strings.Contains(n.Log(), "sftp logout") {
					t.Error("a mount that answers is cut")
				}
			}
			// What sshfs asked for before it noticed that the connection has ended fails.
			var text []byte
			if !within(time.Minute, func() bool {
				text, err = os.ReadFile(filepath.Join(dir, "open"))
				return err == nil
			}) || string(text) != "before the rest, and after" {
				t.Errorf("read back %q, %v", text, err)
			}
		})
	}
}
