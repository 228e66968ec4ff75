// Command storage measures what arrays and stores behind a network cost: puts and
// gets of one large file by OpenSSH's sftp, and beside them, in the same rounds,
// what each is held against.
//
//   - RAID1 over two local directories, RAID5 over three: one local directory.
//     RAID5 with a directory away: the same RAID5 whole.
//   - S3 (Versity) and Swift behind a proxy that adds latency to every round
//     trip: 32 parallel PUTs of blocks of the same size by the driver alone,
//     through the same proxy. Three times: on the processors that all share; behind
//     a line that is narrower than these are; and apart, with store and proxy on
//     one processor, and on another the gateway and its client, or the driver.
//
// The medians of the rounds are compared. Peak memory is the server process's.
//
//	go run ./tests/bench/storage [-only REGEXP] [-size MiB] [-rounds N] [-latency 20ms] [-binary FILE] [-peers FILE,…] [-markdown FILE]
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// bench is one run.
type bench struct {
	dir, binary, key string
	peers            []string // other builds of truckee, measured in turn with this one
	size             int64    // of the file
	rounds           int
	latency          time.Duration
	line             int64 // bytes a second of the network that the stores are behind
	only, modes      *regexp.Regexp
	cpus             []int // that this process may use; fewer than two: nothing is measured apart
	far              []int // processes of the store that is measured, if it is behind a network
	table            strings.Builder
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == proxyCommand {
		fail(beProxy(os.Args[2]))
		return
	}
	var b bench
	only := flag.String("only", ".", "measure those whose name matches this `regexp`: local, s3, swift")
	modes := flag.String("modes", ".", "measure stores behind a network in the modes that match this `regexp`: shared, line, apart")
	flag.StringVar(&b.binary, "binary", "", "measure this `file` (default: what is built here)")
	peers := flag.String("peers", "", "measure these builds of truckee, too: `files`, separated by commas (not for local)")
	flag.Int64Var(&b.size, "size", 1024, "size of the file in `MiB`")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds of each; the median counts")
	flag.DurationVar(&b.latency, "latency", 20*time.Millisecond, "what is added to a round trip")
	line := flag.Int64("line", 1000, "the network of the rows that are bounded by it, in `Mbit/s`")
	markdown := flag.String("markdown", "", "write the table to this `file` too")
	flag.StringVar(&b.dir, "dir", "", "work in a new directory within this `directory`, which goes away at the end (default: TMPDIR)")
	flag.Parse()
	b.size <<= 20
	b.line = *line * 1_000_000 / 8
	b.peers = strings.FieldsFunc(*peers, func(r rune) bool { return r == ',' })
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if b.only, err = regexp.Compile(*only); err == nil {
		b.modes, err = regexp.Compile(*modes)
	}
	if err == nil {
		err = b.run(ctx)
	}
	text := "| work | MiB/s | held against | MiB/s | ratio | server CPU s/GiB | client | store and proxy | server peak MiB |\n| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n" + b.table.String()
	fmt.Print("\n", text)
	if err == nil && *markdown != "" {
		err = os.WriteFile(*markdown, []byte(text), 0o644)
	}
	fail(err)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = testbed.WorkDir(b.dir); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := os.Chmod(b.dir, 0o711); err != nil { // the stores' servers run as others
		return err
	}
	if b.key, err = testbed.NewKey(b.dir); err != nil {
		return err
	}
	if b.binary == "" {
		if b.binary, err = testbed.Build(b.dir); err != nil {
			return err
		}
	}
	if b.cpus, err = testbed.CPUs(); err != nil || len(b.cpus) < 2 {
		fmt.Fprintln(os.Stderr, "bench: nothing can be measured apart here:", len(b.cpus), "processors,", err)
	}
	if err := randomFile(b.file(), b.size); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"local", b.arrays}, {"s3", b.s3}, {"swift", b.swift}} {
		if b.only.MatchString(part.name) {
			if err := part.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	return nil
}

func (b *bench) file() string { return filepath.Join(b.dir, "file") }

// node makes a node of its own and starts it.
func (b *bench) node(ctx context.Context, name string, flags ...string) (*testbed.Truckee, error) {
	return b.nodeOf(ctx, b.binary, name, flags...)
}

// nodeOf is node of another build.
func (b *bench) nodeOf(ctx context.Context, binary, name string, flags ...string) (*testbed.Truckee, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	n, err := testbed.NewTruckee(ctx, binary, dir, b.key, flags...)
	if err != nil {
		return nil, err
	}
	return n, n.Start(ctx)
}

// series is what the rounds of one measurement gave.
type series struct {
	rates []float64 // MiB/s
	cpu   []float64 // seconds of the server's a GiB
	near  []float64 // of the client's, or of the driver that makes the PUTs
	far   []float64 // of the store's servers and the proxy's
	peak  int64     // bytes of the server's memory
}

// measure does work on as many bytes as the file has. n is the server, if one is
// to be looked at.
func (b *bench) measure(n *testbed.Truckee, s *series, do func() error) error {
	if n != nil {
		if err := n.ResetPeak(); err != nil {
			return err
		}
	}
	before, err := b.used(n)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := do(); err != nil {
		return err
	}
	s.rates = append(s.rates, float64(b.size>>20)/time.Since(begin).Seconds())
	after, err := b.used(n)
	if err != nil {
		return err
	}
	perGiB := func(d time.Duration) float64 { return d.Seconds() * (1 << 30) / float64(b.size) }
	s.near = append(s.near, perGiB(after.near-before.near))
	s.far = append(s.far, perGiB(after.far-before.far))
	if n != nil {
		s.cpu = append(s.cpu, perGiB(after.server.CPU-before.server.CPU))
		s.peak = max(s.peak, after.server.PeakRSS)
	}
	return nil
}

// used is what processes have used so far.
type used struct {
	server    testbed.Usage
	near, far time.Duration
}

func (b *bench) used(n *testbed.Truckee) (u used, err error) {
	if n != nil {
		if u.server, err = n.Usage(); err != nil {
			return u, err
		}
	}
	for _, pid := range b.far {
		cpu, err := testbed.CPUTime(pid)
		if err != nil {
			return u, err
		}
		u.far += cpu
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			return u, err
		}
		u.near += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return u, nil
}

func (b *bench) put(ctx context.Context, n *testbed.Truckee, s *series) error {
	return b.measure(n, s, func() error {
		_, err := n.SFTP(ctx, "put "+b.file()+" file\n")
		return err
	})
}

func (b *bench) get(ctx context.Context, n *testbed.Truckee, s *series) error {
	back := filepath.Join(b.dir, "back")
	defer os.Remove(back)
	return b.measure(n, s, func() error {
		_, err := n.SFTP(ctx, "get file "+back+"\n")
		return err
	})
}

// tell adds a row.
func (b *bench) tell(name string, ours series, against string, base series) {
	line := fmt.Sprintf("| %s | %.0f | %s | %.0f | %.2f | %.1f | %.1f | %.1f | %d |\n", name, median(ours.rates), against, median(base.rates),
		median(ours.rates)/median(base.rates), median(ours.cpu), median(ours.near), median(ours.far), ours.peak>>20)
	b.table.WriteString(line)
	fmt.Print(line)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func randomFile(path string, n int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, rand.Reader, n); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
