package testbed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Swift is an OpenStack Swift of one device and one replica: account, container,
// object and proxy server, and a memcached for the tokens. Its proxy speaks
// Swift's API with auth v1 (tempauth) and S3's (the s3api middleware), both with
// the account's one user.
type Swift struct {
	Port     int
	Tenant   string // the account
	User     string
	Password string
	dir      string
	as       *syscall.SysProcAttr
	ports    map[string]int
	running  []*process // in the order in which they started
}

// NewSwift lays out configuration, rings and the device in dir and starts the
// servers on free loopback ports. Root's run as the user swift or, without one,
// nobody. The file system of dir must support user extended attributes, in which
// Swift keeps what it knows of an object.
func NewSwift(ctx context.Context, dir string) (*Swift, error) {
	s := &Swift{Tenant: "test", User: "tester", Password: "sw-" + rand.Text(), dir: dir, ports: map[string]int{}}
	for _, name := range []string{"account", "container", "object", "proxy", "memcached"} {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		s.ports[name] = port
	}
	s.Port = s.ports["proxy"]
	device := filepath.Join(dir, "srv", "sda")
	if err := os.MkdirAll(device, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Setxattr(device, "user.truckee", make([]byte, 1000), 0); err != nil {
		return nil, fmt.Errorf("swift keeps metadata in extended attributes, and the file system of %s has none (another TMPDIR may): %w", dir, err)
	}
	for name, text := range s.configuration() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	var err error
	for _, d := range []string{dir, filepath.Dir(device), device} {
		if s.as, err = unprivileged(d, "swift", "nobody"); err != nil {
			return nil, err
		}
	}
	if err := s.rings(ctx); err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// rings makes the three rings, each of the one device.
func (s *Swift) rings(ctx context.Context) error {
	var g errgroup.Group
	for _, ring := range []string{"account", "container", "object"} {
		g.Go(func() error {
			for _, words := range [][]string{
				{"create", "2", "1", "0"}, // 4 partitions, 1 replica
				{"add", fmt.Sprintf("r1z1-127.0.0.1:%d/sda", s.ports[ring]), "1"},
				{"rebalance"},
			} {
				args := append([]string{ring + ".builder"}, words...)
				// Status 1 is a warning: that one device is no redundancy.
				out, err := s.command(ctx, "swift-ring-builder", args...).CombinedOutput()
				if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
					return fmt.Errorf("swift-ring-builder %s: %w: %s", words[0], err, out)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (s *Swift) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	return commandAs(ctx, s.as, s.dir, program, args...)
}

// Start starts the servers, which aren't running, on the ports as before, and
// returns when they answer.
func (s *Swift) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	err := s.start("memcached", "memcached", "-l", "127.0.0.1", "-p", strconv.Itoa(s.ports["memcached"]), "-U", "0", "-m", "32")
	for _, name := range []string{"account", "container", "object", "proxy"} {
		if err == nil {
			err = s.start(name, "swift-"+name+"-server", name+"-server.conf", "-v")
		}
	}
	for i, name := range []string{"account", "container", "object", "proxy"} {
		if err == nil {
			err = s.running[i+1].waitUntil(ctx, func(ctx context.Context) error { return answers(ctx, s.ports[name]) })
		}
	}
	if err != nil {
		_ = s.Stop()
	}
	return err
}

func (s *Swift) start(name, program string, args ...string) error {
	p, err := startProcess(name, filepath.Join(s.dir, name+".log"), s.command(context.Background(), program, args...))
	if err == nil {
		s.running = append(s.running, p)
	}
	return err
}

// answers tells whether anything answers HTTP requests for /healthcheck.
func answers(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/healthcheck", port), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// AuthURL is where auth v1 begins.
func (s *Swift) AuthURL() string { return fmt.Sprintf("http://127.0.0.1:%d/auth/v1.0", s.Port) }

// S3 gives endpoint, access key and secret of the s3api middleware.
func (s *Swift) S3() (endpoint, key, secret string) {
	return fmt.Sprintf("http://127.0.0.1:%d", s.Port), s.Tenant + ":" + s.User, s.Password
}

// Pids are the servers' processes, but for what those have started.
func (s *Swift) Pids() []int {
	pids := make([]int, len(s.running))
	for i, p := range s.running {
		pids[i] = p.pid
	}
	return pids
}

// Stop ends the servers, the proxy first.
func (s *Swift) Stop() error {
	var errs []error
	for i := len(s.running) - 1; i >= 0; i-- {
		errs = append(errs, s.running[i].stop(syscall.SIGTERM, time.Minute))
	}
	s.running = nil
	return errors.Join(errs...)
}
