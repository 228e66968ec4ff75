// Command bench measures truckee against OpenSSH's internal-sftp on a plain
// directory, in one run, with the same real clients, and prints ratios.
//
// Each workload runs in rounds, truckee and OpenSSH in turn, so that a machine
// whose speed drifts slows both; the medians are compared. OpenSSH syncs
// nothing when a file is closed; truckee's answers are durable.
//
//	go run ./tests/bench [-rounds 3] [-only REGEXP] [-markdown FILE]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/truckee-fs/truckee/tests/testbed"
)

func main() {
	rounds := flag.Int("rounds", 3, "rounds of each workload; the median counts")
	only := flag.String("only", ".", "run the workloads whose name matches this `regexp`")
	markdown := flag.String("markdown", "", "write the table to this `file` too")
	dir := flag.String("dir", "", "work in this `directory` (default: a temporary one)")
	flags := flag.String("truckee-flags", "", "one more `flag` for truckee serve")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *dir, *only, *rounds, *markdown, *flags); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, only string, rounds int, markdown, flags string) (err error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "truckee-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	b, err := setUp(ctx, dir, flags)
	if err != nil {
		return err
	}
	defer b.tearDown()
	var table []row
	for _, w := range workloads {
		if !match.MatchString(w.name) {
			continue
		}
		r, err := b.measure(ctx, w, rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		table = append(table, r...)
		for _, line := range r {
			fmt.Println(line)
		}
	}
	text := describe() + render(table)
	fmt.Print("\n", text)
	if markdown != "" {
		return os.WriteFile(markdown, []byte(text), 0o644)
	}
	return nil
}

// bench is one run: both servers, the same key, and data to send.
type bench struct {
	dir     string // local data of the clients
	truckee *testbed.Truckee
	openssh *testbed.OpenSSH
}

func setUp(ctx context.Context, dir, flags string) (*bench, error) {
	key, err := testbed.NewKey(dir)
	if err != nil {
		return nil, err
	}
	binary, err := testbed.Build(dir)
	if err != nil {
		return nil, err
	}
	peer := filepath.Join(dir, "openssh")
	if err := os.Mkdir(peer, 0o700); err != nil {
		return nil, err
	}
	b := &bench{dir: dir}
	if b.openssh, err = testbed.StartOpenSSH(ctx, peer, key); err != nil {
		return nil, err
	}
	if b.truckee, err = testbed.NewTruckee(ctx, binary, dir, key); err != nil {
		b.tearDown()
		return nil, err
	}
	var extra []string
	if flags != "" {
		extra = []string{flags}
	}
	if err := b.truckee.Start(ctx, extra...); err != nil {
		b.tearDown()
		return nil, err
	}
	return b, nil
}

func (b *bench) tearDown() {
	if b.truckee != nil {
		if err := b.truckee.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	if err := b.openssh.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}
