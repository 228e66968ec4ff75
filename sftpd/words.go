package sftpd

import (
	"errors"
	"fmt"
	"strings"
)

// The commands that exec answers are read as a POSIX shell reads them, as far
// as clients need it: quotes, backslashes, parameters, "~", and lists of
// commands by "|", "&&" and ";". Nothing is expanded to file names, nothing is
// redirected, and nothing but the commands of this package is ever run.

// step is one command of a list.
type step struct {
	words []string
	pipe  bool // its output is the input of the next
	and   bool // the next is run only if it succeeds
}

// maxSteps bounds the commands of a list.
const maxSteps = 16

var errShell = errors.New("not understood here: there is no shell")

// splitCommand reads a command line. env gives the values of parameters.
func splitCommand(line string, env func(name string) string) ([]step, error) {
	l := lexer{rest: line, env: env}
	for l.rest != "" {
		if err := l.next(); err != nil {
			return nil, err
		}
		if len(l.steps) > maxSteps {
			return nil, fmt.Errorf("more than %d commands: %w", maxSteps, errShell)
		}
	}
	l.endWord()
	if len(l.words) > 0 {
		l.endStep(step{})
	}
	if n := len(l.steps); n > 0 && (l.steps[n-1].pipe || l.steps[n-1].and) {
		return nil, fmt.Errorf("a list of commands breaks off: %w", errShell)
	}
	return l.steps, nil
}

// lexer is the state of splitCommand.
type lexer struct {
	rest  string
	env   func(string) string
	steps []step
	words []string
	word  strings.Builder
	begun bool // there is a word, though it may be empty
}

// next reads one character, quoted string or operator.
func (l *lexer) next() error {
	c := l.rest[0]
	l.rest = l.rest[1:]
	switch c {
	case ' ', '\t':
		l.endWord()
	case '\n', ';', '|', '&':
		return l.operator(c)
	case '\'':
		return l.single()
	case '"':
		return l.double()
	case '\\':
		if l.rest == "" {
			return fmt.Errorf("a backslash at the end: %w", errShell)
		}
		if l.rest[0] != '\n' { // which continues the line
			l.add(l.rest[:1])
		}
		l.rest = l.rest[1:]
	case '$':
		v, err := l.parameter()
		if v != "" {
			l.add(v)
		}
		return err
	case '~':
		if !l.begun && (l.rest == "" || strings.ContainsRune("/ \t\n;|&", rune(l.rest[0]))) {
			l.add(l.env("HOME"))
		} else {
			l.add("~")
		}
	case '`', '(', ')', '<', '>':
		return fmt.Errorf("%q: %w", c, errShell)
	default:
		l.add(string([]byte{c}))
	}
	return nil
}

func (l *lexer) add(s string) {
	l.begun = true
	l.word.WriteString(s)
}

func (l *lexer) endWord() {
	if l.begun {
		l.words = append(l.words, l.word.String())
		l.word.Reset()
		l.begun = false
	}
}

func (l *lexer) endStep(s step) {
	s.words, l.words = l.words, nil
	l.steps = append(l.steps, s)
}

// operator reads what begins with c: a newline, ";", "|" or "&&".
func (l *lexer) operator(c byte) error {
	l.endWord()
	double := c != '\n' && l.rest != "" && l.rest[0] == c
	if double {
		l.rest = l.rest[1:]
	}
	switch {
	case double != (c == '&'): // ";;", "||", "&"
		return fmt.Errorf("%q: %w", c, errShell)
	case len(l.words) == 0 && c == '\n':
		return nil
	case len(l.words) == 0:
		return fmt.Errorf("no command before %q: %w", c, errShell)
	}
	l.endStep(step{pipe: c == '|', and: c == '&'})
	return nil
}

func (l *lexer) single() error {
	text, rest, found := strings.Cut(l.rest, "'")
	if !found {
		return fmt.Errorf("a quote is not closed: %w", errShell)
	}
	l.add(text)
	l.rest = rest
	return nil
}

// double reads up to a closing double quote.
func (l *lexer) double() error {
	l.begun = true
	for l.rest != "" {
		c := l.rest[0]
		l.rest = l.rest[1:]
		switch {
		case c == '"':
			return nil
		case c == '`':
			return fmt.Errorf("%q: %w", c, errShell)
		case c == '$':
			v, err := l.parameter()
			if err != nil {
				return err
			}
			l.word.WriteString(v)
		case c == '\\' && l.rest != "" && strings.ContainsRune("$`\"\\\n", rune(l.rest[0])):
			if l.rest[0] != '\n' {
				l.word.WriteByte(l.rest[0])
			}
			l.rest = l.rest[1:]
		default:
			l.word.WriteByte(c)
		}
	}
	return fmt.Errorf("a quote is not closed: %w", errShell)
}

// parameter reads what follows a "$".
func (l *lexer) parameter() (string, error) {
	if strings.HasPrefix(l.rest, "(") {
		return "", fmt.Errorf("\"$(\": %w", errShell)
	}
	if inner, ok := strings.CutPrefix(l.rest, "{"); ok {
		name, rest, found := strings.Cut(inner, "}")
		if !found || name == "" || nameLength(name) != len(name) {
			return "", fmt.Errorf("\"${\": %w", errShell)
		}
		l.rest = rest
		return l.env(name), nil
	}
	n := nameLength(l.rest)
	if n == 0 {
		return "$", nil
	}
	name := l.rest[:n]
	l.rest = l.rest[n:]
	return l.env(name), nil
}

// nameLength is how many bytes of s are a parameter's name.
func nameLength(s string) int {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}
