// Command services starts the servers that tests of drivers and of whole
// deployments need, each once, runs a command with their addresses in its
// environment, and stops them:
//
//	go run ./tests/services [-only postgres,…] -- go test ./...
//
// Everything lives in a temporary directory and on free loopback ports, and
// goes with this program, whose exit status is the command's. The variables:
//
//	TRUCKEE_TEST_POSTGRES    URL of a superuser at the database postgres; a test
//	                         makes a database of its own (testbed.Database)
//	TRUCKEE_TEST_SWIFT_AUTH_URL, _TENANT, _USER, _PASSWORD
//	                         a Swift with auth v1
//	TRUCKEE_TEST_S3_ENDPOINT, _REGION, _KEY, _SECRET
//	                         the S3 API of the same Swift
//	TRUCKEE_TEST_S3B_ENDPOINT, _REGION, _KEY, _SECRET
//	                         a Versity S3 gateway, as its root
//	TRUCKEE_TEST_S3B_LIMITED_KEY, _LIMITED_SECRET
//	                         a user there who has what bucket policies give
//	TRUCKEE_TEST_S3C_ENDPOINT, _REGION, _KEY, _SECRET
//	                         Ceph's S3 gateway, which takes half a minute and is
//	                         started only if -only names it: radosgw
//
// With -install it builds or fetches what Debian has no package of, and ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// service is one server, or several that belong together.
type service struct {
	name  string
	asked bool // not started unless it is asked for by name
	// start puts all that the server needs into dir, which is there, and returns
	// the variables for the command, NAME=value, and how to stop it.
	start func(ctx context.Context, dir string) (env []string, stop func() error, err error)
}

func services() []service {
	return []service{
		{name: "postgres", start: startPostgres},
		{name: "swift", start: startSwift},
		{name: "versity", start: startVersity},
		{name: "radosgw", asked: true, start: startRadosgw},
	}
}

func main() {
	only := flag.String("only", "", "comma-separated names of the services to start; if empty, all but radosgw")
	install := flag.Bool("install", false, "build or fetch the servers and clients that Debian has no package of, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go endWithParent(stop)
	var status int
	var err error
	if *install {
		err = errors.Join(testbed.InstallVersity(ctx), testbed.InstallS3Clients(ctx))
	} else {
		status, err = run(ctx, *only, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// run starts the services, runs the command and returns its exit status.
func run(ctx context.Context, only string, words []string) (status int, err error) {
	if len(words) == 0 {
		return 2, errors.New("no command; use: services [-only NAMES] -- COMMAND…")
	}
	chosen, err := choose(only)
	if err != nil {
		return 2, err
	}
	dir, err := os.MkdirTemp("", "truckee-services-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Servers run as users of their own, who must get through to their part.
	if err := os.Chmod(dir, 0o711); err != nil {
		return 1, err
	}
	env, stop, err := startAll(ctx, chosen, dir)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return 1, err
	}
	return command(ctx, words, append(os.Environ(), env...))
}

func choose(only string) ([]service, error) {
	if only == "" {
		return slices.DeleteFunc(services(), func(s service) bool { return s.asked }), nil
	}
	var chosen []service
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(services(), func(s service) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no service %q", name)
		}
		chosen = append(chosen, services()[i])
	}
	return chosen, nil
}

// startAll starts them beside each other. What did start is stopped by stop, in
// any case.
func startAll(ctx context.Context, chosen []service, dir string) (env []string, stop func() error, err error) {
	var mu sync.Mutex // guards the results and what follows
	var stops []func() error
	var wg sync.WaitGroup
	begin := time.Now()
	var times []string
	for _, s := range chosen {
		wg.Go(func() {
			own := filepath.Join(dir, s.name)
			e, st, serr := []string(nil), func() error { return nil }, os.Mkdir(own, 0o755)
			if serr == nil {
				e, st, serr = s.start(ctx, own)
			}
			mu.Lock()
			defer mu.Unlock()
			if serr != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", s.name, serr))
				return
			}
			env, stops = append(env, e...), append(stops, st)
			times = append(times, fmt.Sprintf("%s %.1f s", s.name, time.Since(begin).Seconds()))
		})
	}
	wg.Wait()
	if err == nil {
		fmt.Fprintf(os.Stderr, "services: started %s\n", strings.Join(times, ", "))
	}
	return env, func() error {
		errs := make([]error, len(stops))
		var wg sync.WaitGroup
		for i, stop := range stops {
			wg.Go(func() { errs[i] = stop() })
		}
		wg.Wait()
		return errors.Join(errs...)
	}, err
}

// command runs the command to its end. When we are told to end, it is too, and
// has ten seconds for it.
func command(ctx context.Context, words, env []string) (status int, err error) {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if !term.IsTerminal(int(os.Stdin.Fd())) { // a terminal signals all of its group by itself
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	}
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if ctx.Err() != nil {
			return 1, errors.New("interrupted")
		}
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// endWithParent calls end when the process that started us is gone: `go run`
// doesn't pass on every signal that ends it.
func endWithParent(end func()) {
	parent := os.Getppid()
	for range time.Tick(500 * time.Millisecond) {
		if os.Getppid() != parent {
			end()
			return
		}
	}
}

func startPostgres(ctx context.Context, dir string) ([]string, func() error, error) {
	s, err := testbed.NewPostgres(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	return []string{"TRUCKEE_TEST_POSTGRES=" + s.URL("postgres")}, s.Stop, nil
}

func startSwift(ctx context.Context, dir string) ([]string, func() error, error) {
	s, err := testbed.NewSwift(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	endpoint, key, secret := s.S3()
	return append([]string{
		"TRUCKEE_TEST_SWIFT_AUTH_URL=" + s.AuthURL(), "TRUCKEE_TEST_SWIFT_TENANT=" + s.Tenant,
		"TRUCKEE_TEST_SWIFT_USER=" + s.User, "TRUCKEE_TEST_SWIFT_PASSWORD=" + s.Password,
	}, s3Env("TRUCKEE_TEST_S3", endpoint, key, secret)...), s.Stop, nil
}

func startVersity(ctx context.Context, dir string) ([]string, func() error, error) {
	s, err := testbed.NewVersity(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	return append([]string{
		"TRUCKEE_TEST_S3B_LIMITED_KEY=" + s.LimitedKey, "TRUCKEE_TEST_S3B_LIMITED_SECRET=" + s.LimitedSecret,
	}, s3Env("TRUCKEE_TEST_S3B", s.Endpoint(), s.Key, s.Secret)...), s.Stop, nil
}

func startRadosgw(ctx context.Context, dir string) ([]string, func() error, error) {
	s, err := testbed.NewRadosgw(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	return s3Env("TRUCKEE_TEST_S3C", s.Endpoint(), s.Key, s.Secret), s.Stop, nil
}

func s3Env(prefix, endpoint, key, secret string) []string {
	return []string{prefix + "_ENDPOINT=" + endpoint, prefix + "_REGION=us-east-1", prefix + "_KEY=" + key, prefix + "_SECRET=" + secret}
}
