package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Account is the login that StartTruckee's node knows, by the client's key.
const Account = "tester"

// Truckee is a node of the built binary on a BASEDIR of its own.
type Truckee struct {
	Endpoint
	Binary  string
	S3Port  int
	BaseDir string
	env     []string
	cmd     *exec.Cmd
	ended   chan struct{}
	logFile string
}

// Build compiles the binary into dir, as `go build` does for a user.
func Build(dir string) (string, error) {
	path := filepath.Join(dir, "truckee")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/truckee-fs/truckee/cmd/truckee")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
}

// NewTruckee creates a node in dir, by `truckee init` with the flags given, with
// an account for the client's key, and doesn't start it.
func NewTruckee(ctx context.Context, binary, dir, clientKey string, flags ...string) (*Truckee, error) {
	t, err := newTruckee(binary, dir, clientKey)
	if err != nil {
		return nil, err
	}
	if _, err := t.Run(ctx, nil, append([]string{"init"}, flags...)...); err != nil {
		return nil, err
	}
	if _, err := t.Run(ctx, nil, "account", "add", Account, "--key", clientKey+".pub"); err != nil {
		return nil, err
	}
	return t, nil
}

// Join creates another gateway on the stores of t, in dir, as an operator does
// who pipes the bundle from one machine to the other; it doesn't start it.
func (t *Truckee) Join(ctx context.Context, dir string) (*Truckee, error) {
	bundle, err := t.Run(ctx, nil, "join-bundle", "-")
	if err != nil {
		return nil, err
	}
	other, err := newTruckee(t.Binary, dir, t.Key)
	if err != nil {
		return nil, err
	}
	_, err = other.Run(ctx, strings.NewReader(bundle), "init", "--join", "-")
	return other, err
}

// newTruckee says where a node in dir is to be.
func newTruckee(binary, dir, clientKey string) (*Truckee, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s3, err := FreePort()
	if err != nil {
		return nil, err
	}
	return &Truckee{
		S3Port:   s3,
		Endpoint: Endpoint{Name: "truckee", Port: port, User: Account, Key: clientKey, Root: "/"},
		Binary:   binary,
		BaseDir:  filepath.Join(dir, "node"),
		env:      append(environment(), "HOME="+dir),
		logFile:  filepath.Join(dir, "truckee.log"),
	}, nil
}

// environment is the caller's, without what configures truckee or tests.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TRUCKEE_") })
}

// Run runs a subcommand on the node's BASEDIR and returns its standard output;
// the error holds its standard error and exit status.
func (t *Truckee) Run(ctx context.Context, stdin io.Reader, words ...string) (string, error) {
	cmd := t.Command(ctx, words...)
	cmd.Stdin = stdin
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("truckee %s: %w: %s", words[0], err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Command is a subcommand on the node's BASEDIR, not started yet.
func (t *Truckee) Command(ctx context.Context, words ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.Binary, words...)
	cmd.Env = append(t.env, "TRUCKEE_BASEDIR="+t.BaseDir)
	return cmd
}

// Start serves, and returns when the port greets.
func (t *Truckee) Start(ctx context.Context, flags ...string) error {
	log, err := os.OpenFile(t.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	words := append([]string{"serve", "--sftp", "127.0.0.1:" + strconv.Itoa(t.Port), "--s3", "127.0.0.1:" + strconv.Itoa(t.S3Port)}, flags...)
	t.cmd = t.Command(context.Background(), words...)
	t.cmd.Stdout, t.cmd.Stderr = log, log
	if t.ended, err = startHeld(t.cmd, new(error)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := waitForBanner(ctx, t.Port, t.ended); err != nil {
		_ = t.Kill()
		return fmt.Errorf("truckee serve: %w: %s", err, t.Log())
	}
	return nil
}

// S3 is the URL of the node's S3 frontend.
func (t *Truckee) S3() string { return "http://127.0.0.1:" + strconv.Itoa(t.S3Port) }

// S3Key gives the account another access key, with what flags say.
func (t *Truckee) S3Key(ctx context.Context, flags ...string) (id, secret string, err error) {
	out, err := t.Run(ctx, nil, append([]string{"account", "s3key", "add", Account}, flags...)...)
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(out) {
		if text, ok := strings.CutPrefix(line, "access key id: "); ok {
			id = strings.TrimSpace(text)
		}
		if text, ok := strings.CutPrefix(line, "secret access key: "); ok {
			secret = strings.TrimSpace(text)
		}
	}
	if id == "" || secret == "" {
		return "", "", errors.New("truckee account s3key add printed no key")
	}
	return id, secret, nil
}

// Log returns what the server printed so far.
func (t *Truckee) Log() string {
	b, _ := os.ReadFile(t.logFile)
	return string(b)
}

// Pid is the server's process.
func (t *Truckee) Pid() int { return t.cmd.Process.Pid }

// Stop asks the server to end and waits for it.
func (t *Truckee) Stop() error {
	if t.cmd == nil {
		return nil
	}
	if err := t.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-t.ended:
		return nil
	case <-time.After(time.Minute):
		_ = t.Kill()
		return errors.New("truckee did not end within a minute of SIGTERM")
	}
}

// Kill ends the server with SIGKILL, as a crash would.
func (t *Truckee) Kill() error {
	if t.cmd == nil {
		return nil
	}
	err := t.cmd.Process.Kill()
	<-t.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Usage is what the server process used so far.
type Usage struct {
	CPU     time.Duration // user and system
	PeakRSS int64         // bytes, VmHWM
}

// Usage reads /proc.
func (t *Truckee) Usage() (Usage, error) {
	cpu, err := CPUTime(t.Pid())
	if err != nil {
		return Usage{}, err
	}
	u := Usage{CPU: cpu}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.Pid()))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			u.PeakRSS = kib << 10
		}
	}
	return u, nil
}

// CPUTime is what a process has used so far, user and system, without what it has
// started: from /proc, in hundredths of a second.
func CPUTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The fields after the command's closing parenthesis are fixed: proc(5).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	const ticksPerSecond = 100 // USER_HZ is 100 on every Linux ABI
	return time.Duration(user+system) * time.Second / ticksPerSecond, nil
}

// ResetPeak sets the process's peak memory back to its present size, so that
// the next workload's peak can be told apart.
func (t *Truckee) ResetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", t.Pid()), []byte("5"), 0)
}
