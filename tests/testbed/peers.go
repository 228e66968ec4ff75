package testbed

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Peer is another SFTP server that encrypts what it stores.
type Peer struct {
	Endpoint
	p *process
}

// StartRclone starts `rclone serve sftp` over its crypt on a directory in dir,
// as its documentation sets it up, for the owner of clientKey.
func StartRclone(ctx context.Context, dir, clientKey string) (*Peer, error) {
	program, err := exec.LookPath("rclone")
	if err != nil {
		return nil, err
	}
	secret, err := exec.CommandContext(ctx, program, "obscure", "bench").Output()
	if err != nil {
		return nil, fmt.Errorf("rclone obscure: %w", err)
	}
	return startPeer(ctx, "rclone", dir, clientKey, func(port int) *exec.Cmd {
		cmd := exec.Command(program, "serve", "sftp", "crypt:", "--addr", fmt.Sprintf("127.0.0.1:%d", port),
			"--authorized-keys", clientKey+".pub", "--config", filepath.Join(dir, "rclone.conf"))
		cmd.Env = append(environment(), "HOME="+dir, "XDG_CACHE_HOME="+dir, "RCLONE_CONFIG_CRYPT_TYPE=crypt",
			"RCLONE_CONFIG_CRYPT_REMOTE="+filepath.Join(dir, "data"), "RCLONE_CONFIG_CRYPT_PASSWORD="+strings.TrimSpace(string(secret)))
		return cmd
	})
}

// StartSFTPGo starts `sftpgo portable` with its encrypted file system on a
// directory in dir, for the owner of clientKey. The programme is SFTPGO in the
// environment, or in the PATH.
func StartSFTPGo(ctx context.Context, dir, clientKey string) (*Peer, error) {
	program := os.Getenv("SFTPGO")
	if program == "" {
		var err error
		if program, err = exec.LookPath("sftpgo"); err != nil {
			return nil, err
		}
	}
	public, err := os.ReadFile(clientKey + ".pub")
	if err != nil {
		return nil, err
	}
	return startPeer(ctx, "SFTPGo", dir, clientKey, func(port int) *exec.Cmd {
		cmd := exec.Command(program, "portable", "--directory", filepath.Join(dir, "data"), "--sftpd-port", strconv.Itoa(port),
			"--username", Account, "--public-key", strings.TrimSpace(string(public)), "--permissions", "*",
			"--fs-provider", "cryptfs", "--crypto-passphrase", rand.Text()+rand.Text())
		cmd.Dir = dir
		cmd.Env = append(environment(), "HOME="+dir, "SFTPGO_COMMON__DEFENDER__ENABLED=0")
		return cmd
	})
}

func startPeer(ctx context.Context, name, dir, clientKey string, command func(port int) *exec.Cmd) (*Peer, error) {
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	p, err := startProcess(name, filepath.Join(dir, "log"), command(port))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := waitForBanner(ctx, port, p.ended); err != nil {
		_ = p.stop(syscall.SIGKILL, time.Second)
		return nil, fmt.Errorf("%s: %w: %s", name, err, p.log())
	}
	return &Peer{Endpoint{Name: name, Port: port, User: Account, Key: clientKey, Root: "/"}, p}, nil
}

// Pid is the server's process.
func (s *Peer) Pid() int { return s.p.pid }

// Stop ends the server.
func (s *Peer) Stop() error { return s.p.stop(syscall.SIGTERM, 5*time.Second) }
