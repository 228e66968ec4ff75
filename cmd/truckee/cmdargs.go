package main

import (
	"strings"

	"github.com/truckee-fs/truckee/internal/config"
)

// findWith is find, with what TRUCKEE_CMD_ARGS adds to a command that opens a
// node. Without any command, the variable holds all of the line.
func findWith(args []string, lookup func(string) (string, bool)) (*subcommand, []string, error) {
	text, _ := lookup(config.CmdArgsEnv)
	if len(args) == 0 && strings.TrimSpace(text) != "" {
		more, err := splitArgs(text, lookup)
		if err != nil {
			return nil, nil, err
		}
		return find(more)
	}
	c, rest, err := find(args)
	if err != nil || !c.opensNode {
		return c, rest, err
	}
	more, err := splitArgs(text, lookup)
	// Before the words, so that "--" among them means them alone.
	return c, append(more, rest...), err
}

// blameCmdArgs says with an error of the command line that a part of the line is
// one that nobody typed. The words may hold credentials: they aren't repeated.
func blameCmdArgs(err error, lookup func(string) (string, bool)) error {
	if text, _ := lookup(config.CmdArgsEnv); strings.TrimSpace(text) == "" {
		return err
	}
	return usagef("%w\n%s adds words to this command line", err, config.CmdArgsEnv)
}

// splitArgs splits text into words, at white space as a shell does it. Quotes
// hold words together: single ones take all as it stands, double ones expand
// variables. $NAME and ${NAME} stand for variables, which must be set; white
// space in them splits, unless quoted, and nothing else in them counts. A
// backslash before white space, a quote or $ takes away their meaning; before
// anything else it stays, since the strings of blockstores have meanings of their own for it.
func splitArgs(text string, lookup func(string) (string, bool)) ([]string, error) {
	s := splitter{text: text, lookup: lookup}
	for s.at < len(s.text) {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	if s.quote != 0 {
		return nil, usagef("%s: a quotation doesn't end", config.CmdArgsEnv)
	}
	s.end()
	return s.words, nil
}

type splitter struct {
	text   string
	at     int
	lookup func(string) (string, bool)
	quote  byte // that is open, or 0
	word   strings.Builder
	begun  bool
	words  []string
}

func isSpace(c byte) bool { return strings.IndexByte(" \t\n\v\f\r", c) >= 0 }

// step takes the next character, or escape, or variable.
func (s *splitter) step() error {
	c := s.text[s.at]
	s.at++
	switch {
	case c == s.quote:
		s.quote = 0
	case s.quote == '\'':
		s.word.WriteByte(c)
	case c == '\\' && s.at < len(s.text) && s.escapes(s.text[s.at]):
		s.put(s.text[s.at])
		s.at++
	case c == '$':
		return s.variable()
	case s.quote == 0 && (c == '"' || c == '\''):
		s.quote, s.begun = c, true
	case s.quote == 0 && isSpace(c):
		s.end()
	default:
		s.put(c)
	}
	return nil
}

func (s *splitter) escapes(c byte) bool {
	if s.quote == '"' {
		return c == '"' || c == '$'
	}
	return isSpace(c) || c == '"' || c == '\'' || c == '$'
}

func (s *splitter) put(c byte) {
	s.word.WriteByte(c)
	s.begun = true
}

func (s *splitter) end() {
	if s.begun {
		s.words = append(s.words, s.word.String())
		s.word.Reset()
		s.begun = false
	}
}

// variable expands what follows a $; one before no name is itself.
func (s *splitter) variable() error {
	rest := s.text[s.at:]
	var name string
	if inner, ok := strings.CutPrefix(rest, "{"); ok {
		end := strings.IndexByte(inner, '}')
		if end < 0 || nameLength(inner[:end]) != end || end == 0 {
			return usagef("%s: ${ begins no ${NAME}", config.CmdArgsEnv)
		}
		name = inner[:end]
		s.at += end + 2
	} else {
		name = rest[:nameLength(rest)]
		s.at += len(name)
	}
	if name == "" {
		s.put('$')
		return nil
	}
	value, ok := s.lookup(name)
	if !ok {
		return usagef("%s names $%.60s, which is not set", config.CmdArgsEnv, name)
	}
	for i := range len(value) {
		if s.quote == 0 && isSpace(value[i]) {
			s.end()
		} else {
			s.put(value[i])
		}
	}
	return nil
}

// nameLength is how many bytes of text, from its beginning, can be a variable's name.
func nameLength(text string) int {
	for i := range len(text) {
		c := text[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(text)
}
