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
	"slices"
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
	for _, name := range append(b.names("ours"), "bare") {
		dir := filepath.Join(server.Buckets(), name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := sameOwner(dir, info); err != nil {
			return err
		}
	}
	return b.remote(ctx, far{
		name: "S3 (Versity)", addr: fmt.Sprintf("127.0.0.1:%d", server.Port), pids: server.Pids(),
		flag: func(at string, i int) string {
			return words("s3", "http://"+at, "us-east-1", b.names("ours")[i], server.Key, server.Secret)
		},
		bare: func(ctx context.Context, at string) (blockstore.Store, error) {
			return s3.Open(ctx, s3.Options{Endpoint: "http://" + at, Region: "us-east-1", Bucket: "bare", Key: server.Key, Secret: server.Secret})
		},
	})
}

// swift measures Swift, on one device, by S3's protocol and by its own.
func (b *bench) swift(ctx context.Context) (err error) {
	server, err := testbed.NewSwift(ctx, filepath.Join(b.dir, "swift"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(), os.RemoveAll(filepath.Join(b.dir, "swift"))) }()
	for _, name := range slices.Concat(b.names("ours"), b.names("ours-s3-"), []string{"bare", "bare-s3"}) {
		if err := container(ctx, server, name); err != nil {
			return err
		}
	}
	direct := fmt.Sprintf("127.0.0.1:%d", server.Port)
	_, key, secret := server.S3()
	err = b.remote(ctx, far{
		name: "S3 (Swift's)", addr: direct, pids: server.Pids(),
		flag: func(at string, i int) string {
			return words("s3", "http://"+at, "us-east-1", b.names("ours-s3-")[i], key, secret)
		},
		bare: func(ctx context.Context, at string) (blockstore.Store, error) {
			return s3.Open(ctx, s3.Options{Endpoint: "http://" + at, Region: "us-east-1", Bucket: "bare-s3", Key: key, Secret: secret})
		},
	})
	if err != nil {
		return err
	}
	auth := func(at string) string { return strings.Replace(server.AuthURL(), direct, at, 1) }
	return b.remote(ctx, far{
		name: "Swift", addr: direct, pids: server.Pids(),
		flag: func(at string, i int) string {
			return words("swift", auth(at), server.Tenant, b.names("ours")[i], server.User, server.Password)
		},
		bare: func(ctx context.Context, at string) (blockstore.Store, error) {
			return swift.Open(ctx, swift.Options{AuthURL: auth(at), Tenant: server.Tenant, Container: "bare", User: server.User, Password: server.Password})
		},
	})
}

// names are those of the buckets of the builds.
func (b *bench) names(prefix string) []string {
	names := make([]string, 1+len(b.peers))
	for i := range names {
		names[i] = fmt.Sprint(prefix, i)
	}
	return names
}

// far is a store behind a network.
type far struct {
	name string
	addr string // of its server, host:port
	pids []int  // of its servers
	flag func(at string, i int) string
	bare func(ctx context.Context, at string) (blockstore.Store, error)
}

// gateway is a build that is measured.
type gateway struct {
	of   string // what its rows have behind their names
	n    *testbed.Truckee
	puts series
	gets series
}

// remote puts the file through a node of each build, and as many bytes by the driver
// alone, in turn.
func (b *bench) remote(ctx context.Context, f far) (err error) {
	p, err := startProxy(f.addr)
	if err != nil {
		return err
	}
	b.far = append(slices.Clone(f.pids), p.pid())
	defer func() { b.far, err = nil, errors.Join(err, p.close()) }()
	var gateways []*gateway
	defer func() {
		for _, g := range gateways {
			err = errors.Join(err, g.n.Stop())
		}
	}()
	for i, binary := range append([]string{b.binary}, b.peers...) {
		g := &gateway{}
		if i > 0 {
			g.of = " by " + filepath.Base(binary)
		}
		if g.n, err = b.nodeOf(ctx, binary, fmt.Sprint("node ", f.name, i), "-b", f.flag(p.addr, i)); err != nil {
			return err
		}
		gateways = append(gateways, g)
	}
	store, err := f.bare(ctx, p.addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	// Where client, gateway and store share their processors, the sum of what they take
	// is measured. Behind a network the line bounds the PUTs, which the second rows show,
	// or the store, on processors of its own: the third.
	for _, mode := range []struct {
		name, behind string
		faults       testbed.Faults
	}{
		{"shared", "", testbed.Faults{Latency: b.latency}},
		{"line", fmt.Sprintf(", %d Mbit/s", b.line*8/1_000_000), testbed.Faults{Latency: b.latency, Line: b.line}},
		{"apart", ", apart", testbed.Faults{Latency: b.latency}},
	} {
		if !b.modes.MatchString(mode.name) || mode.name == "apart" && len(b.cpus) < 2 {
			continue
		}
		if err := p.set(mode.faults); err != nil {
			return err
		}
		together := func() error { return nil }
		if mode.name == "apart" {
			near := make([]int, len(gateways))
			for i, g := range gateways {
				near[i] = g.n.Pid()
			}
			together, err = b.apart(b.far, near)
		}
		if err == nil {
			err = b.behind(ctx, fmt.Sprintf("%s, %v added%s", f.name, b.latency, mode.behind), gateways, store)
		}
		if err = errors.Join(err, together()); err != nil {
			return err
		}
	}
	return nil
}

// behind measures puts and gets of the file, and the driver's PUTs.
func (b *bench) behind(ctx context.Context, name string, gateways []*gateway, store blockstore.Store) error {
	var bares series
	for _, g := range gateways {
		g.puts, g.gets = series{}, series{}
	}
	for range b.rounds {
		if err := b.measure(nil, &bares, func() error { return b.parallelPuts(ctx, store) }); err != nil {
			return err
		}
		for _, g := range gateways {
			if err := b.put(ctx, g.n, &g.puts); err != nil {
				return err
			}
			if err := b.get(ctx, g.n, &g.gets); err != nil {
				return err
			}
		}
	}
	against := fmt.Sprintf("%d parallel PUTs of 1 MiB", parallel)
	b.tell(name+": "+against, bares, against, bares)
	for _, g := range gateways {
		b.tell(name+": put"+g.of, g.puts, against, bares)
		b.tell(name+": get"+g.of, g.gets, against, bares)
	}
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
