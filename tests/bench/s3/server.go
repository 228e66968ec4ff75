package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// server is one that is measured.
type server struct {
	name string
	*client
	pid  func() int
	stop func() error
}

// start starts all servers.
func (b *bench) start(ctx context.Context) (err error) {
	if b.binary == "" {
		if b.binary, err = testbed.Build(b.dir); err != nil {
			return err
		}
	}
	if err := b.startTruckee(ctx, "truckee", b.binary, filepath.Join(b.dir, "truckee-node")); err != nil {
		return err
	}
	for _, name := range b.peers {
		err := b.startPeer(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(os.Stderr, "bench: %s isn't there, and is left out (-install builds it): %v\n", name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// startPeer starts a peer by its name, or another binary of truckee, in which case the
// name is its path.
func (b *bench) startPeer(ctx context.Context, name string) error {
	dir := filepath.Join(b.dir, "peer-"+filepath.Base(name))
	if strings.Contains(name, "/") {
		return b.startTruckee(ctx, filepath.Base(name), name, dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var s *testbed.S3Server
	var err error
	switch name {
	case "minio", "minio-kms":
		s, err = testbed.StartMinIO(ctx, dir, name == "minio-kms")
	case "versitygw":
		s, err = testbed.StartVersityS3(ctx, dir)
	case "rclone":
		s, err = testbed.StartRcloneS3(ctx, dir)
	default:
		err = errors.New("no such peer")
	}
	if err != nil {
		return err
	}
	b.servers = append(b.servers, &server{s.Name, newClient(s.Endpoint, s.Key, s.Secret), s.Pid, s.Stop})
	return nil
}

// printed is what `account s3key add` prints.
var printed = regexp.MustCompile(`access key id: (\S+)\nsecret access key: (\S+)`)

func (b *bench) startTruckee(ctx context.Context, name, binary, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := testbed.NewKey(dir)
	if err != nil {
		return err
	}
	n, err := testbed.NewTruckee(ctx, binary, dir, key)
	if err != nil {
		return err
	}
	out, err := n.Run(ctx, nil, "account", "s3key", "add", testbed.Account)
	if err != nil {
		return err
	}
	words := printed.FindStringSubmatch(out)
	if words == nil {
		return errors.New("account s3key add printed no key")
	}
	port, err := testbed.FreePort()
	if err != nil {
		return err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	if err := n.Start(ctx, "--s3", addr); err != nil {
		return err
	}
	b.servers = append(b.servers, &server{name, newClient("http://"+addr, words[1], words[2]), n.Pid, n.Stop})
	return nil
}

func (b *bench) stop() {
	for _, s := range b.servers {
		if err := s.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}
