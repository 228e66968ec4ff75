// Command bench measures truckee against OpenSSH's internal-sftp on a plain
// directory, in one run, with the same real clients, and prints ratios beside
// the bars that they are to reach.
//
// Each workload runs in rounds, the servers in turn, so that a machine whose
// speed drifts slows all; the medians are compared. OpenSSH syncs nothing when a
// file is closed; truckee's answers are durable. The processor time of the
// servers is told, too: it says more than a clock where other work runs beside.
//
// Peers that encrypt what they store, as truckee does, run beside if asked for:
// rclone (serve sftp over crypt) and sftpgo (its encrypted file system), which
// scripts/bench-peers.sh installs as far as they can be had.
//
//	go run ./tests/bench [-rounds 3] [-only REGEXP] [-peers rclone,sftpgo] [-markdown FILE] [-list]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// settings are the flags.
type settings struct {
	rounds   int
	only     *regexp.Regexp
	peers    []string
	markdown string
	dir      string
	binary   string
	flags    []string
}

func main() {
	var s settings
	flag.IntVar(&s.rounds, "rounds", 3, "rounds of each workload; the median counts")
	only := flag.String("only", ".", "measure the rows, or whole workloads, whose name matches this `regexp`")
	peers := flag.String("peers", "", "measure these, too, separated by commas: rclone, sftpgo, or the path of another truckee binary")
	flag.StringVar(&s.binary, "binary", "", "measure this `file` (default: what is built here)")
	flag.StringVar(&s.markdown, "markdown", "", "write the table to this `file` too")
	flag.StringVar(&s.dir, "dir", "", "work in a new directory within this `directory`, which goes away at the end (default: TMPDIR)")
	flags := flag.String("truckee-flags", "", "more `flags` for truckee serve, separated by blanks")
	list := flag.Bool("list", false, "print the names of workloads and rows, and measure nothing")
	flag.Parse()
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		fail(err)
	}
	s.peers = strings.FieldsFunc(*peers, func(r rune) bool { return r == ',' })
	s.flags = strings.Fields(*flags)
	if *list {
		printNames()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		stop()
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

func printNames() {
	for _, w := range workloads() {
		fmt.Println(w.name)
		for _, s := range w.steps {
			fmt.Println("  " + s.name)
		}
	}
}

func run(ctx context.Context, s settings) (err error) {
	if s.dir, err = testbed.WorkDir(s.dir); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	began := time.Now()
	b, err := setUp(ctx, s)
	if err != nil {
		return err
	}
	defer b.tearDown()
	var table []row
	for _, w := range workloads() {
		w = w.selected(s.only)
		if len(w.steps) == 0 {
			continue
		}
		r, err := b.measure(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		table = append(table, r...)
		for _, line := range r {
			fmt.Println(line.text(b.targets))
		}
	}
	text := describe(s.rounds) + render(table, b.targets)
	fmt.Print("\n", text)
	fmt.Printf("\n%d rows in %v\n", len(table), time.Since(began).Round(time.Second))
	if s.markdown != "" {
		return os.WriteFile(s.markdown, []byte(text), 0o644)
	}
	return nil
}
