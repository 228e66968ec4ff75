// Command s3 measures truckee's S3 frontend beside other S3 servers, on one machine and
// in one run: every round of a workload goes over all servers in turn, and the medians
// are compared. Clients and server share the processors, requests are signed with the
// SHA-256 of their bodies, over plain HTTP.
//
// The peers are MinIO without and with its encryption, Versity's gateway over a
// directory and rclone's crypt; -install builds them. Truckee stores everything
// encrypted and durable before it answers; versitygw and rclone sync nothing.
//
//	go run ./tests/bench/s3 [-install] [-only REGEXP] [-peers LIST] [-rounds N] [-for TIME] [-keys N] [-markdown FILE]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// bench is one run.
type bench struct {
	dir, binary string
	peers       []string
	rounds      int
	time        time.Duration // of one measurement
	keys        int           // of the long list
	file        int64         // bytes of the file that the aws cli copies
	only        *regexp.Regexp
	servers     []*server // truckee first
}

func main() {
	var b bench
	install := flag.Bool("install", false, "build the peers first")
	only := flag.String("only", ".", "measure workloads whose name matches this `regexp`")
	peers := flag.String("peers", "minio,minio-kms,versitygw,rclone", "the other servers, by commas; a path is another build of truckee; empty: none")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds of each; the median counts")
	flag.DurationVar(&b.time, "for", 2*time.Second, "length of one measurement")
	flag.IntVar(&b.keys, "keys", 10_000, "keys of the bucket that is listed; 1000000 takes a while")
	size := flag.Int64("size", 1024, "size of the file that the aws cli copies, in `MiB`")
	flag.StringVar(&b.binary, "binary", "", "measure this `program` instead of building truckee")
	flag.StringVar(&b.dir, "dir", "", "work in a new directory within this `directory`, which goes away at the end (default: TMPDIR)")
	markdown := flag.String("markdown", "", "write the table to this `file` too")
	flag.Parse()
	b.file = *size << 20
	b.peers = strings.FieldsFunc(*peers, func(r rune) bool { return r == ',' })
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var text string
	var err error
	if *install {
		err = testbed.InstallS3Peers(ctx)
	}
	if err == nil {
		b.only, err = regexp.Compile(*only)
	}
	if err == nil {
		text, err = b.run(ctx)
	}
	fmt.Print("\n", text)
	if err == nil && *markdown != "" {
		err = os.WriteFile(*markdown, []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (text string, err error) {
	if b.dir, err = testbed.WorkDir(b.dir); err != nil {
		return "", err
	}
	defer os.RemoveAll(b.dir)
	if err := os.Chmod(b.dir, 0o711); err != nil { // versitygw runs as somebody else
		return "", err
	}
	defer b.stop()
	if err := b.start(ctx); err != nil {
		return "", err
	}
	var rows []*row
	for _, w := range b.workloads() {
		if !b.only.MatchString(w.name) {
			continue
		}
		r, err := b.measure(ctx, w)
		if err != nil {
			return b.table(rows), fmt.Errorf("%s: %w", w.name, err)
		}
		rows = append(rows, r)
		fmt.Println(b.line(r))
	}
	return b.table(rows), nil
}

// measure runs one workload's rounds.
func (b *bench) measure(ctx context.Context, w workload) (*row, error) {
	r := &row{workload: w, cells: make([]cell, len(b.servers))}
	for i, s := range b.servers {
		bucket := fmt.Sprintf("/bench-%d-%d", i, time.Now().UnixNano())
		if _, _, err := s.do(ctx, "PUT", bucket, body{}, false); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		r.cells[i].bucket = bucket
		if w.prepare != nil {
			r.cells[i].err = w.prepare(ctx, s, bucket)
		}
	}
	for round := range b.rounds {
		for k := range b.servers {
			i := (round + k) % len(b.servers) // who comes first is a few percent slower
			s := b.servers[i]
			if c := &r.cells[i]; c.err == nil {
				c.err = b.once(ctx, w, s, c)
			}
			if i == 0 && r.cells[0].err != nil {
				return nil, r.cells[0].err
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	for i := range r.cells {
		if err := r.cells[i].err; err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %s: %v\n", b.servers[i].name, w.name, err)
		}
	}
	return r, nil
}

// once measures one round on one server.
func (b *bench) once(ctx context.Context, w workload, s *server, c *cell) error {
	if w.each != nil {
		if err := w.each(ctx, s, c.bucket); err != nil {
			return err
		}
	}
	runtime.GC()
	if err := resetPeak(s.pid()); err != nil {
		return err
	}
	before, err := processUsage(s.pid())
	if err != nil {
		return err
	}
	client, err := clientTime()
	if err != nil {
		return err
	}
	begin := time.Now()
	v, err := w.run(ctx, s, c.bucket)
	if err != nil {
		return err
	}
	took := time.Since(begin).Seconds()
	clientAfter, err := clientTime()
	if err != nil {
		return err
	}
	after, err := processUsage(s.pid())
	if err != nil {
		return err
	}
	c.figures = append(c.figures, v)
	c.cpu = append(c.cpu, w.cost((after.cpu-before.cpu).Seconds(), v*took))
	c.client = append(c.client, w.cost((clientAfter-client).Seconds(), v*took))
	c.peak = max(c.peak, after.peak)
	return nil
}
