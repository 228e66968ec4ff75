// Command s3conformance runs the public conformance suite ceph/s3-tests against the
// built binary, test by test, and writes what came of it as a page of docs.
//
// It makes a node in a directory of its own with the accounts that the suite
// wants, a virtual environment of Python with what the suite requires (kept in the
// user's cache between runs), and runs test_headers.py and test_s3.py in several
// processes, each test with a bucket prefix of its own. The node has the settings
// that the suite needs: ObjectWriter as the default ownership, a lifecycle day of
// ten seconds, signatures of version 2, SSE-C without TLS.
//
//	go run ./tests/s3conformance -s3tests CHECKOUT [-markdown docs/s3-conformance.md] [-run EXPRESSION] [-processes 3]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

type settings struct {
	suite     string
	markdown  string
	run       string
	binary    string
	processes int
}

func main() {
	var s settings
	flag.StringVar(&s.suite, "s3tests", "", "a checkout of github.com/ceph/s3-tests")
	flag.StringVar(&s.markdown, "markdown", "", "write the page to this file")
	flag.StringVar(&s.run, "run", "", "only the tests that this expression of pytest's -k selects")
	flag.StringVar(&s.binary, "binary", "", "test this binary instead of building one")
	flag.IntVar(&s.processes, "processes", 3, "how many share the suite")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "s3conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.suite == "" || s.processes < 1 {
		return errors.New("-s3tests CHECKOUT is missing: git clone https://github.com/ceph/s3-tests")
	}
	dir, err := os.MkdirTemp("", "s3conformance")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	python, err := environment(ctx, s.suite)
	if err != nil {
		return err
	}
	n, err := startNode(ctx, s.binary, dir, s.processes)
	if err != nil {
		return err
	}
	results, err := runSuite(ctx, s, python, n, dir)
	err = errors.Join(err, n.stop())
	if err != nil {
		return err
	}
	page := write(results, revision(ctx, s.suite))
	fmt.Print(summary(results))
	if s.markdown == "" {
		return nil
	}
	return os.WriteFile(s.markdown, []byte(page), 0o644)
}
