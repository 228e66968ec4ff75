package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/truckee-fs/truckee/internal/command"
)

// maxSecret bounds what is read where a password, key or capability is expected.
const maxSecret = 64 << 10

// readSecret reads all of a small file that holds a secret.
func readSecret(f io.Reader, name string) (string, error) {
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if len(b) > maxSecret {
		return "", fmt.Errorf("%s: longer than %d bytes", name, maxSecret)
	}
	return string(b), nil
}

// secretLines reads the lines of standard input; there is at least one.
func (inv *invocation) secretLines() ([]command.Secret, error) {
	text, err := readSecret(inv.stdin, "standard input")
	if err != nil {
		return nil, err
	}
	var lines []command.Secret
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		lines = append(lines, command.Secret(strings.TrimSuffix(line, "\r")))
	}
	return lines, nil
}

// secretFile reads a capability from a file, or for "-" and "" from standard input.
func (inv *invocation) secretFile(path string) (command.Secret, error) {
	if path == "" || path == "-" {
		text, err := readSecret(inv.stdin, "standard input")
		return command.Secret(strings.TrimSpace(text)), err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := readSecret(f, path)
	return command.Secret(strings.TrimSpace(text)), err
}

// prompt asks for a line on the terminal without showing it.
func (inv *invocation) prompt(text string) (command.Secret, error) {
	fd := int(inv.stdin.Fd())
	if !term.IsTerminal(fd) {
		return "", usagef("standard input is no terminal to ask for the password on: use --password-stdin")
	}
	fmt.Fprint(inv.stderr, text)
	b, err := term.ReadPassword(fd)
	fmt.Fprintln(inv.stderr)
	return command.Secret(b), err
}
