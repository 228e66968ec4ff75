package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/s3"
	"github.com/truckee-fs/truckee/blockstore/swift"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/tests/testbed"
)

const (
	parallel  = 32
	blockSize = 1<<20 + 1<<10 // a chunk of 1 MiB, sealed
)

// s3 measures Versity, an S3 server over a directory.
func (b *bench) s3(ctx context.Context) (err error) {
	server, err := testbed.NewVersity(ctx, filepath.Join(b.dir, "versity"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(), os.RemoveAll(filepath.Join(b.dir, "versity"))) }()
	// What is a directory below its own is a bucket to Versity.
	info, err := os.Stat(server.Buckets())
	if err != nil {
		return err
	}
	for _, name := range []string{"ours", "bare"} {
		dir := filepath.Join(server.Buckets(), name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := sameOwner(dir, info); err != nil {
			return err
		}
	}
	return b.remote(ctx, "S3 (Versity)", fmt.Sprintf("127.0.0.1:%d", server.Port), func(at string) (string, func(context.Context) (blockstore.Store, error)) {
		flag := words("s3", "http://"+at, "us-east-1", "ours", server.Key, server.Secret)
		return flag, func(ctx context.Context) (blockstore.Store, error) {
			return s3.Open(ctx, s3.Options{Endpoint: "http://" + at, Region: "us-east-1", Bucket: "bare", Key: server.Key, Secret: server.Secret})
		}
	})
}

// swift measures Swift, on one device, by S3's protocol and by its own.
func (b *bench) swift(ctx context.Context) (err error) {
	server, err := testbed.NewSwift(ctx, filepath.Join(b.dir, "swift"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(), os.RemoveAll(filepath.Join(b.dir, "swift"))) }()
	for _, name := range []string{"ours", "bare", "ours-s3", "bare-s3"} {
		if err := container(ctx, server, name); err != nil {
			return err
		}
	}
	direct := fmt.Sprintf("127.0.0.1:%d", server.Port)
	_, key, secret := server.S3()
	err = b.remote(ctx, "S3 (Swift's)", direct, func(at string) (string, func(context.Context) (blockstore.Store, error)) {
		return words("s3", "http://"+at, "us-east-1", "ours-s3", key, secret), func(ctx context.Context) (blockstore.Store, error) {
			return s3.Open(ctx, s3.Options{Endpoint: "http://" + at, Region: "us-east-1", Bucket: "bare-s3", Key: key, Secret: secret})
		}
	})
	if err != nil {
		return err
	}
	return b.remote(ctx, "Swift", direct, func(at string) (string, func(context.Context) (blockstore.Store, error)) {
		auth := strings.Replace(server.AuthURL(), direct, at, 1)
		return words("swift", auth, server.Tenant, "ours", server.User, server.Password), func(ctx context.Context) (blockstore.Store, error) {
			return swift.Open(ctx, swift.Options{AuthURL: auth, Tenant: server.Tenant, Container: "bare", User: server.User, Password: server.Password})
		}
	})
}

// remote puts the file through a node, and as many bytes by the driver alone, in
// turn. open gives the node's -b and the driver's store at an address.
func (b *bench) remote(ctx context.Context, name, server string, open func(at string) (string, func(context.Context) (blockstore.Store, error))) (err error) {
	proxy, err := testbed.NewProxy(server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, proxy.Close()) }()
	flag, bare := open(proxy.Addr())
	n, err := b.node(ctx, "node "+name, "-b", flag)
	if n != nil {
		defer func() { err = errors.Join(err, n.Stop()) }()
	}
	if err != nil {
		return err
	}
	store, err := bare(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	// Here client, gateway and store share their processors. Behind a network, what
	// bounds the PUTs is the line: the second rows show that.
	for _, f := range []struct {
		behind string
		faults testbed.Faults
	}{
		{fmt.Sprintf("%v added", b.latency), testbed.Faults{Latency: b.latency}},
		{fmt.Sprintf("%v added, %d Mbit/s", b.latency, b.line*8/1_000_000), testbed.Faults{Latency: b.latency, Line: b.line}},
	} {
		proxy.Set(f.faults)
		if err := b.behind(ctx, name+", "+f.behind, n, store); err != nil {
			return err
		}
	}
	return nil
}

// behind measures puts and gets of the file, and the driver's PUTs.
func (b *bench) behind(ctx context.Context, name string, n *testbed.Truckee, store blockstore.Store) error {
	var puts, gets, bares series
	for range b.rounds {
		if err := b.measure(nil, &bares, func() error { return b.parallelPuts(ctx, store) }); err != nil {
			return err
		}
		if err := b.put(ctx, n, &puts); err != nil {
			return err
		}
		if err := b.get(ctx, n, &gets); err != nil {
			return err
		}
	}
	against := fmt.Sprintf("%d parallel PUTs of 1 MiB", parallel)
	b.tell(name+": put", puts, against, bares)
	b.tell(name+": get", gets, against, bares)
	return nil
}

// parallelPuts stores as many bytes as the file has.
func (b *bench) parallelPuts(ctx context.Context, s blockstore.Store) error {
	block := make([]byte, blockSize)
	rand.Read(block)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for range b.size >> 20 {
		g.Go(func() error {
			var id blockstore.ID
			rand.Read(id[:])
			return retry.Do(ctx, func() error { return s.Put(ctx, id, block) })
		})
	}
	return g.Wait()
}

// words joins fields as -b wants them.
func words(driver string, fields ...string) string {
	all := []string{driver}
	for _, f := range fields {
		all = append(all, strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(f))
	}
	return strings.Join(all, ":")
}

// container makes a container by Swift's own protocol, auth v1.
func container(ctx context.Context, s *testbed.Swift, name string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.AuthURL(), http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("X-Auth-User", s.Tenant+":"+s.User)
	req.Header.Set("X-Auth-Key", s.Password)
	granted, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	granted.Body.Close()
	at, err := url.JoinPath(granted.Header.Get("X-Storage-Url"), name)
	if err != nil {
		return err
	}
	if req, err = http.NewRequestWithContext(ctx, http.MethodPut, at, http.NoBody); err != nil {
		return err
	}
	req.Header.Set("X-Auth-Token", granted.Header.Get("X-Auth-Token"))
	made, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	made.Body.Close()
	if made.StatusCode/100 != 2 {
		return fmt.Errorf("make a container: %s", made.Status)
	}
	return nil
}
