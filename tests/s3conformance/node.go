package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// users are the accounts that the suite wants, by the sections of its
// configuration. The last three are for IAM, which this server doesn't have: they
// are accounts like the others.
var users = [][2]string{
	{"s3 main", "main"}, {"s3 alt", "alt"}, {"s3 tenant", "tenant"}, {"iam", "iam"}, {"iam root", "iamroot"}, {"iam alt root", "iamaltroot"},
}

// node is a running server.
type node struct {
	port    int
	command *exec.Cmd
	ended   chan struct{}
	log     string
}

// startNode makes a node with the users of so many processes and starts it.
func startNode(ctx context.Context, binary, dir string, parts int) (*node, error) {
	var err error
	if binary == "" {
		if binary, err = testbed.Build(dir); err != nil {
			return nil, err
		}
	}
	base := "TRUCKEE_BASEDIR=" + filepath.Join(dir, "node")
	truckee := func(input string, words ...string) error {
		c := exec.CommandContext(ctx, binary, words...)
		c.Env = append(os.Environ(), base)
		c.Stdin = strings.NewReader(input)
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("truckee %s: %w: %s", strings.Join(words, " "), err, bytes.TrimSpace(out))
		}
		return nil
	}
	if err := truckee("", "init"); err != nil {
		return nil, err
	}
	for part := range parts {
		for _, u := range users {
			name := nameOf(u[1], part)
			if err := truckee(keyOf(name)+"\n"+secretOf(name)+"\n", "account", "s3key", "add", name, "--key-stdin"); err != nil {
				return nil, err
			}
		}
	}
	n := &node{ended: make(chan struct{}), log: filepath.Join(dir, "truckee.log")}
	if n.port, err = testbed.FreePort(); err != nil {
		return nil, err
	}
	sftp, err := testbed.FreePort()
	if err != nil {
		return nil, err
	}
	n.command = exec.Command(binary, "serve", "--sftp", "127.0.0.1:"+strconv.Itoa(sftp), "--s3", "127.0.0.1:"+strconv.Itoa(n.port),
		"--s3-object-ownership", "ObjectWriter", "--s3-lifecycle-day", "10s", "--s3-signature-v2", "--s3-sse-c-without-tls")
	n.command.Env = append(os.Environ(), base)
	log, err := os.Create(n.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	n.command.Stdout, n.command.Stderr = log, log
	if err := n.command.Start(); err != nil {
		return nil, err
	}
	go func() { _ = n.command.Wait(); close(n.ended) }()
	return n, n.ready(ctx)
}

// ready waits until the server answers.
func (n *node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(n.port)+"/", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(r); err == nil {
			return res.Body.Close()
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-n.ended:
			return fmt.Errorf("truckee serve ended: %s", n.tail())
		case <-ctx.Done():
			return fmt.Errorf("truckee serve doesn't answer: %s", n.tail())
		}
	}
}

func (n *node) tail() string {
	b, _ := os.ReadFile(n.log)
	return string(b[max(0, len(b)-2000):])
}

// stop ends the server and tells if it had ended before.
func (n *node) stop() error {
	select {
	case <-n.ended:
		return fmt.Errorf("the server died: %s", n.tail())
	default:
	}
	if err := n.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-n.ended:
		return nil
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("truckee did not end within 30 s of SIGTERM"), n.command.Process.Kill())
	}
}

// nameOf is the account of a user in one of the processes that share the suite:
// some tests count the buckets of an account.
func nameOf(user string, part int) string { return user + strconv.Itoa(part) }

func keyOf(name string) string    { return "KEY" + strings.ToUpper(name) }
func secretOf(name string) string { return "conformance-secret-of-" + name }

// configuration is the suite's, for one process. A user's e-mail address is the
// account's name.
func (n *node) configuration(part int) string {
	host, port, _ := net.SplitHostPort("127.0.0.1:" + strconv.Itoa(n.port))
	var b strings.Builder
	fmt.Fprintf(&b, "[DEFAULT]\nhost = %s\nport = %s\nis_secure = False\nssl_verify = False\n[fixtures]\nbucket prefix = c-{random}-\n", host, port)
	for _, u := range users {
		name := nameOf(u[1], part)
		fmt.Fprintf(&b, "[%s]\ndisplay_name = %s\nuser_id = %s\nemail = %s\ntenant = %s\naccess_key = %s\nsecret_key = %s\nlc_debug_interval = 10\n",
			u[0], name, acl.ID(name), name, name, keyOf(name), secretOf(name))
	}
	return b.String()
}
