package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestServeSlackensTimers has serve wait for its configuration, and looks at what it
// was begun with by then. It begins itself anew once, under its process id; not where a
// slack was chosen, and not without end where the kernel keeps none.
func TestServeSlackensTimers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		first time.Duration
		env   string
		anew  bool
		slack time.Duration
	}{
		{"usual", usualSlack, "", true, ourSlack},
		{"chosen", time.Millisecond, "", false, time.Millisecond},
		{"not kept", usualSlack, slackenedEnv + "=once", false, usualSlack},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			cfg := filepath.Join(base, "tahoe.cfg")
			if err := unix.Mkfifo(cfg, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "truckee", "serve", "--basedir", base)
			if cmd.Env = os.Environ(); c.env != "" {
				cmd.Env = append(cmd.Env, c.env)
			}
			startWithSlack(t, cmd, c.first)
			f, err := os.OpenFile(cfg, os.O_WRONLY, 0) // waits for its reader
			if err != nil {
				t.Fatal(err)
			}
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
			if anew := strings.Contains(string(env), slackenedEnv+"=1"); err != nil || anew != c.anew {
				t.Errorf("serve has begun itself anew: %t, want %t (%v)", anew, c.anew, err)
			}
			// Only those with rights over the scheduler may ask.
			ns, err := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", cmd.Process.Pid))
			if want := strconv.Itoa(int(c.slack)); err == nil && strings.TrimSpace(string(ns)) != want {
				t.Errorf("serve has a slack of %s ns, want %s", ns, want)
			}
			_, _ = f.WriteString("[no such section]\n")
			_ = f.Close()
			if err := cmd.Wait(); err == nil {
				t.Error("serve took a configuration that makes no sense")
			}
		})
	}
}

// startWithSlack starts a programme from a thread with that slack, which it inherits.
func startWithSlack(t *testing.T, cmd *exec.Cmd, slack time.Duration) {
	t.Helper()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
}
