package sftpd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/accounts"
)

// peer is a server that the OpenSSH client can be pointed at.
type peer struct {
	port, key, dir string
}

func (p peer) sftp(tb testing.TB, batch string, opts ...string) {
	args := append([]string{
		"-q", "-b", "-", "-P", p.port, "-i", p.key, "-oStrictHostKeyChecking=no",
		"-oUserKnownHostsFile=/dev/null", "-oIdentitiesOnly=yes", "-F", "none",
	}, opts...)
	cmd := exec.Command("sftp", append(args, "root@127.0.0.1")...)
	cmd.Stdin = strings.NewReader(batch)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		tb.Fatalf("sftp: %v\n%s", err, out.String())
	}
}

func clientKey(tb testing.TB, dir string) (path string, pub ssh.PublicKey) {
	p, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(k, "")
	if err != nil {
		tb.Fatal(err)
	}
	path = filepath.Join(dir, "id")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		tb.Fatal(err)
	}
	pub, err = ssh.NewPublicKey(p)
	if err != nil {
		tb.Fatal(err)
	}
	return path, pub
}

type anyKey struct{ pub ssh.PublicKey }

func (a anyKey) Authenticate(_ context.Context, name string, c accounts.Credential) (accounts.Account, error) {
	return accounts.Account{Name: name}, nil
}

// ours serves t on loopback.
func ours(tb testing.TB, t tree) peer {
	dir := tb.TempDir()
	key, pub := clientKey(tb, dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	_, hk, _ := ed25519.GenerateKey(rand.Reader)
	signer, _ := ssh.NewSignerFromSigner(hk)
	s := &Server{Accounts: anyKey{pub}, HostKeys: []ssh.Signer{signer}, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	s.mount = func(context.Context, accounts.Account) (tree, error) { return t, nil }
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), l) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return peer{port: port, key: key, dir: "/"}
}

// openssh serves a plain directory with sshd and internal-sftp.
func openssh(tb testing.TB) peer {
	dir := tb.TempDir()
	key, pub := clientKey(tb, dir)
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			tb.Fatal(err)
		}
		return p
	}
	auth := write("authorized_keys", ssh.MarshalAuthorizedKey(pub))
	_, hk, _ := ed25519.GenerateKey(rand.Reader)
	block, _ := ssh.MarshalPrivateKey(hk, "")
	host := write("host", pem.EncodeToMemory(block))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	conf := write("sshd_config", fmt.Appendf(nil, "Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\n"+
		"StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nSubsystem sftp internal-sftp\n", port, host, auth))
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		tb.Skip(err)
	}
	cmd := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", conf)
	if err := cmd.Start(); err != nil {
		tb.Skip(err)
	}
	tb.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 200 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	sub := filepath.Join(dir, "files")
	_ = os.Mkdir(sub, 0o755)
	return peer{port: port, key: key, dir: sub}
}

// BenchmarkClient is OpenSSH's client, as it negotiates by default, against
// this server on drivers in memory and on disk, and against OpenSSH's own
// internal-sftp on a plain directory. Compare within one run, and processor
// time rather than the clock where other work goes on. TRUCKEE_BENCH_MIB is
// the size of the large file, 256 if unset.
func BenchmarkClient(b *testing.B) {
	src := filepath.Join(b.TempDir(), "1g")
	mib := 256
	if s := os.Getenv("TRUCKEE_BENCH_MIB"); s != "" {
		fmt.Sscan(s, &mib)
	}
	if err := writeRandom(src, mib); err != nil {
		b.Fatal(err)
	}
	peers := []struct {
		name string
		peer func(*testing.B) peer
	}{
		{"memory", func(b *testing.B) peer { return ours(b, newTree(b, newStore(b))) }},
		{"local", func(b *testing.B) peer { return ours(b, newTree(b, newLocalStore(b))) }},
		{"openssh", func(b *testing.B) peer { return openssh(b) }},
	}
	for _, peer := range peers {
		b.Run(peer.name, func(b *testing.B) {
			p := peer.peer(b)
			b.Run("put", func(b *testing.B) {
				b.SetBytes(int64(mib) << 20)
				defer cpuTime(b)()
				for b.Loop() {
					p.sftp(b, "put "+src+" "+p.dir+"/f\n")
				}
			})
			b.Run("get", func(b *testing.B) {
				p.sftp(b, "put "+src+" "+p.dir+"/f\n")
				b.ResetTimer()
				b.SetBytes(int64(mib) << 20)
				defer cpuTime(b)()
				for b.Loop() {
					p.sftp(b, "get "+p.dir+"/f /dev/shm/truckee-bench\n")
				}
			})
			os.Remove("/dev/shm/truckee-bench")
			b.Run("ops", func(b *testing.B) {
				var batch strings.Builder
				for i := range 3000 {
					d := fmt.Sprintf("%s/ops%d", p.dir, i)
					fmt.Fprintf(&batch, "mkdir %s\nrename %s %s-x\nrmdir %s-x\n", d, d, d, d)
				}
				defer cpuTime(b)()
				for b.Loop() {
					p.sftp(b, batch.String())
				}
				b.ReportMetric(9000*float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			})
			small := b.TempDir()
			for i := range 1000 {
				if err := writeSmall(fmt.Sprintf("%s/s/f%d", small, i)); err != nil {
					b.Fatal(err)
				}
			}
			b.Run("put-r", func(b *testing.B) {
				defer cpuTime(b)()
				for b.Loop() {
					p.sftp(b, "put -r "+small+"/s "+p.dir+"/\n")
				}
				b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "files/s")
			})
			b.Run("get-r", func(b *testing.B) {
				defer cpuTime(b)()
				for b.Loop() {
					p.sftp(b, "get -r "+p.dir+"/s "+small+"/back\n")
				}
				b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "files/s")
			})
		})
	}
}

// cpuTime reports the processor seconds a turn of this process, which is the
// server if it is ours, and of the clients.
func cpuTime(b *testing.B) func() {
	sum := func(who int) time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(who, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	self, children := sum(syscall.RUSAGE_SELF), sum(syscall.RUSAGE_CHILDREN)
	return func() {
		b.ReportMetric((sum(syscall.RUSAGE_SELF)-self).Seconds()/float64(b.N), "server-s/op")
		b.ReportMetric((sum(syscall.RUSAGE_CHILDREN)-children).Seconds()/float64(b.N), "client-s/op")
	}
}

// writeRandom writes a file of so many MiB, each different from the others.
func writeRandom(path string, mib int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for i := range mib {
		if i%64 == 0 {
			rand.Read(block)
		}
		rand.Read(block[:32])
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return nil
}

func writeSmall(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	b := make([]byte, 4096)
	rand.Read(b)
	return os.WriteFile(path, b, 0o644)
}

// BenchmarkStat is one request after another over loopback: what a hop costs.
func BenchmarkStat(b *testing.B) {
	h := serveTCP(b)
	c, err := ssh.Dial("tcp", h, config("alice"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	s, err := sftp.NewClient(c)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	defer cpuTime(b)()
	for b.Loop() {
		if _, err := s.Stat("/"); err != nil {
			b.Fatal(err)
		}
	}
}

// serveTCP serves a plain tree on loopback and returns the address.
func serveTCP(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	t := newTree(b, newStore(b))
	s := &Server{
		Accounts: book{"alice": {password: "correct horse"}}, HostKeys: []ssh.Signer{keys().ed25519},
		mount: func(context.Context, accounts.Account) (tree, error) { return t, nil },
	}
	go func() { _ = s.Serve(b.Context(), l) }()
	b.Cleanup(func() { l.Close() })
	return l.Addr().String()
}
