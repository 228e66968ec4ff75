package accounts

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/internal/nearest"
)

// options are the words that this version knows after the capability.
var options = []struct {
	name string
	set  func(l *limits, value string) error
}{
	{"readonly", func(l *limits, v string) error { return yesNo(v, func(yes bool) { l.readOnly = yes }) }},
	{"from", func(l *limits, v string) error {
		list, err := parseAddresses(v)
		l.from = []addresses{list}
		return err
	}},
	{"expires", func(l *limits, v string) (err error) {
		l.expires, err = parseExpiry(v)
		return err
	}},
	{"also", func(l *limits, v string) error {
		if l.also = Proof(v); l.also != ByPassword && l.also != ByKey {
			return errors.New("it is password or key")
		}
		return nil
	}},
	{"sessions", func(l *limits, v string) (err error) { l.Sessions, err = parseCount(v); return err }},
	{"handles", func(l *limits, v string) (err error) { l.Handles, err = parseCount(v); return err }},
	{"rate", func(l *limits, v string) (err error) { l.Up, l.Down, err = parseRate(v); return err }},
	{"quota", func(l *limits, v string) (err error) {
		if l.policy.MaxBytes, err = parseBytes(v); err == nil && l.policy.MaxBytes == 0 {
			err = errors.New("it is more than 0")
		}
		return err
	}},
	{"files", func(l *limits, v string) error {
		n, err := parseCount(v)
		l.policy.MaxFiles = int64(n)
		return err
	}},
	{"dedup", func(l *limits, v string) error {
		if v != "account" && v != "no" {
			return errors.New("it is account or no")
		}
		l.policy.Dedup = v == "account"
		return nil
	}},
	{"pad", func(l *limits, v string) error {
		switch v {
		case "4096", "pow2":
			l.policy.Pad = v
		case "no":
		default:
			return errors.New("it is 4096, pow2 or no")
		}
		return nil
	}},
	{"touch", func(l *limits, v string) error { return yesNo(v, func(yes bool) { l.noTouch = !yes }) }},
	{"verify", func(l *limits, v string) error { return yesNo(v, func(yes bool) { l.verify = yes }) }},
	{"cert-authority", func(l *limits, v string) error { return yesNo(v, func(yes bool) { l.authority = yes }) }},
	{"disabled", func(l *limits, v string) error { return yesNo(v, func(yes bool) { l.disabled = yes }) }},
	{"principals", func(l *limits, v string) error {
		l.principals = strings.Split(v, ",")
		if slices.Contains(l.principals, "") {
			return errors.New("it is names with commas between")
		}
		return nil
	}},
}

func yesNo(value string, set func(yes bool)) error {
	if value != "yes" && value != "no" {
		return errors.New("it is yes or no")
	}
	set(value == "yes")
	return nil
}

// optionForm tells an option from the capability before it: no capability
// begins with a small letter, but ro. and imm., which have no = before their colon.
var optionForm = regexp.MustCompile(`^[a-z][a-z0-9_.-]*=`)

// parseOptions reads the words after the capability; first is the number of
// the first of them in its line. Errors show no word of the line.
func parseOptions(words []string, first int) (limits, error) {
	var l limits
	seen := map[string]bool{}
	for i, word := range words {
		name, raw, _ := strings.Cut(word, "=")
		set := findOption(name)
		if set == nil {
			return limits{}, unknownOption(name, first+i)
		}
		if seen[name] {
			return limits{}, fmt.Errorf("option %s stands twice", name)
		}
		seen[name] = true
		value, err := unescape(raw)
		if err != nil {
			return limits{}, fmt.Errorf("option %s: %w", name, err)
		}
		if err := set(&l, value); err != nil {
			return limits{}, fmt.Errorf("option %s: %w", name, err)
		}
	}
	return l, nil
}

func findOption(name string) func(*limits, string) error {
	for _, o := range options {
		if o.name == name {
			return o.set
		}
	}
	return nil
}

func unknownOption(name string, word int) error {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
	}
	if near, ok := nearest.Word(name, names); ok {
		return fmt.Errorf("word %d is an unknown option; did you mean %s?", word, near)
	}
	return fmt.Errorf("word %d is an unknown option; known are: %s", word, strings.Join(names, ", "))
}

// unescape replaces %XX by the byte XX. The result is valid UTF-8.
func unescape(raw string) (string, error) {
	s, err := url.PathUnescape(raw)
	switch {
	case err != nil:
		return "", errors.New("% is not followed by two hex digits")
	case !utf8.ValidString(s):
		return "", errors.New("the value is not UTF-8")
	}
	return s, nil
}
