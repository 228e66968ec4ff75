package testbed

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// versityModule is the S3 server, as `go install` takes it. It keeps each object
// as a file, with what else S3 knows of it in extended attributes.
const versityModule = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// Versity is a Versity S3 gateway over a directory, with two users: its root,
// and a limited one that may do what bucket policies allow it.
type Versity struct {
	Port                      int
	Key, Secret               string
	LimitedKey, LimitedSecret string
	binary, dir               string
	as                        *syscall.SysProcAttr
	p                         *process
}

// InstallVersity builds the server where NewVersity finds it, unless it is there.
func InstallVersity(ctx context.Context) error {
	binary, err := versityBinary()
	if err != nil {
		return err
	}
	if _, err := os.Stat(binary); err == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", versityModule)
	cmd.Dir = os.TempDir() // not in this module, whose requirements are its own
	cmd.Env = append(os.Environ(), "GOBIN="+filepath.Dir(binary), "GOFLAGS=-ldflags=-w")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s: %w: %s", versityModule, err, out)
	}
	return nil
}

// versityBinary is in the user's cache, in a directory that names the version.
func versityBinary() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	_, version, _ := strings.Cut(versityModule, "@")
	return filepath.Join(cache, "truckee-tests", "versitygw-"+version, "versitygw"), nil
}

// NewVersity starts the server on a free loopback port, with all that it keeps
// below dir. Root's runs as nobody.
func NewVersity(ctx context.Context, dir string) (*Versity, error) {
	installed, err := versityBinary()
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &Versity{
		Port: port, Key: "versity-root", Secret: "vr-" + rand.Text(), LimitedKey: "versity-limited", LimitedSecret: "vl-" + rand.Text(),
		binary: filepath.Join(dir, "versitygw"), dir: dir,
	}
	for _, d := range []string{dir, s.Buckets(), s.users()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
		if s.as, err = unprivileged(d, "nobody"); err != nil {
			return nil, err
		}
	}
	// Nobody can't look into root's cache.
	if err := os.Link(installed, s.binary); err != nil {
		if err := copyFile(s.binary, installed); err != nil {
			return nil, fmt.Errorf("%w (scripts/test-deps.sh installs it)", err)
		}
	}
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	add := s.command(ctx, "admin", "--endpoint-url", s.Endpoint(), "create-user", "--access", s.LimitedKey, "--secret", s.LimitedSecret, "--role", "user")
	if out, err := add.CombinedOutput(); err != nil {
		_ = s.Stop()
		return nil, fmt.Errorf("create user: %w: %s", err, out)
	}
	return s, nil
}

// Buckets is the directory that holds each bucket as a directory, and each object
// as a file.
func (s *Versity) Buckets() string { return filepath.Join(s.dir, "buckets") }
func (s *Versity) users() string   { return filepath.Join(s.dir, "users") }

func (s *Versity) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := commandAs(ctx, s.as, s.dir, s.binary, args...)
	cmd.Env = append(cmd.Env, "ROOT_ACCESS_KEY="+s.Key, "ROOT_SECRET_KEY="+s.Secret, "ADMIN_ACCESS_KEY="+s.Key, "ADMIN_SECRET_KEY="+s.Secret)
	return cmd
}

// Endpoint is the server's URL.
func (s *Versity) Endpoint() string { return fmt.Sprintf("http://127.0.0.1:%d", s.Port) }

// Start starts the server, which isn't running, on the same port as before.
func (s *Versity) Start(ctx context.Context) (err error) {
	cmd := s.command(context.Background(), "--port", fmt.Sprintf("127.0.0.1:%d", s.Port), "--health", "/healthcheck",
		"--keep-alive", "--quiet", "--iam-dir", s.users(), "--iam-cache-disable", "posix", s.Buckets())
	if s.p, err = startProcess("versitygw", filepath.Join(s.dir, "versitygw.log"), cmd); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err = s.p.waitUntil(ctx, func(ctx context.Context) error { return answers(ctx, s.Port) }); err != nil {
		_ = s.Stop()
	}
	return err
}

// Pids are the server's processes, but for what those have started.
func (s *Versity) Pids() []int { return []int{s.p.pid} }

// Stop ends the server.
func (s *Versity) Stop() error { return s.p.stop(syscall.SIGTERM, time.Minute) }

// Kill ends the server without a chance to finish anything.
func (s *Versity) Kill() error { return s.p.stop(syscall.SIGKILL, 20*time.Second) }

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}
