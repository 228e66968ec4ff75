// Package testbed starts the real programs that the end-to-end tests and the
// benchmark measure against each other: a truckee node, OpenSSH's own sshd with
// internal-sftp on a plain directory, the sftp client and sshfs mounts. It
// decides nothing about success; its callers do.
package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Endpoint is an SFTP server that a client can be pointed at.
type Endpoint struct {
	Name string // for messages: "truckee", "openssh"
	Port int
	User string
	Key  string // private key file
	Root string // the directory at the server that a client works in, "/" or an absolute path
}

// sshOptions are those that keep the client from touching the caller's own
// configuration and from asking questions.
func (e Endpoint) sshOptions() []string {
	return []string{
		"-F", "/dev/null",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "GlobalKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "IdentityFile=" + e.Key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
	}
}

// SFTPCommand is OpenSSH's sftp with a batch on its standard input.
func (e Endpoint) SFTPCommand(ctx context.Context, batch string, extra ...string) *exec.Cmd {
	args := append(e.sshOptions(), "-P", strconv.Itoa(e.Port), "-b", "-")
	args = append(args, extra...)
	args = append(args, e.User+"@127.0.0.1:"+e.Root)
	cmd := exec.CommandContext(ctx, "sftp", args...)
	cmd.Stdin = strings.NewReader(batch)
	return cmd
}

// SFTP runs a batch of sftp commands and returns what it printed. sftp stops at
// the first command that fails, unless its line begins with "-".
func (e Endpoint) SFTP(ctx context.Context, batch string, extra ...string) (string, error) {
	cmd := e.SFTPCommand(ctx, batch, extra...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("sftp to %s: %w: %s", e.Name, err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// SSHCommand is OpenSSH's ssh, for exec and shell channels.
func (e Endpoint) SSHCommand(ctx context.Context, words ...string) *exec.Cmd {
	args := append(e.sshOptions(), "-p", strconv.Itoa(e.Port), e.User+"@127.0.0.1")
	return exec.CommandContext(ctx, "ssh", append(args, words...)...)
}

// Mount is an sshfs mount.
type Mount struct{ Dir string }

// SSHFS mounts the endpoint's root on dir, which it creates.
func (e Endpoint) SSHFS(ctx context.Context, dir string, options ...string) (*Mount, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	args := []string{
		e.User + "@127.0.0.1:" + e.Root, dir, "-p", strconv.Itoa(e.Port),
		"-o", "IdentityFile=" + e.Key + ",IdentitiesOnly=yes,BatchMode=yes,StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null,GlobalKnownHostsFile=/dev/null,LogLevel=ERROR",
		"-F", "/dev/null",
	}
	for _, o := range options {
		args = append(args, "-o", o)
	}
	out, err := exec.CommandContext(ctx, "sshfs", args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("sshfs to %s: %w: %s", e.Name, err, bytes.TrimSpace(out))
	}
	return &Mount{Dir: dir}, nil
}

// Unmount unmounts; when the mount stays busy it detaches it all the same, and says
// so. One that has ended by itself, since its server is gone, is no error.
func (m *Mount) Unmount() error {
	return m.end([]string{"fusermount3", "-u"}, []string{"fusermount3", "-u", "-z"})
}

// UnmountByRoot is Unmount for what fusermount3 doesn't know.
func (m *Mount) UnmountByRoot() error { return m.end([]string{"umount"}, []string{"umount", "-l"}) }

// end has a program unmount, and tries for half a minute: what this process had
// open, and has closed, stays open for a moment in a child that was forked
// meanwhile and has not executed its program yet.
func (m *Mount) end(unmount, detach []string) error {
	var out []byte
	var err error
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		out, err = exec.Command(unmount[0], append(unmount[1:], m.Dir)...).CombinedOutput()
		if err == nil || !m.mounted() {
			return nil
		}
	}
	if lazy := exec.Command(detach[0], append(detach[1:], m.Dir)...).Run(); lazy != nil {
		return fmt.Errorf("unmount: %w: %s", err, bytes.TrimSpace(out))
	}
	return fmt.Errorf("unmount: was busy, detached: %s", bytes.TrimSpace(out))
}

// mounted tells whether the kernel still knows the mount.
func (m *Mount) mounted() bool {
	table, err := os.ReadFile("/proc/self/mountinfo")
	return err != nil || strings.Contains(string(table), " "+m.Dir+" ")
}

// NewKey makes an ed25519 key pair without a passphrase and returns the private
// key's path; the public one has .pub behind it.
func NewKey(dir string) (string, error) {
	path := filepath.Join(dir, "client_key")
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "testbed", "-f", path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	return path, nil
}

// waitForBanner returns when the port greets with an SSH identification, or
// with an error when the process has ended or the time is over.
func waitForBanner(ctx context.Context, port int, ended <-chan struct{}) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if greets(port) {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the server ended before it listened")
		case <-ctx.Done():
			return fmt.Errorf("no SSH server on port %d: %w", port, ctx.Err())
		case <-tick.C:
		}
	}
}

func greets(port int) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if c.SetReadDeadline(time.Now().Add(2*time.Second)) != nil {
		return false
	}
	b := make([]byte, 4)
	n, _ := c.Read(b)
	return string(b[:n]) == "SSH-"
}

// me is the name of the user that runs the tests, whom sshd lets in.
func me() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.Username, nil
}
