package testbed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// OpenSSH is a private sshd with internal-sftp, the peer of the benchmark.
type OpenSSH struct {
	Endpoint
	cmd   *exec.Cmd
	ended chan struct{}
	log   bytes.Buffer
}

// StartOpenSSH starts sshd on a free loopback port, with its keys and
// configuration in dir and the SFTP root at dir/root.
func StartOpenSSH(ctx context.Context, dir, clientKey string) (*OpenSSH, error) {
	name, err := me()
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	hostKey := filepath.Join(dir, "host_key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", hostKey).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // sshd's privilege separation wants it and packages make it at boot only
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
	}
	config := fmt.Sprintf(`Port %d
ListenAddress 127.0.0.1
HostKey %s
AuthorizedKeysFile %s.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
`, port, hostKey, clientKey)
	configFile := filepath.Join(dir, "sshd_config")
	if err := os.WriteFile(configFile, []byte(config), 0o600); err != nil {
		return nil, err
	}
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		sshd = "/usr/sbin/sshd" // not on the PATH of every user; sshd wants an absolute path anyhow
	}
	s := &OpenSSH{
		Endpoint: Endpoint{Name: "openssh", Port: port, User: name, Key: clientKey, Root: root},
		ended:    make(chan struct{}),
	}
	s.cmd = exec.Command(sshd, "-D", "-e", "-f", configFile)
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start sshd: %w", err)
	}
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := waitForBanner(ctx, port, s.ended); err != nil {
		_ = s.Stop()
		return nil, fmt.Errorf("sshd: %w: %s", err, s.log.String())
	}
	return s, nil
}

// Pid is the server's process, whose children serve the connections.
func (s *OpenSSH) Pid() int { return s.cmd.Process.Pid }

// Stop ends the server.
func (s *OpenSSH) Stop() error {
	select {
	case <-s.ended:
		return nil
	default:
	}
	err := s.cmd.Process.Kill()
	<-s.ended
	return err
}
