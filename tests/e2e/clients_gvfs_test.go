package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// gvfs, by which GNOME's file manager mounts: it starts ssh by itself, asks for
// attributes in one go, writes into a temporary file and renames it over the old.
func TestClientGvfs(t *testing.T) {
	t.Parallel()
	need(t, "gio", "dbus-run-session", "/usr/lib/gvfs/gvfsd-sftp")
	g := newGuest(t)
	runtime := socketDir(t)
	// Its daemons end some time after their bus, and until then write into their home.
	t.Cleanup(func() {
		if !within(10*time.Second, func() bool { return len(with("HOME="+g.home)) == 0 }) {
			for _, pid := range with("HOME=" + g.home) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			eventually(t, func() bool { return len(with("HOME="+g.home)) == 0 })
		}
	})
	// ssh looks for its configuration in the account's home, whatever HOME says.
	wrapper := g.file("bin/ssh", []byte("#!/bin/sh\nexec /usr/bin/ssh -F "+g.home+"/config \"$@\"\n"))
	if err := os.Chmod(wrapper, 0o755); err != nil {
		t.Fatal(err)
	}
	g.file("config", fmt.Appendf(nil, "IdentityFile %s\nIdentitiesOnly yes\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n", g.Key))
	g.env = append(g.env, "PATH="+filepath.Dir(wrapper)+":"+os.Getenv("PATH"), "XDG_RUNTIME_DIR="+runtime, "XDG_DATA_HOME="+g.home, "GIO_USE_VFS=gvfs")
	g.file("one", pattern(300_000, 1))
	g.file("two", pattern(70_000, 2))
	g.file("script", fmt.Appendf(nil, `set -eux
at=sftp://%s@127.0.0.1:%d
gio mount "$at/"
gio mkdir "$at/desk"
gio copy one "$at/desk/one"
gio copy "$at/desk/one" back
cmp one back
gio save "$at/desk/one" < two
gio cat "$at/desk/one" | cmp - two
gio rename "$at/desk/one" "a name with %%41 in it"
gio copy two "$at/desk/two"
gio move "$at/desk/two" "$at/moved"
gio set -t uint32 "$at/moved" unix::mode 256
gio info -a unix::mode,standard::size "$at/moved"
gio list -l "$at/desk"
gio remove "$at/moved"
if gio info "$at/moved"; then exit 1; fi
if gio remove "$at/desk"; then exit 1; fi
gio mount -u "$at/"
`, g.User, g.Port))
	out := g.run("dbus-run-session", "--", "sh", "script")
	for _, want := range []string{`unix::mode: 33024`, `standard::size: 70000`, `a name with %41 in it\s+70000`} {
		if !matches(out, want) {
			t.Errorf("%s isn't in\n%s", want, out)
		}
	}
	back := filepath.Join(g.home, "again")
	g.sftp(fmt.Sprintf("get \"desk/a name with %%41 in it\" %s\n", back))
	g.sameFile(back, filepath.Join(g.home, "two"))
}

// with lists the processes that have that in their environment.
func with(variable string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range all {
		// Those that have ended meanwhile, and those of others, can't be read.
		b, err := os.ReadFile(file)
		if pid, perr := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && perr == nil && bytes.Contains(append([]byte{0}, b...), append(append([]byte{0}, variable...), 0)) {
			pids = append(pids, pid)
		}
	}
	return pids
}
