package config

import (
	"errors"
	"fmt"
	"strings"
)

// readINI lists the values of a file in the INI form of Python's configparser,
// which Tahoe-LAFS uses: [section], "key = value" or "key: value", comments in
// lines of their own after # or ;, values continued by indented lines, keys in
// any case. Errors name the line and what is wrong, not the value.
func readINI(path, text string) ([]setting, error) {
	r := iniReader{seen: map[string]bool{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		r.from = fmt.Sprintf("%s:%d", path, number)
		if err := r.line(strings.TrimRight(line, "\r\n")); err != nil {
			return nil, fmt.Errorf("%s: %w", r.from, err)
		}
	}
	return r.all, nil
}

type iniReader struct {
	all     []setting
	from    string
	section string
	open    bool            // the last key may be continued
	seen    map[string]bool // section and key
}

func (r *iniReader) line(line string) error {
	text := strings.TrimSpace(line)
	switch {
	case text == "":
		return nil
	case strings.HasPrefix(text, "#"), strings.HasPrefix(text, ";"):
		return nil
	case r.open && (line[0] == ' ' || line[0] == '\t'):
		last := &r.all[len(r.all)-1]
		last.value = last.value.(string) + "\n" + text
		return nil
	case strings.HasPrefix(text, "["):
		name, ok := strings.CutSuffix(text[1:], "]")
		if !ok || name == "" {
			return errors.New("a section is [name]")
		}
		r.section, r.open = name, false
		r.all = append(r.all, setting{section: name, from: r.from})
		return nil
	}
	return r.pair(text)
}

func (r *iniReader) pair(text string) error {
	i := strings.IndexAny(text, "=:")
	if i <= 0 {
		return errors.New("neither a [section] nor key = value")
	}
	if r.section == "" {
		return errors.New("a key before the first [section]")
	}
	key := strings.ToLower(strings.TrimSpace(text[:i]))
	if r.seen[r.section+"\x00"+key] {
		return fmt.Errorf("%.40q stands twice in [%.40s]", key, r.section)
	}
	r.seen[r.section+"\x00"+key] = true
	r.all = append(r.all, setting{section: r.section, key: key, value: strings.TrimSpace(text[i+1:]), from: r.from})
	r.open = true
	return nil
}
