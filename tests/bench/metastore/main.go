// Command metastore measures how many commits a second a metastore makes for
// one directory and for 16 at once, and what the bare engine does with as many
// bytes in the same run, and prints the ratios.
//
// A commit is that of a small change to a directory: its slot's record (320
// bytes), a node of 3 KiB in place of the one before. Of the bare engine it is a
// transaction with a row of as many bytes in each of two tables with a key,
// durable likewise: SQLite with a write-ahead log and synchronous=FULL, those
// that wait in one transaction (group commit, which SQLite leaves to its user);
// PostgreSQL with a connection for each of the 16, whose commits it groups itself.
//
// Rounds are short and measure both in turn, so that a machine whose speed drifts slows
// both; the medians are compared.
//
//	go run ./tests/bench/metastore [-engines sqlite,postgresql] [-rounds 25] [-for 300ms] [-at-least 0.5] [-markdown FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// measurement is what a run measures.
type measurement struct {
	engines []string
	rounds  int
	span    time.Duration // of one side of a round
	dir     string
}

func main() {
	var m measurement
	names := flag.String("engines", "sqlite,postgresql", "measure these `engines`")
	flag.IntVar(&m.rounds, "rounds", 25, "rounds of each; the median counts")
	flag.DurationVar(&m.span, "for", 300*time.Millisecond, "how long a store is measured in each round")
	atLeast := flag.Float64("at-least", 0, "fail if a `ratio` is below this")
	markdown := flag.String("markdown", "", "write the table to this `file` too")
	flag.StringVar(&m.dir, "dir", "", "keep the databases in a new directory within this `directory`, which goes away at the end (default: TMPDIR)")
	flag.Parse()
	m.engines = strings.Split(*names, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := m.run(ctx, *atLeast, *markdown); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (m measurement) run(ctx context.Context, atLeast float64, markdown string) (err error) {
	if m.rounds < 1 || m.span <= 0 {
		return errors.New("-rounds and -for must be above zero")
	}
	if m.dir, err = testbed.WorkDir(m.dir); err != nil {
		return err
	}
	defer os.RemoveAll(m.dir)
	// PostgreSQL runs as another user than root.
	if err := os.Chmod(m.dir, 0o711); err != nil {
		return err
	}
	var rows []row
	for _, name := range m.engines {
		measured, err := m.engine(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, measured...)
		for _, r := range measured {
			fmt.Fprintln(os.Stderr, r)
		}
	}
	text := render(rows)
	fmt.Print(text)
	if markdown != "" {
		if err := os.WriteFile(markdown, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if i := slices.IndexFunc(rows, func(r row) bool { return r.ratio() < atLeast }); i >= 0 {
		return fmt.Errorf("%s with %d directories reaches %.2f of the bare engine, not %.2f", rows[i].engine, rows[i].directories, rows[i].ratio(), atLeast)
	}
	return nil
}

// engine measures one engine with 1 and with 16 directories.
func (m measurement) engine(ctx context.Context, name string) (rows []row, err error) {
	open, known := engines[name]
	if !known {
		return nil, fmt.Errorf("no such engine; there are sqlite and postgresql")
	}
	e, err := open(ctx, m.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	for _, n := range []int{1, 16} {
		r := row{engine: name, directories: n}
		ours, err := newDirectories(ctx, e.store, n)
		if err != nil {
			return nil, err
		}
		for range m.rounds {
			for _, side := range []struct {
				commit func(ctx context.Context, writer int) error
				rates  *[]float64
			}{{ours.commit, &r.ours}, {e.bare, &r.bare}} {
				rate, err := m.rate(ctx, n, side.commit)
				if err != nil {
					return nil, err
				}
				*side.rates = append(*side.rates, rate)
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}
