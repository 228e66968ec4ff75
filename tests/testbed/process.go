package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a server that runs in a process group of its own, which ends with
// it, and which ends when this program does, however that is.
type process struct {
	name    string
	pid     int
	logFile string
	ended   chan struct{} // closed when the server has been waited for
	err     error         // of Wait, once ended is closed
}

// commandAs is a program that runs in dir, which is its home, too, as the user that as
// names; nil: as ours.
func commandAs(ctx context.Context, as *syscall.SysProcAttr, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	if as != nil {
		own := *as
		cmd.SysProcAttr = &own
	}
	return cmd
}

// startProcess starts cmd with its output appended to logFile.
func startProcess(name, logFile string, cmd *exec.Cmd) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A group of its own: Ctrl-C in a terminal reaches us alone, and we end the
	// servers in their order.
	cmd.SysProcAttr.Setpgid = true
	p := &process{name: name, logFile: logFile}
	if p.ended, err = startHeld(cmd, &p.err); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// startHeld starts cmd, which ends when this program does. What it returns is closed
// when cmd has been waited for; before that *result is what Wait gave.
func startHeld(cmd *exec.Cmd, result *error) (ended chan struct{}, err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithParent(cmd.SysProcAttr)
	ended = make(chan struct{})
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the thread ends that started
		// the process, so that thread stays.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			*result = cmd.Wait()
			close(ended)
		}
	}()
	return ended, <-started
}

// log is the end of what the server printed.
func (p *process) log() string {
	b, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(b[max(0, len(b)-4000):]))
}

// waitUntil asks ready every 20 ms until it says nil; an error when the server
// has ended before, or time is up.
func (p *process) waitUntil(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended before it served: %w: %s", p.name, err, p.log())
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w: %s", p.name, err, p.log())
		case <-tick.C:
		}
	}
}

// stop sends a signal to the server, waits for its end, and then kills what is
// left of its group. A server that ended before is no error.
func (p *process) stop(sig syscall.Signal, within time.Duration) error {
	var err error
	select {
	case <-p.ended:
	default:
		if kerr := syscall.Kill(p.pid, sig); kerr != nil && !errors.Is(kerr, syscall.ESRCH) {
			err = fmt.Errorf("stop %s: %w", p.name, kerr)
		}
		select {
		case <-p.ended:
		case <-time.After(within):
			err = fmt.Errorf("%s did not end within %v of %v", p.name, within, sig)
		}
	}
	if kerr := syscall.Kill(-p.pid, syscall.SIGKILL); kerr != nil && !errors.Is(kerr, syscall.ESRCH) {
		err = errors.Join(err, fmt.Errorf("kill the rest of %s: %w", p.name, kerr))
	}
	<-p.ended
	return err
}
