// Command truckee is a storage gateway: SFTP in front, encrypted blocks that only
// a capability opens behind. `truckee help` lists its subcommands.
//
// Exit status: 0 done; 1 failed, and standard error says why; 2 the command line
// or the configuration makes no sense; 3 something stored is damaged or missing;
// 130 interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/internal/command"
	"github.com/truckee-fs/truckee/internal/kind"
)

func main() {
	if c, _, err := findWith(os.Args[1:], os.LookupEnv); err == nil && c.name == "serve" {
		slackenTimers()
	}
	os.Exit(run(os.Args[1:], env{os.Stdin, os.Stdout, os.Stderr}))
}

// env is what a command talks to.
type env struct {
	stdin  *os.File
	stdout *os.File
	stderr *os.File
}

// run carries out one command line and returns its exit status.
func run(args []string, e env) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	c, rest, err := findWith(args, os.LookupEnv)
	if err != nil {
		fmt.Fprintf(e.stderr, "truckee: %v\n", err)
		return command.StatusUsage
	}
	inv := newInvocation(c, e)
	words, err := parse(inv.flags, rest)
	switch {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(e.stdout, c.usage())
		return command.StatusOK
	case err == nil && (len(words) < c.least || len(words) > c.most):
		err = usageError{fmt.Errorf("usage: truckee %s %s", c.name, c.args)}
	}
	if err != nil && (c.opensNode || len(args) == 0) {
		err = blameCmdArgs(err, os.LookupEnv)
	}
	if err == nil {
		inv.words = words
		err = c.run(ctx, inv)
	}
	return report(e.stderr, err)
}

// usageError is an error of the command line.
type usageError struct{ cause error }

func (e usageError) Error() string { return e.cause.Error() }
func (e usageError) Unwrap() error { return e.cause }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// statusError ends the command with a status; an empty text was said already.
type statusError struct {
	status int
	text   string
}

func (e statusError) Error() string { return e.text }

// report prints an error and chooses the exit status.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return command.StatusOK
	}
	status := command.StatusFailure
	if s, ok := errors.AsType[statusError](err); ok {
		status = s.status
		if s.text == "" {
			return status
		}
	} else if _, ok := errors.AsType[usageError](err); ok {
		status = command.StatusUsage
	} else if kind.Of(err) == kind.Corrupt {
		status = command.StatusDamage
	}
	fmt.Fprintf(stderr, "truckee: %s\n", harmless(err.Error()))
	return status
}

// harmless shows a text so that it can't act on the terminal: it may repeat
// names that somebody else has chosen. Lines stay.
func harmless(text string) string {
	var b strings.Builder
	for i, r := range text {
		if r == utf8.RuneError {
			_, n := utf8.DecodeRuneInString(text[i:])
			if n == 1 {
				fmt.Fprintf(&b, `\x%02x`, text[i])
				continue
			}
		}
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
	}
	return b.String()
}
