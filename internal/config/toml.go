package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// setting is one value that somebody gave.
type setting struct {
	section, key string
	value        any    // as Option.set takes it
	from         string // "…/tahoe.cfg:12", "TRUCKEE_SFTPD_PORT", "--sftp"
}

// maxTOMLDepth bounds the nesting of tables: sections, and keys with a dot.
const maxTOMLDepth = 8

// readTOML lists the values of a TOML file. syntax tells whether err is of
// the syntax, so that the file may be something else.
func readTOML(path, text string) (all []setting, syntax bool, err error) {
	var top map[string]toml.Primitive
	md, err := toml.Decode(text, &top)
	if err != nil {
		return nil, true, tomlError(path, text, err)
	}
	for _, key := range md.Keys() {
		table := md.Type(key...) == "Hash"
		if table && 1 < len(key) && len(key) <= maxTOMLDepth {
			continue
		}
		line, value := probeTOML(&md, top, key)
		from := fmt.Sprintf("%s:%d", path, line)
		if len(key) == 1 && !table {
			return nil, false, fmt.Errorf("%s: %.40q stands in no [section]", from, key[0])
		}
		all = append(all, setting{section: key[0], key: strings.Join(key[1:], "."), value: value, from: from})
	}
	return all, false, nil
}

// mayBeSecret tells whether the line names a key whose value must not be
// repeated: the decoder's message can hold it.
func mayBeSecret(text string, line int) bool {
	n := 0
	for l := range strings.Lines(text) {
		if n++; n < line-1 || n > line+1 {
			continue
		}
		l = strings.ToLower(l)
		for _, word := range []string{"key", "secret", "pass", "token", "url", "db"} {
			if strings.Contains(l, word) {
				return true
			}
		}
	}
	return false
}

func tomlError(path, text string, err error) error {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", path, err)
	}
	if mayBeSecret(text, pe.Position.Line) {
		return fmt.Errorf("%s:%d: this is no TOML; does the value stand in quotes?", path, pe.Position.Line)
	}
	return fmt.Errorf("%s:%d: %s", path, pe.Position.Line, pe.Message)
}

// probe takes any TOML value, keeps it, and refuses it: the decoder then says
// where it stands, which it tells in no other way.
type probe struct{ value any }

var errProbe = errors.New("probe")

// UnmarshalTOML implements toml.Unmarshaler.
func (p *probe) UnmarshalTOML(value any) error { p.value = value; return errProbe }

// probeTOML finds the line and the value of a key; line 0 if it can't be told.
func probeTOML(md *toml.MetaData, top map[string]toml.Primitive, key toml.Key) (int, any) {
	at := top
	for _, part := range key[:len(key)-1] {
		next := map[string]toml.Primitive{}
		if err := md.PrimitiveDecode(at[part], &next); err != nil {
			return 0, nil
		}
		at = next
	}
	var p probe
	err := md.PrimitiveDecode(at[key[len(key)-1]], &p)
	var pe toml.ParseError
	if errors.As(err, &pe) {
		return pe.Position.Line, p.value
	}
	return 0, p.value
}
