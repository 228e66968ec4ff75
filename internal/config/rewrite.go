package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/truckee-fs/truckee/internal/atomicfile"
)

// rewrite takes lines out of tahoe.cfg and the file of the secrets, and puts
// others in.
func rewrite(basedir string, c Config, drop func(section, key string) bool, place, secrets *tables) error {
	path := filepath.Join(basedir, FileName)
	text, err := readText(path)
	if err != nil {
		return err
	}
	if err := replaceWith(path, place.in(without(text, drop)), 0); err != nil {
		return err
	}
	path = string(c.Node.SecretsFile)
	if text, err = readText(path); err != nil {
		return err
	}
	return replaceWith(path, secrets.in(without(text, drop)), 0o600)
}

// tables are lines to be added, by section.
type tables struct {
	order []string
	lines map[string][]string
}

func newTables() *tables { return &tables{lines: map[string][]string{}} }

func (t *tables) add(section, key, value string) {
	if t.lines[section] == nil {
		t.order = append(t.order, section)
	}
	t.lines[section] = append(t.lines[section], key+" = "+value)
}

// in is text with the lines in it: below the header of their section if there is
// one, at the end otherwise.
func (t *tables) in(text string) string {
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	for _, section := range t.order {
		lines := strings.Join(t.lines[section], "\n") + "\n"
		if _, end, ok := header(text, section); ok {
			text = text[:end] + lines + text[end:]
			continue
		}
		if text = strings.TrimRight(text, "\n"); text != "" {
			text += "\n\n"
		}
		text += "[" + section + "]\n" + lines
	}
	return text
}

// header finds the line [section] in text.
func header(text, section string) (begin, end int, ok bool) {
	at := 0
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "#")
		if strings.TrimSpace(name) == "["+section+"]" {
			if !strings.HasSuffix(line, "\n") {
				return 0, 0, false
			}
			return at, at + len(line), true
		}
		at += len(line)
	}
	return 0, 0, false
}

// without is text without the lines of those keys, and without the headers of
// sections of which every key was dropped.
func without(text string, drop func(section, key string) bool) string {
	var b strings.Builder
	section, heading := "", ""
	dropped := false
	flush := func() {
		b.WriteString(heading)
		heading, dropped = "", false
	}
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		key, _, pair := strings.Cut(trimmed, "=")
		switch {
		case strings.HasPrefix(trimmed, "["):
			if !dropped {
				flush()
			}
			name, _, _ := strings.Cut(trimmed, "#")
			section = strings.Trim(strings.TrimSpace(name), "[]")
			heading, dropped = line, false
		case pair && !strings.HasPrefix(trimmed, "#") && drop(section, strings.TrimSpace(key)):
			dropped = true
		case trimmed == "" && dropped:
		default:
			flush()
			b.WriteString(line)
		}
	}
	if !dropped {
		flush()
	}
	return b.String()
}

// quote writes a string as TOML has it.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// addTo adds tables to a file. Mode 0: that of the file, 0600 for a new one.
func addTo(path string, t *tables, mode fs.FileMode) error {
	if len(t.order) == 0 {
		return nil
	}
	text, err := readText(path)
	if err != nil {
		return err
	}
	return replaceWith(path, t.in(text), mode)
}

// replaceWith replaces a file, if the text is TOML.
func replaceWith(path, text string, mode fs.FileMode) error {
	if _, _, err := readTOML(path, text); err != nil {
		return byHand(path)
	}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if text == "" {
			return nil
		}
		if mode == 0 {
			mode = 0o600
		}
	case err != nil:
		return err
	case mode == 0:
		mode = st.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(path, []byte(text), mode)
}
